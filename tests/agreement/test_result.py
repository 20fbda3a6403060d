"""Estimates, paired differences and the tidy table."""

import numpy as np
import pytest

from cxrstudy.agreement import Estimate, Resampling, agree, bootstrap_p_value
from cxrstudy.agreement.intervals import bca_interval, percentile_interval
from cxrstudy.agreement.result import average_over_seeds, mean_estimate

COLUMNS = ["method", "observation", "metric", "estimate", "low", "high"]
COLUMNS += ["n", "positives", "undefined", "too_few"]


def _f1(truth, predictions, method="a", **settings):
    agreement = agree(truth, predictions, resampling=Resampling(**settings))
    return agreement.estimate(method, "observation 0", "f1")


def test_table_lists_every_estimate_with_its_interval(labels):
    """W1's shape: 3 methods, 14 observations and 2 averages, 2 metrics, 3 contrasts: 192 rows."""
    truth, predictions = labels(120, 14, a=0.1, b=0.2, c=0.3)
    contrasts = [("a", "b"), ("a", "c"), ("b", "c")]
    agreement = agree(
        truth, predictions, contrasts=contrasts, resampling=Resampling(200), min_events=0
    )
    table = agreement.table(level=0.9)
    assert list(table.columns) == COLUMNS
    assert len(table) == 192
    for row in table.sample(20, random_state=0).itertuples():
        estimate = agreement.estimate(row.method, row.observation, row.metric)
        assert (row.low, row.high) == estimate.interval(0.9)
        assert row.estimate == estimate.value


def test_the_interval_is_bca_only_with_leave_one_out_values(labels):
    """An estimate without them has a percentile interval, and so has what is derived from it."""
    truth, predictions = labels(80, 1, a=0.2)
    estimate = _f1(truth, predictions, replicates=300)
    found = bca_interval(estimate.value, estimate.replicates, estimate.jackknife)
    assert estimate.interval() == tuple(map(float, found))
    refitted = Estimate.like(estimate, estimate.value, estimate.replicates)
    assert (estimate.method, refitted.method) == ("bca", "percentile")
    assert refitted.interval() == tuple(map(float, percentile_interval(estimate.replicates)))
    p_value = bootstrap_p_value(estimate.value, estimate.replicates, None, 0.5)
    assert refitted.p_value(0.5) == p_value
    difference = estimate - refitted
    assert difference.method == "percentile" and difference.value == 0
    assert mean_estimate([estimate, estimate]).method == "bca"


def test_a_row_has_the_limits_and_the_sample(labels):
    truth, predictions = labels(80, 1, a=0.2)
    agreement = agree(truth, predictions, resampling=Resampling(50))
    estimate = agreement.estimate("a", "observation 0", "f1")
    low, high = estimate.interval(0.9)
    limits = {"estimate": estimate.value, "low": low, "high": high}
    assert estimate.row(0.9) == limits | {"n": 80, "positives": estimate.positives}
    with pytest.raises(KeyError, match="observation 0"):
        agreement.estimate("a", "Edema", "f1")


def test_difference_needs_the_same_resamples(labels):
    truth, predictions = labels(80, 1, a=0.2, b=0.2)
    first, same = (_f1(truth, predictions, method, replicates=50) for method in "ab")
    np.testing.assert_array_equal((first - same).replicates, first.replicates - same.replicates)
    other_seed = _f1(truth, predictions, "b", replicates=50, seed=1)
    shifted = {name: table.set_axis(table.index + 1) for name, table in predictions.items()}
    other_rows = _f1(truth.set_axis(truth.index + 1), shifted, "b", replicates=50)
    unknown = Estimate(0.5, first.replicates, n=80, jackknife=first.jackknife)
    for stranger in (other_seed, other_rows, unknown):
        with pytest.raises(ValueError, match="same resamples"):
            first - stranger


def test_unequal_methods_are_told_apart(labels):
    """A large paired difference has a small p-value, and a method equals itself with p = 1."""
    truth, predictions = labels(300, 2, a=0.05, b=0.35)
    agreement = agree(truth, predictions, contrasts=[("a", "b")], resampling=Resampling(2000))
    assert agreement.estimate("a - b", "Average", "f1").p_value() < 0.005
    same = agreement.estimate("a", "Average", "f1")
    assert (same - same).p_value() == 1.0


def test_seeds_widen_the_interval():
    """Three trainings of equal spread over reports, but far apart from each other."""
    noise = np.random.default_rng(0).normal(0, 0.01, 2000)

    def estimate(value: float) -> Estimate:
        return Estimate(value, value + noise, n=9, jackknife=value + noise[:50])

    alike = average_over_seeds([estimate(0.5)] * 3)
    apart = average_over_seeds([estimate(value) for value in (0.4, 0.5, 0.6)])
    assert apart.value == pytest.approx(alike.value) == pytest.approx(0.5)
    assert apart.method == alike.method == "percentile"
    width = [np.subtract(*e.interval()[::-1]) for e in (alike, apart)]
    assert width[1] > 3 * width[0]


def test_a_single_training_keeps_its_replicates():
    replicates = np.linspace(0.4, 0.6, 201)
    average = average_over_seeds([Estimate(0.5, replicates, n=9, jackknife=replicates[:9])])
    np.testing.assert_array_equal(average.replicates, replicates)
    assert average.value == 0.5
    assert average.interval() == pytest.approx((0.405, 0.595))
