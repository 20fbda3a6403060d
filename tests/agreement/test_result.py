"""Estimates, paired differences and the tidy table."""

import numpy as np
import pytest

from cxrstudy.agreement import Estimate, agree, bca_interval, percentile_interval

COLUMNS = [
    "method",
    "observation",
    "metric",
    "estimate",
    "low",
    "high",
    "n",
    "positives",
    "undefined",
    "too_few",
]


def test_table_lists_every_estimate_with_its_interval(labels):
    """W1's shape: 3 methods, 14 observations and 2 averages, 2 metrics, 3 contrasts: 192 rows."""
    truth, predictions = labels(120, 14, a=0.1, b=0.2, c=0.3)
    contrasts = [("a", "b"), ("a", "c"), ("b", "c")]
    agreement = agree(truth, predictions, contrasts=contrasts, n_bootstrap=200, min_events=0)
    table = agreement.table(level=0.9)
    assert list(table.columns) == COLUMNS
    assert len(table) == 192
    for row in table.sample(20, random_state=0).itertuples():
        estimate = agreement.estimate(row.method, row.observation, row.metric)
        assert (row.low, row.high) == estimate.interval(0.9)
        assert row.estimate == estimate.value


def test_interval_methods_are_the_library_functions(labels):
    """An estimate's intervals are those of `bca_interval` and `percentile_interval`."""
    truth, predictions = labels(80, 1, a=0.2)
    estimate = agree(truth, predictions, n_bootstrap=300).estimate("a", "observation 0", "f1")
    found = bca_interval(estimate.value, estimate.replicates, estimate.jackknife)
    assert estimate.interval() == tuple(map(float, found))
    assert estimate.interval(method="percentile") == tuple(
        map(float, percentile_interval(estimate.replicates))
    )
    with pytest.raises(ValueError, match="interval method"):
        estimate.interval(method="normal")


def test_difference_needs_the_same_resamples(labels):
    """Estimates of other rows, seeds or no known resamples cannot be subtracted."""
    truth, predictions = labels(80, 1, a=0.2, b=0.2)
    first = agree(truth, predictions, n_bootstrap=50).estimate("a", "observation 0", "f1")
    same = agree(truth, predictions, n_bootstrap=50).estimate("b", "observation 0", "f1")
    np.testing.assert_array_equal((first - same).replicates, first.replicates - same.replicates)
    other_seed = agree(truth, predictions, n_bootstrap=50, seed=1)
    shifted = {name: table.set_axis(table.index + 1) for name, table in predictions.items()}
    other_rows = agree(truth.set_axis(truth.index + 1), shifted, n_bootstrap=50)
    unknown = Estimate(0.5, first.replicates, first.jackknife, 0, 80, 20)
    strangers = [a.estimate("b", "observation 0", "f1") for a in (other_seed, other_rows)]
    for stranger in [*strangers, unknown]:
        with pytest.raises(ValueError, match="paired difference"):
            first - stranger


def test_unequal_methods_are_told_apart(labels):
    """A large paired difference has a small p-value, and a method equals itself with p = 1."""
    truth, predictions = labels(300, 2, a=0.05, b=0.35)
    agreement = agree(truth, predictions, contrasts=[("a", "b")], n_bootstrap=2000)
    assert agreement.estimate("a - b", "Average", "f1").p_value() < 0.005
    same = agreement.estimate("a", "Average", "f1")
    assert (same - same).p_value() == 1.0


def test_unknown_estimate_is_named(labels):
    """A wrong key raises with the known names."""
    truth, predictions = labels(40, 1, a=0.2)
    with pytest.raises(KeyError, match="observation 0"):
        agree(truth, predictions, n_bootstrap=5).estimate("a", "Edema", "f1")


def test_estimate_prints_itself(labels):
    """The representation shows value, interval and sample."""
    truth, predictions = labels(60, 1, a=0.2)
    text = repr(agree(truth, predictions, n_bootstrap=99).estimate("a", "observation 0", "f1"))
    assert text.startswith("Estimate(0.")
    assert "n=60" in text
