"""Direct optimisation of AUROC on a few rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxrstudy.studies.regularization.metric_optimisation import column_aurocs, optimise_auroc


def _drawn(n: int = 60, d: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = (rng.random(n) < 0.4).astype(float)
    features = rng.normal(size=(n, d)).astype(np.float32)
    features[:, 0] += 0.7 * labels
    return features, labels


def test_aurocs_equal_scikit_learn_with_ties():
    features, labels = _drawn()
    scores = np.round(features, 0)
    expected = [roc_auc_score(labels, column) for column in scores.T]
    np.testing.assert_allclose(column_aurocs(scores, labels), expected, atol=1e-12)


def test_the_metric_rises_on_the_subset_and_each_subset_has_its_own_head():
    features, labels = _drawn()
    subsets = np.array([np.arange(0, 30), np.arange(30, 60)])
    start = np.zeros((2, 8))
    start[:, 1] = 1.0
    heads = optimise_auroc(features, labels, subsets, start, steps=200, learning_rate=0.05)
    for rows, before, after in zip(subsets, start, heads, strict=True):
        scores = [features[rows] @ head for head in (before, after)]
        first, last = (roc_auc_score(labels[rows], values) for values in scores)
        assert last > first + 0.1
    assert not np.allclose(heads[0], heads[1], atol=1e-2)
    alone = optimise_auroc(features, labels, subsets[:1], start[:1], 200, 0.05)
    np.testing.assert_allclose(alone[0], heads[0], atol=1e-4)


def test_no_steps_change_nothing_and_one_class_is_refused():
    features, labels = _drawn()
    start = np.ones((1, 8))
    rows = np.arange(30)[None]
    np.testing.assert_array_equal(optimise_auroc(features, labels, rows, start, steps=0), start)
    with pytest.raises(ValueError, match="one class only"):
        optimise_auroc(features, np.zeros(60), rows, start)
