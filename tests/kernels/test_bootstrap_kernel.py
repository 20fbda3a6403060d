"""Intervals from the bootstrap kernels against the compiled engine of the CPU."""

import numpy as np
import pytest
import torch

from cxrstudy.agreement.counts import count_table
from cxrstudy.agreement.metrics import COUNT_METRICS
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.kernels import bootstrap, quantiles
from cxrstudy.kernels.bootstrap import count_intervals, count_intervals_reference
from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, watch_paths
from cxrstudy.kernels.quantiles import column_quantiles


def _tables(n: int, n_observations: int, n_methods: int, highest: float = 0.5):
    generator = np.random.default_rng(n)
    prevalence = np.linspace(highest, 0.02, n_observations)
    truth = (generator.random((n, n_observations)) < prevalence).astype(float)
    errors = np.linspace(0.05, 0.3, n_methods)
    methods = [np.where(generator.random(truth.shape) < e, 1 - truth, truth) for e in errors]
    predictions = np.stack(methods)
    predictions[0, n // 3, 0] = np.nan
    return truth, predictions


def _compare(
    n, n_observations, n_methods, metrics, n_replicates, *, highest=0.5, groups=None, **settings
):
    truth, predictions = _tables(n, n_observations, n_methods, highest)
    units = resampling_units(n, **(groups or {}))
    counted = count_table(truth, predictions, None, units)
    averaged = np.arange(n_observations) != 1
    settings = {"averaged": averaged, "zero_undefined": False, "seed": 2**40 + 1, **settings}
    arguments = {"counted": counted, "units": units, "metrics": metrics, **settings}
    with watch_paths() as paths:
        found = count_intervals(n_replicates=n_replicates, **arguments)
    assert paths == [("bootstrap", KERNEL)]
    expected = count_intervals_reference(n_replicates=n_replicates, **arguments)
    for name in ("low", "high"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.undefined, expected.undefined)
    return expected


@pytest.mark.usefixtures("device", "poisoned")
class TestIntervals:
    """The kernels choose their own device, so these tests only need to be told to run."""

    def test_f1_and_kappa_with_a_contrast(self):
        _compare(150, 3, 2, ["f1", "kappa"], 200, contrasts=[(0, 1)])

    @pytest.mark.parametrize("zero_undefined", [False, True])
    def test_every_metric_and_undefined_values(self, zero_undefined):
        """So few studies that many replicates have no positive."""
        expected = _compare(
            12, 2, 1, list(COUNT_METRICS), 96, highest=0.2, zero_undefined=zero_undefined, level=0.8
        )
        assert ((expected.undefined > 0) & (expected.undefined < 96)).any()

    def test_clusters_and_strata(self):
        groups = {"clusters": np.arange(90) // 3, "strata": np.arange(90) // 30}
        _compare(90, 2, 1, ["f1", "mcc"], 130, groups=groups)

    def test_one_study_and_one_replicate(self):
        _compare(1, 1, 1, ["accuracy"], 1, averaged=np.array([True]))

    def test_chunks_do_not_show(self, monkeypatch):
        """Replicates that do not fit into one chunk of multiplicities continue the stream."""
        monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 70 * 64)
        _compare(60, 1, 1, ["f1"], 150, averaged=np.array([True]))

    def test_sampling_weights_take_the_reference(self):
        truth, predictions = _tables(30, 2, 1)
        units = resampling_units(30)
        counted = count_table(truth, predictions, np.linspace(0.5, 2, 30), units)
        with watch_paths() as paths:
            count_intervals(counted, units, ["f1"], np.ones(2, bool), False, 20, 0)
        assert paths == [("bootstrap", REFERENCE)]


@pytest.mark.gpu
def test_a_hundred_thousand_replicates_of_the_study(poisoned):
    """Workload W1 of the benchmarks at a tenth of its replicates."""
    contrasts = [(0, 1), (0, 2), (1, 2)]
    _compare(500, 14, 3, ["f1", "kappa"], 100_000, contrasts=contrasts)


def _columns(n_entries):
    """Rows with ties, without variation, with NaN, with nothing else, and two differences."""
    generator = np.random.default_rng(n_entries)
    values = generator.random((4, n_entries)).astype(np.float32)
    values[1] = np.round(values[1], 1)
    values[2] = 1.0
    values[0, generator.random(n_entries) < 0.3] = np.nan
    values[3] = np.nan
    return values, np.array([0, 1, 2, 3, 1, 0]), np.array([-1, -1, -1, -1, 2, 1])


def _quantiles(device, values, rows, minus):
    low = np.where(minus < 0, 0, -1)
    return column_quantiles(
        torch.from_numpy(values).to(device),
        *(torch.tensor(part, dtype=torch.int32, device=device) for part in (rows, minus)),
        *(torch.tensor(p, dtype=torch.float32, device=device) for p in (low, np.ones(6))),
        (0.025, 0.5, 0.975),
    )


@pytest.mark.parametrize(
    ("n_entries", "stretch"), [(1, None), (2, None), (37, None), (1500, None), (1500, 1024)]
)
def test_quantiles_are_those_of_numpy(device, poisoned, monkeypatch, n_entries, stretch):
    """By one program for each row, or by two."""
    monkeypatch.setattr(quantiles, "STRETCH", stretch or quantiles.STRETCH)
    values, rows, minus = _columns(n_entries)
    exact = values[rows].astype(float)
    exact[minus >= 0] -= values[minus[minus >= 0]]
    found, defined = _quantiles(device, values, rows, minus)
    np.testing.assert_array_equal(defined.cpu(), (~np.isnan(exact)).sum(axis=1))
    for row, expected in zip(found.cpu().numpy(), exact, strict=True):
        known = expected[~np.isnan(expected)]
        quantile = np.quantile(known, [0.025, 0.5, 0.975]) if known.size else [np.nan] * 3
        np.testing.assert_allclose(row, quantile, rtol=0, atol=5e-7)


@pytest.mark.parametrize("crowded", [0, 10**6], ids=["every bin sparse", "every bin crowded"])
def test_how_a_bin_is_counted_does_not_show(device, poisoned, monkeypatch, crowded):
    columns = _columns(300)
    expected, _ = _quantiles(device, *columns)
    monkeypatch.setattr(quantiles, "CROWDED", crowded)
    found, _ = _quantiles(device, *columns)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
