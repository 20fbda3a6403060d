"""Averages over trainings that differ in their seed."""

import numpy as np
import pytest

from cxrstudy.agreement import Estimate
from cxrstudy.agreement.seeds import average_over_seeds, estimate_row


def test_seeds_widen_the_interval():
    """Three trainings of equal spread over reports, but far apart from each other."""
    noise = np.random.default_rng(0).normal(0, 0.01, 2000)

    def estimate(value: float) -> Estimate:
        return Estimate(value, value + noise, value + noise[:50], undefined=0, n=9, positives=3)

    alike = average_over_seeds([estimate(0.5)] * 3)
    apart = average_over_seeds([estimate(value) for value in (0.4, 0.5, 0.6)])
    assert apart.value == pytest.approx(alike.value) == pytest.approx(0.5)
    width = [np.subtract(*e.interval(method="percentile")[::-1]) for e in (alike, apart)]
    assert width[1] > 3 * width[0]


def test_a_single_training_keeps_its_replicates():
    """With one seed there is nothing to draw: value and interval stay."""
    replicates = np.linspace(0.4, 0.6, 201)
    only = Estimate(0.5, replicates, replicates[:9], undefined=0, n=9, positives=3)
    average = average_over_seeds([only])
    assert average.value == 0.5
    np.testing.assert_array_equal(average.replicates, replicates)
    assert estimate_row(average) == pytest.approx({"estimate": 0.5, "low": 0.405, "high": 0.595})
