"""Mean ROC curves against scikit-learn, ties and vertical steps included."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from cxrstudy.agreement import Resampling
from cxrstudy.experiments import roc


def _reference(positive, scores, weights, rate):
    """Scikit-learn's curve, read at its upper end where it rises vertically."""
    kept = weights > 0
    fpr, tpr, _ = roc_curve(
        positive[kept], scores[kept], sample_weight=weights[kept], drop_intermediate=False
    )
    return np.interp(rate + 1e-12, fpr, tpr)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_sensitivity_equals_scikit_learn(rng, decimals):
    """At random rates in random resamples, for scores with many, some and no ties."""
    positive = rng.random(80) < 0.4
    scores = np.round(positive + rng.normal(size=(2, 80)), decimals)
    weights = Resampling(10, 3).drawn(80)
    targets = rng.random((10, 7))
    found = roc.mean_sensitivity(positive, scores, weights, targets)
    for row, weight in enumerate(weights):
        expected = [
            np.mean([_reference(positive, s, weight.astype(float), rate) for s in scores])
            for rate in targets[row]
        ]
        np.testing.assert_allclose(found[row], expected, atol=1e-9)


def test_by_hand():
    """Scores 4+ 3- 2+ 1-: half of the positives come before the first false alarm."""
    truth = np.array([True, False, True, False])
    scores = np.array([[4.0, 3.0, 2.0, 1.0]])
    found = roc.mean_sensitivity(truth, scores, np.ones((1, 4)), np.array([[0.0, 0.25, 0.5, 1.0]]))
    np.testing.assert_allclose(found, [[0.5, 0.5, 1.0, 1.0]])


def test_one_class_is_undefined():
    found = roc.mean_sensitivity(
        np.array([True, False]), np.array([[1.0, 0.0]]), np.array([[0, 2]]), np.array([[0.5]])
    )
    assert np.isnan(found).all()


def test_a_model_that_copies_a_rater_is_not_beyond_him(scores):
    truth, models = scores(200, 2, a=1.0)
    rater = (models["a"] > 0.5).astype(float)
    settings = {"resampling": Resampling(50)}
    table = roc.sensitivity_beyond_raters(truth, {"copy": rater}, {"rater": rater}, **settings)
    np.testing.assert_allclose(table[["estimate", "low", "high"]], 0, atol=1e-9)


def test_mean_roc_rises_within_its_band(scores):
    truth, models = scores(200, 1, a=1.0, b=1.5)
    curve = roc.mean_roc(truth, models, rates=np.linspace(0, 1, 9), resampling=Resampling(200))
    assert (np.diff(curve["estimate"]) >= 0).all()
    assert curve["estimate"].iloc[-1] == 1.0
    assert (curve["low"] <= curve["estimate"]).all()
    assert (curve["estimate"] <= curve["high"]).all()


def test_a_raters_point_is_two_rates_of_a_two_by_two_table():
    """One false alarm of four negatives, two hits of three positives; limits on either side."""
    truth, answers = (
        pd.DataFrame({"Edema": values})
        for values in ([1.0, 1, 1, 0, 0, 0, 0], [1.0, 1, 0, 1, 0, 0, 0])
    )
    (point,) = roc.rater_points(truth, {"a": answers}, resampling=Resampling(200)).itertuples()
    assert (point.false_positive_rate, point.sensitivity) == pytest.approx((1 / 4, 2 / 3))
    assert point.false_positive_rate_low <= 1 / 4 <= point.false_positive_rate_high
    assert point.sensitivity_low <= 2 / 3 <= point.sensitivity_high
