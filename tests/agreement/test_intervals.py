"""Intervals against numpy and scipy on the same resamples, and p-values by duality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cxrstudy.agreement import bca_interval, bootstrap_p_value, percentile_interval
from cxrstudy.agreement.intervals import acceleration

LEVELS = [0.5, 0.9, 0.95, 0.999]


@settings(max_examples=60)
@given(
    n=st.integers(1, 400),
    decimals=st.integers(0, 12),
    missing=st.floats(0, 0.5),
    level=st.sampled_from(LEVELS),
    seed=st.integers(0, 10**6),
)
def test_percentile_equals_numpy(n, decimals, missing, level, seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=n), decimals)
    values[rng.random(n) < missing] = np.nan
    low, high = percentile_interval(values, level)
    defined = values[~np.isnan(values)]
    alpha = (1 - level) / 2
    expected = np.quantile(defined, [alpha, 1 - alpha]) if defined.size else [np.nan, np.nan]
    np.testing.assert_array_equal([low, high], expected)


def _skewed_ratio(x, axis=-1):
    return np.mean(x**2, axis=axis) / np.mean(x, axis=axis)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [8, 60])
def test_bca_equals_scipy(rng, level, n):
    sample = rng.exponential(size=n)
    reference = stats.bootstrap(
        (sample,), _skewed_ratio, n_resamples=999, confidence_level=level, method="BCa", rng=1
    )
    jackknife = np.array([_skewed_ratio(np.delete(sample, i)) for i in range(n)])
    found = bca_interval(_skewed_ratio(sample), reference.bootstrap_distribution, jackknife, level)
    np.testing.assert_allclose(found, reference.confidence_interval, rtol=0, atol=1e-10)


def test_stratified_bca_equals_scipy_with_two_samples(rng):
    first, second = rng.exponential(size=15), rng.exponential(size=25)

    def ratio(x, y, axis=-1):
        return np.mean(x, axis=axis) / np.mean(y, axis=axis)

    reference = stats.bootstrap((first, second), ratio, n_resamples=999, method="BCa", rng=1)
    jackknife = [ratio(np.delete(first, i), second) for i in range(15)]
    jackknife += [ratio(first, np.delete(second, i)) for i in range(25)]
    found = bca_interval(
        ratio(first, second), reference.bootstrap_distribution, jackknife, stratum_sizes=(15, 25)
    )
    np.testing.assert_allclose(found, reference.confidence_interval, rtol=0, atol=1e-10)


def test_rows_together_equal_rows_apart(rng):
    replicates = rng.normal(size=(4, 3, 500))
    jackknife = rng.normal(size=(4, 3, 20))
    value = replicates.mean(axis=-1)
    low, high = bca_interval(value, replicates, jackknife)
    one = bca_interval(value[2, 1], replicates[2, 1], jackknife[2, 1])
    assert (low[2, 1], high[2, 1]) == one


def test_edges_of_intervals_and_p_values():
    # A statistic without influence has no acceleration, one outside its replicates no BCa.
    assert acceleration(np.full(10, 0.5)) == 0.0
    assert np.isnan(bca_interval(5.0, np.arange(4.0), np.arange(10.0))).all()
    # Identical predictors, whose difference is always zero, give no evidence.
    assert bootstrap_p_value(0.0, np.zeros(100), np.zeros(10)) == 1.0
    # No finite number of replicates shows less than 2 / (B + 1).
    assert bootstrap_p_value(1.5, np.linspace(1, 2, 99)) == pytest.approx(2 / 100)


@settings(max_examples=40)
@given(null=st.floats(-2.5, 2.5), seed=st.integers(0, 1000), bca=st.booleans())
def test_p_value_is_dual_to_the_interval(null, seed, bca):
    """The null lies outside the interval at levels below 1 - p and inside above."""
    rng = np.random.default_rng(seed)
    replicates = rng.gamma(4, size=4000) / 2 - 2
    jackknife = rng.exponential(size=50) if bca else None
    value = 0.1
    p = bootstrap_p_value(value, replicates, jackknife, null)

    def contains(level):
        interval = (
            bca_interval(value, replicates, jackknife, level)
            if bca
            else percentile_interval(replicates, level)
        )
        return interval[0] <= null <= interval[1]

    slack = 0.005
    if slack < p < 1 - slack:
        assert contains(1 - p + slack)
        assert not contains(1 - p - slack)
