"""Spearman's correlation of many rows, against SciPy."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cxrstudy.experiments.rank_correlation import rank_correlation


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_it_equals_scipy_with_many_some_and_no_ties(decimals):
    rng = np.random.default_rng(decimals)
    first = np.round(rng.normal(size=(3, 4, 20)), decimals)
    second = np.round(first + rng.normal(size=first.shape), decimals)
    expected = [
        spearmanr(a, b).statistic
        for a, b in zip(first.reshape(-1, 20), second.reshape(-1, 20), strict=True)
    ]
    np.testing.assert_allclose(rank_correlation(first, second).ravel(), expected, atol=1e-12)


def test_what_does_not_vary_has_no_correlation():
    """A constant row has none, in either place; order alone counts elsewhere."""
    rows = np.array([[1.0, 2.0, 9.0], [5.0, 5.0, 5.0]])
    found = rank_correlation(rows, np.array([[1.0, 4.0, 5.0], [1.0, 2.0, 3.0]]))
    assert found[0] == 1 and np.isnan(found[1])
    assert np.isnan(rank_correlation(rows[:1], rows[1:]))[0]
