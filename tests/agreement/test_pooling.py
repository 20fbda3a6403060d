"""Pooled observations: every cell once, in the order of the rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from cxrstudy.agreement import agree
from cxrstudy.agreement.pooling import pool_observations


def test_cells_of_a_row_are_neighbours_and_missing_ones_stay():
    """Row by row, so that repeating each row's cluster label fits."""
    table = pd.DataFrame({"a": [1, np.nan], "b": [0, 1]}, index=["x", "y"], dtype=float)
    pooled = pool_observations(table, "all")
    assert pooled.index.tolist() == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    np.testing.assert_array_equal(pooled["all"], [1, 0, np.nan, 1])


def test_its_score_is_the_micro_average():
    """Equal to scikit-learn's over all cells, with rows resampled and not cells."""
    random = np.random.default_rng(3)
    truth = pd.DataFrame(random.integers(0, 2, (60, 4)), columns=list("abcd")).astype(float)
    guess = truth.where(random.random(truth.shape) < 0.8, 1 - truth)
    estimate = agree(
        pool_observations(truth, "all"), {"m": pool_observations(guess, "all")},
        metrics=("f1",), clusters=np.repeat(range(60), 4), n_bootstrap=20,
    ).estimate("m", "all", "f1")  # fmt: skip
    expected = f1_score(truth.to_numpy(), guess.to_numpy(), average="micro")
    assert estimate.value == pytest.approx(expected, abs=1e-12)
    assert estimate.jackknife.size == 60
