"""AUROC and average precision against scikit-learn on identical resamples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from cxrstudy.agreement import Resampling, agree

SEED = 7
METRICS = {"auroc": roc_auc_score, "average_precision": average_precision_score}


def _reference(metric, truth, scores, weights):
    """Scikit-learn's value, or NaN where this package calls it undefined."""
    drawn = truth[weights > 0]
    if drawn.sum() == 0 or (metric == "auroc" and drawn.all()):
        return np.nan
    return METRICS[metric](truth, scores, sample_weight=weights)


def _assert_equal(agreement, truth, predictions, weights, attribute="replicates"):
    for method, table in predictions.items():
        for observation in truth:
            pair = truth[observation].to_numpy(), table[observation].to_numpy()
            for metric in METRICS:
                found = getattr(agreement.estimate(method, observation, metric), attribute)
                expected = [_reference(metric, *pair, w) for w in weights]
                np.testing.assert_allclose(found[: len(weights)], expected, atol=1e-12)


@settings(max_examples=25)
@given(
    n=st.integers(2, 120),
    levels=st.sampled_from([1, 2, 5, 10**6]),
    prevalence=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    weighted=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_replicates_and_jackknife_equal_scikit_learn(n, levels, prevalence, weighted, seed):
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame({"u": (rng.random(n) < prevalence).astype(float)})
    scores = {
        "m": pd.DataFrame({"u": rng.integers(0, levels, n) + 0.5 * truth["u"] * (levels > 2)})
    }
    sampling = rng.uniform(0.5, 4, n) if weighted else None
    resampling = Resampling(3, SEED, weights=sampling)
    agreement = agree(truth, scores, metrics=tuple(METRICS), min_events=0, resampling=resampling)
    base = np.ones(n) if sampling is None else sampling
    _assert_equal(agreement, truth, scores, Resampling(3, SEED).drawn(n) * base)
    _assert_equal(agreement, truth, scores, (1 - np.eye(n))[:5] * base, "jackknife")


@pytest.mark.parametrize("n", [20_000, 66_000])
def test_large_samples(scores, n):
    truth, predictions = scores(n, 1, decimals=2, a=1.0)
    agreement = agree(truth, predictions, metrics=tuple(METRICS), resampling=Resampling(2, SEED))
    _assert_equal(agreement, truth, predictions, Resampling(2, SEED).drawn(n))


def test_clusters_and_missing_scores(scores, rng):
    """Whole patients are drawn and left out, and rows without a score are not ranked."""
    truth, predictions = scores(150, 1, a=1.0)
    patients = rng.integers(0, 40, 150)
    predictions["a"].iloc[:20] = np.nan
    resampling = Resampling(4, SEED, clusters=patients)
    agreement = agree(truth, predictions, metrics=tuple(METRICS), resampling=resampling)
    codes, names = pd.factorize(patients)
    known = np.arange(150) >= 20
    kept = truth[known], {"a": predictions["a"][known]}
    drawn = Resampling(4, SEED).drawn(len(names))[:, codes][:, known]
    _assert_equal(agreement, *kept, drawn)
    _assert_equal(agreement, *kept, (1 - np.eye(len(names)))[:, codes][:, known], "jackknife")


def test_averages(scores):
    truth, predictions = scores(200, 3, a=1.0)
    agreement = agree(truth, predictions, metrics=("auroc",), resampling=Resampling(70, SEED))
    cells = [agreement.estimate("a", name, "auroc") for name in truth]
    weights = {"replicates": Resampling(70, SEED).drawn(200), "jackknife": 1 - np.eye(200)}
    for attribute, weight in weights.items():
        values = np.array([getattr(cell, attribute) for cell in cells])
        positives = (weight @ truth.to_numpy()).T
        expected = {
            "Average": values.mean(axis=0),
            "Weighted Average": (values * positives).sum(axis=0) / positives.sum(axis=0),
        }
        for name, value in expected.items():
            found = getattr(agreement.estimate("a", name, "auroc"), attribute)
            np.testing.assert_allclose(found, value, atol=1e-12)


def test_paired_difference_spreads_as_delong_says(scores):
    """The bootstrap's standard error of a paired difference is DeLong's within 8 %."""
    truth, predictions = scores(400, 1, a=1.0, b=0.7)
    agreement = agree(truth, predictions, metrics=("auroc",), contrasts=[("a", "b")])
    positive = truth.iloc[:, 0].to_numpy() == 1
    values = [table.iloc[:, 0].to_numpy() for table in predictions.values()]
    gaps = [v[positive][:, None] - v[~positive][None] for v in values]
    first, second = ((gap > 0) + 0.5 * (gap == 0) for gap in gaps)
    by_class = [(first - second).mean(axis=axis) for axis in (1, 0)]
    error = np.sqrt(sum(part.var(ddof=1) / part.size for part in by_class))
    difference = agreement.estimate("a - b", "observation 0", "auroc")
    assert difference.value == pytest.approx((first - second).mean(), abs=1e-12)
    assert difference.replicates.std() == pytest.approx(error, rel=0.08)
