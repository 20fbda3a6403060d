"""AUROC and average precision of the kernels against the compiled engine of the CPU."""

import numpy as np
import pytest

from cxrstudy.agreement import ranking as engine
from cxrstudy.agreement.philox import as_key
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.agreement.visits import RANKING_METRICS, programs
from cxrstudy.kernels import ranking
from cxrstudy.kernels.dispatch import KERNEL, watch_paths

SEED = as_key(2**40 + 1)


def _compare(
    n,
    n_observations,
    n_methods,
    n_replicates,
    *,
    highest=0.5,
    decimals=1,
    weights=None,
    zero=False,
    **groups,
):
    """Scores of few digits tie; the first method lacks one."""
    generator = np.random.default_rng(n)
    prevalence = np.linspace(highest, 0.05, n_observations)
    truth = (generator.random((n, n_observations)) < prevalence).astype(float)
    scores = np.round(truth + generator.normal(size=(n_methods, *truth.shape)), decimals)
    scores[0, n // 3, 0] = np.nan
    units = resampling_units(n, **groups)
    program = programs(truth, scores, weights, units, RANKING_METRICS)
    settings = (program, units, np.arange(n_observations) != 1, zero, n_replicates, SEED)
    with watch_paths() as paths:
        found = ranking.replicate_rankings(*settings)
    assert paths == [("ranking", KERNEL)]
    expected = engine.replicate_rankings(*settings)
    assert n == 1 or np.isfinite(expected[..., 0, :]).mean() > 0.5
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    # Quotients of counts are in float32, whose division is within 2 units in the last place.
    precise = 1e-12 if weights is not None else 5e-7
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=precise)
    return expected


@pytest.mark.parametrize("zero", [False, True])
def test_ties_missing_scores_and_undefined_cells(device, poisoned, zero):
    """Few studies, so that replicates without a positive occur."""
    expected = _compare(18, 2, 1, 70, highest=0.15, zero=zero)
    assert np.isnan(expected).any()


def test_scores_without_ties(device, poisoned):
    _compare(21, 1, 1, 40, decimals=9)


def test_all_scores_equal(device, poisoned):
    expected = _compare(19, 1, 1, 20, decimals=-2)
    assert np.nanmax(np.abs(expected[0, :, 0] - 0.5)) < 1e-12


def test_clusters_strata_and_sampling_weights(device, poisoned):
    groups = {"clusters": np.arange(24) // 2, "strata": np.arange(24) // 12}
    _compare(24, 2, 1, 40, weights=np.linspace(0.5, 2, 24), **groups)


def test_one_study(device, poisoned):
    _compare(1, 1, 1, 3)


def test_sums_that_need_64_bits(device, poisoned, monkeypatch):
    """What a large sample takes, on a small one."""
    monkeypatch.setattr(ranking, "_NARROW_LIMIT", 10)
    _compare(17, 1, 1, 40)


def test_chunks_do_not_show(device, poisoned, monkeypatch):
    """Replicates that do not fit into one chunk of multiplicities continue the stream."""
    monkeypatch.setattr(ranking, "CHUNK_BYTES", 16 * 16)
    _compare(16, 1, 1, 24)


@pytest.mark.gpu
def test_a_large_sample(poisoned):
    _compare(25_000, 2, 2, 300, decimals=3)
    _compare(70_000, 1, 1, 20, decimals=3)
