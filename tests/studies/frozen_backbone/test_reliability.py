"""Reliability: bins, shares and intervals by hand."""

import numpy as np
import pandas as pd
import pytest
from cxrstudy.studies.frozen_backbone.reliability import reliability

from cxrstudy.agreement import Resampling


def test_two_bins_by_hand():
    probabilities = np.repeat([0.1, 0.2, 0.8, 0.9], 25)
    labels = pd.Series(np.tile([1.0, 0, 0, 0, 0], 20))
    table = reliability(labels, probabilities, n_bins=2, resampling=Resampling(200))
    assert table["predicted"].tolist() == pytest.approx([0.15, 0.85])
    assert table["estimate"].tolist() == [0.2, 0.2]
    assert table["n"].tolist() == [50, 50]
    assert ((table["low"] < 0.2) & (table["high"] > 0.2)).all()


def test_patients_with_many_images_widen_the_interval():
    rng = np.random.default_rng(0)
    of_patient = rng.random(40) < 0.5
    labels = pd.Series(np.repeat(of_patient, 10).astype(float))
    probabilities = np.full(400, 0.5) + np.linspace(0, 1e-3, 400)
    rows, patients = (
        reliability(
            labels, probabilities, n_bins=1, resampling=Resampling(400, clusters=clusters)
        ).iloc[0]
        for clusters in (None, np.repeat(np.arange(40), 10))
    )
    assert patients["high"] - patients["low"] > 2 * (rows["high"] - rows["low"])


def test_ties_make_fewer_bins():
    table = reliability(
        pd.Series([0.0, 1.0] * 10), np.full(20, 0.3), n_bins=4, resampling=Resampling(50)
    )
    assert table["n"].sum() == 20


def test_a_weighted_row_counts_as_several():
    """Whole weights equal repeated rows; the number of rows stays."""
    rng = np.random.default_rng(1)
    probabilities, weights = rng.random(60), rng.integers(1, 4, 60)
    labels = pd.Series((rng.random(60) < probabilities).astype(float))
    once = reliability(labels, probabilities, n_bins=1, resampling=Resampling(50, weights=weights))
    repeated = reliability(
        labels.repeat(weights).reset_index(drop=True), probabilities.repeat(weights), n_bins=1,
        resampling=Resampling(50, clusters=np.arange(60).repeat(weights)),
    )  # fmt: skip
    columns = ["predicted", "estimate", "low", "high"]
    np.testing.assert_allclose(once[columns], repeated[columns])
    assert once["n"].tolist() == [60] and repeated["n"].tolist() == [weights.sum()]


def test_labels_that_are_missing_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        reliability(pd.Series([0.0, 1.0]), np.array([0.5]))
    with pytest.raises(ValueError, match="must be 0 or 1"):
        reliability(pd.Series([0.0, np.nan]), np.array([0.5, 0.6]))
