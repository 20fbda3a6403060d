"""Replicates from the kernels against the CPU engine, metric by metric and draw by draw."""

from unittest.mock import patch

import numpy as np
import pytest

from cxrstudy.agreement import accelerators, counts
from cxrstudy.agreement import ranking as engine
from cxrstudy.agreement.counts import COUNT_METRICS, count_table
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.agreement.visits import RANKING_METRICS, programs
from cxrstudy.kernels import ranking, replicates
from cxrstudy.kernels.dispatch import KERNEL, watch_paths
from cxrstudy.philox import as_key

SEED = as_key(2**40 + 1)
ALL_METRICS = np.arange(len(COUNT_METRICS))
CLUSTERED = {"clusters": np.arange(24) // 2, "strata": np.arange(24) // 12}


def _truth(n, n_observations, highest):
    generator = np.random.default_rng(n)
    prevalence = np.linspace(highest, 0.05, n_observations)
    return (generator.random((n, n_observations)) < prevalence).astype(float), generator


def _compare_counts(
    n, n_observations, n_methods, n_replicates, *, highest=0.5, weights=None, zero=False, **groups
):
    """Every metric of every cell in every replicate; the first method lacks one answer."""
    truth, generator = _truth(n, n_observations, highest)
    errors = np.linspace(0.05, 0.3, n_methods)
    methods = [np.where(generator.random(truth.shape) < e, 1 - truth, truth) for e in errors]
    methods = np.stack(methods)
    methods[0, n // 3, 0] = np.nan
    units = resampling_units(n, **groups)
    counted = count_table(truth, methods, weights, units)
    averaged = np.arange(n_observations) != 1
    settings = (counted, units, ALL_METRICS, averaged, zero, n_replicates, SEED)
    with watch_paths() as paths:
        found = replicates.counted_replicates(*settings)
    assert set(paths) == {("resample", KERNEL)}
    with patch.dict(accelerators._REGISTERED, clear=True):
        expected = counts.replicate_counts(*settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    return expected


def _compare_rankings(
    n, n_observations, n_methods, n_replicates, *,
    highest=0.5, decimals=1, weights=None, zero=False, **groups,
):  # fmt: skip
    """Scores of few digits tie; the first method lacks one."""
    truth, generator = _truth(n, n_observations, highest)
    scores = np.round(truth + generator.normal(size=(n_methods, *truth.shape)), decimals)
    scores[0, n // 3, 0] = np.nan
    units = resampling_units(n, **groups)
    program = programs(truth, scores, weights, units, RANKING_METRICS)
    settings = (program, units, np.arange(n_observations) != 1, zero, n_replicates, SEED)
    with watch_paths() as paths:
        found = ranking.ranked_replicates(*settings)
    assert set(paths) == {("ranking", KERNEL), ("resample", KERNEL)}
    with patch.dict(accelerators._REGISTERED, clear=True):
        expected = engine.replicate_rankings(*settings)
    assert n == 1 or np.isfinite(expected[..., 0, :]).mean() > 0.5
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-12)
    # Quotients of counts are in float32, whose division is within 2 units in the last place.
    precise = 1e-12 if weights is not None else 5e-7
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=precise)
    return expected


# The functions choose their own device, so a test only needs to be told to run.
on_kernels = pytest.mark.usefixtures("device", "poisoned")


@on_kernels
@pytest.mark.parametrize("compare", [_compare_counts, _compare_rankings])
@pytest.mark.parametrize("zero", [False, True])
def test_undefined_values(compare, zero):
    assert np.isnan(compare(18, 2, 1, 70, highest=0.15, zero=zero)).any()


@on_kernels
@pytest.mark.parametrize("compare", [_compare_counts, _compare_rankings])
def test_one_study_and_clusters_strata_and_sampling_weights(compare):
    compare(1, 1, 1, 3)
    compare(24, 2, 2, 40, **CLUSTERED)
    compare(24, 2, 1, 40, weights=np.linspace(0.5, 2, 24), **CLUSTERED)


@on_kernels
@pytest.mark.parametrize(
    ("compare", "module", "chunk"),
    [(_compare_counts, replicates, 8 * 900), (_compare_rankings, ranking, 16 * 16)],
)
def test_chunks_do_not_show(monkeypatch, compare, module, chunk):
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
    compare(16, 1, 1, 24)


@on_kernels
def test_scores_without_ties_and_with_nothing_else(monkeypatch):
    _compare_rankings(21, 1, 1, 40, decimals=9)
    expected = _compare_rankings(19, 1, 1, 20, decimals=-2)
    assert np.nanmax(np.abs(expected[0, :, 0] - 0.5)) < 1e-12
    # Sums that need 64 bits, which a large sample has.
    monkeypatch.setattr(ranking, "_NARROW_LIMIT", 10)
    _compare_rankings(17, 1, 1, 40)


@pytest.mark.gpu
def test_large_samples(poisoned):
    _compare_counts(500, 14, 3, 100_000)
    _compare_rankings(25_000, 2, 2, 300, decimals=3)
    _compare_rankings(70_000, 1, 1, 20, decimals=3)
