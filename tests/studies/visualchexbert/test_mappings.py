"""Students, thresholds and regressions of all resamples at once, against one at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge

from cxrstudy.studies.visualchexbert import mappings


def drawn(seed: int, n_resamples: int = 3, n: int = 40):
    """Codes, scores and labels that depend on one another, and how often rows are drawn."""
    rng = np.random.default_rng(seed)
    codes = rng.random((n, 4)) < 0.4
    scores = codes @ rng.normal(size=(4, 2)) + rng.normal(size=(n, 2))
    truth = (scores[:, 0] + rng.normal(size=n) > 0.3).astype(float)
    truth[:2] = 0, 1
    weights = rng.multinomial(n, np.full(n, 1 / n), n_resamples).astype(float)
    weights[:, :2] += 1
    return mappings.with_intercept(codes), scores, truth, weights


@pytest.mark.parametrize("seed", range(3))
def test_a_student_without_a_study_is_one_fitted_without_its_copies(seed):
    design, scores, _, weights = drawn(seed)
    found = mappings.left_out_students(design, scores, weights)
    for resample, weight in enumerate(weights):
        for row in (0, 7, 39):
            rest = np.arange(len(design)) != row
            ridge = Ridge(alpha=mappings.RIDGE_PENALTY)
            ridge.fit(design[rest, :-1], scores[rest], sample_weight=weight[rest])
            expected = ridge.predict(design[[row], :-1])[0]
            np.testing.assert_allclose(found[resample, row], expected, atol=1e-9)


def test_sums_of_parts_give_the_student_of_the_whole():
    design, scores, _, weights = drawn(1)
    parts = (slice(0, 15), slice(15, 40))
    sums = sum(mappings.student_sums(design[p], scores[p], weights[:, p]) for p in parts)
    found = mappings.students(sums)
    for coefficients, weight in zip(found, weights, strict=True):
        ridge = Ridge(alpha=mappings.RIDGE_PENALTY)
        ridge.fit(design[:, :-1], scores, sample_weight=weight)
        np.testing.assert_allclose(coefficients[:-1].T, ridge.coef_, atol=1e-9)


@pytest.mark.parametrize("shared", [True, False])
def test_regressions_equal_scikit_learn(shared):
    design, scores, truth, weights = drawn(2)
    inputs = mappings.with_intercept(scores[None] * np.array([1.0, 2.0, 0.5])[:, None, None])
    inputs = design if shared else inputs
    found = mappings.fit_regressions(inputs, truth, weights)
    for resample, weight in enumerate(weights):
        own = inputs if shared else inputs[resample]
        model = LogisticRegression(class_weight="balanced", tol=1e-12, solver="newton-cholesky")
        rows = np.repeat(np.arange(len(own)), weight.astype(int))
        model.fit(own[rows, :-1], truth[rows])
        expected = np.append(model.coef_[0], model.intercept_)
        np.testing.assert_allclose(found[resample], expected, atol=1e-6)


def test_without_a_class_a_regression_calls_nobody():
    design, _, truth, _ = drawn(0)
    negatives = (truth == 0)[None].astype(float)
    beta = mappings.fit_regressions(design, truth, negatives)
    assert not mappings.regression_classes(design, beta).any()
    outputs = design[None, :, 0]
    assert mappings.youden_thresholds(outputs, truth, negatives).tolist() == [np.inf]


def test_one_newton_step_leaves_a_row_out_as_refitting_does():
    _, scores, truth, weights = drawn(3, n_resamples=20, n=120)
    inputs = mappings.with_intercept(np.repeat(scores[None], len(weights), axis=0))
    found = mappings.left_out_regression_classes(inputs, truth, weights)
    same = total = 0
    for resample, weight in enumerate(weights):
        without = weight * (1 - np.eye(len(weight)))
        beta = mappings.fit_regressions(inputs[0], truth, without)
        exact = (inputs[0] * beta).sum(axis=1) > 0
        same += (weight * (exact == found[resample])).sum()
        total += weight.sum()
    assert same / total > 0.998


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_threshold_without_a_row_is_one_set_on_the_others(seed, levels):
    """With ties and copies; rows at or above the best cut of the others are called."""
    rng = np.random.default_rng(seed)
    outputs = rng.integers(0, levels + 1, (1, 12)).astype(float)
    truth = rng.integers(0, 2, 12).astype(float)
    truth[:4] = 0, 0, 1, 1
    weights = rng.integers(0, 3, (1, 12)).astype(float)
    weights[:, :4] = 1
    found = mappings.left_out_threshold_classes(outputs, truth, weights)[0]
    for row in np.flatnonzero(weights[0]):
        others = weights.copy()
        others[0, row] = 0
        (threshold,) = mappings.youden_thresholds(outputs, truth, others)
        assert found[row] == (outputs[0, row] >= threshold)


def test_the_threshold_has_the_highest_youden_index():
    outputs = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    truth = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    (threshold,) = mappings.youden_thresholds(outputs, truth, np.ones((1, 6)))
    assert threshold == 0.8  # 2/3 - 0, as high as 0.6 with 1 - 1/3; the higher one wins


@given(st.integers(0, 10_000), st.integers(0, 39))
def test_no_study_sees_its_own_expert_label(seed, row):
    """Changing one study's label changes none of its own predictions, exactly."""
    design, scores, truth, _ = drawn(seed % 7)
    everyone = np.ones((1, len(truth)))
    outputs = mappings.left_out_students(design, scores, everyone)
    inputs = mappings.with_intercept(outputs[0])
    changed = truth.copy()
    changed[row] = 1 - changed[row]
    for labels in (truth, changed):
        if not 2 <= labels.sum() <= len(labels) - 2:
            return
    calls = [
        (
            mappings.left_out_threshold_classes(outputs[:, :, 0], labels, everyone)[0, row],
            mappings.exact_left_out_regression_classes(inputs, labels)[row],
            mappings.exact_left_out_regression_classes(design, labels)[row],
        )
        for labels in (truth, changed)
    ]
    assert calls[0] == calls[1]
