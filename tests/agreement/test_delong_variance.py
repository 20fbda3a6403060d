"""DeLong by midranks against a direct comparison of all pairs."""

import numpy as np
import pytest

from cxrstudy.agreement import Resampling, agree, delong


def _placements(truth, scores):
    """Structural components from every positive-negative pair, ties counted half."""
    difference = scores[truth == 1][:, None] - scores[truth == 0][None]
    won = (difference > 0) + 0.5 * (difference == 0)
    return won.mean(axis=1), won.mean(axis=0)


def test_equal_to_direct_pairs(scores):
    """AUROC and covariance of two models equal DeLong's definition, with ties."""
    truth, predictions = scores(120, 1, a=1.0, b=0.5)
    labels = truth.to_numpy()[:, 0]
    both = np.column_stack([table.to_numpy()[:, 0] for table in predictions.values()])
    auroc, covariance = delong(labels, both)
    v10, v01 = zip(*(_placements(labels, column) for column in both.T), strict=True)
    expected = np.cov(v10) / labels.sum() + np.cov(v01) / (1 - labels).sum()
    np.testing.assert_allclose(auroc, np.mean(v10, axis=1), atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_agrees_with_the_bootstrap(scores):
    """The bootstrap's standard error of a paired difference is DeLong's within 8 %."""
    truth, predictions = scores(400, 1, a=1.0, b=0.7)
    agreement = agree(
        truth,
        predictions,
        metrics=("auroc",),
        contrasts=[("a", "b")],
        resampling=Resampling(10_000),
    )
    difference = agreement.estimate("a - b", "observation 0", "auroc")
    columns = np.column_stack([table.to_numpy()[:, 0] for table in predictions.values()])
    auroc, covariance = delong(truth.to_numpy()[:, 0], columns)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert difference.value == pytest.approx(auroc[0] - auroc[1], abs=1e-12)
    assert difference.replicates.std() == pytest.approx(error, rel=0.08)


def test_incomplete_input_is_refused():
    """Missing scores and single-member classes raise."""
    with pytest.raises(ValueError, match="complete"):
        delong([0, 1, 0, 1], [0.1, np.nan, 0.3, 0.2])
    with pytest.raises(ValueError, match="two positives"):
        delong([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.2])
