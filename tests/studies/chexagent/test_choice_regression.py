"""Conditional regressions on arrays: by hand, and scikit-learn's fits.

More of them, with items, are in ``test_controls.py``.
"""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cxrstudy.studies.chexagent.choice_regression import Heads, Options, fit_heads

N = 90
GROUPS = [str(row // 2) for row in range(N)]
YES_NO = [("yes",), ("no",)]


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).normal(3.0, 2.0, (N, 8))


def _log_likelihoods(heads, inputs, names):
    return Options.of(names, heads.labels).log_likelihoods(heads.scores(inputs))


def test_options_are_told_by_their_labels_by_hand():
    """Labels score 1, 2 and 4 at an input of 1; one that was never learned from scores 0."""
    heads = Heads(["a", "b", "c"], np.array([[1.0], [0.0], [3.0]]), np.array([0.0, 2.0, 1.0]))
    names = [[("a", "b"), ("c",)], [("a",), ("b",), ("unknown",)]]
    found = np.exp(_log_likelihoods(heads, np.ones((2, 1)), names))
    first, second = np.exp([3, 4]), np.exp([1, 2, 0])
    assert found[0].tolist() == pytest.approx([*first / first.sum(), 0])
    assert found[1].tolist() == pytest.approx(second / second.sum())


@pytest.mark.parametrize("n_inputs", [8, 200])
def test_two_options_are_scikit_learns_regression_of_twice_the_penalty(n_inputs):
    """Also with more inputs than questions."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(N, n_inputs))
    yes = inputs[:, 0] + rng.normal(size=N) > 0.4
    names, answers = [YES_NO] * N, np.where(yes, 0, 1)
    chosen, heads = fit_heads(inputs, names, answers, GROUPS, (0.01,))
    rows = StandardScaler().fit_transform(inputs)
    # Two weights of opposite sign cost half of what their difference would.
    model = LogisticRegression(C=0.02, tol=1e-8).fit(rows, yes)
    found = np.exp(_log_likelihoods(heads, inputs, names))[:, 0]
    np.testing.assert_allclose(found, model.predict_proba(rows)[:, 1], atol=2e-4)
    assert chosen == 0.01


def test_a_penalty_is_chosen_by_groups_that_were_not_learned_from():
    """Groups have answers of their own: what tells a group by heart is of no use to others."""
    rng = np.random.default_rng(4)
    own = rng.normal(size=(N // 2, 60)).repeat(2, axis=0)
    answers = rng.integers(0, 2, N // 2).repeat(2)
    names, penalties = [YES_NO] * N, (1e-5, 1.0)
    assert fit_heads(own, names, answers, GROUPS, penalties)[0] == 1e-5
    # Were the two of a group apart, what was learned by heart would be worth most.
    apart = [str(row % 2 * (N // 2) + row // 2) for row in range(N)]
    assert fit_heads(own, names, answers, apart, penalties)[0] == 1.0


def test_questions_may_have_different_numbers_of_options(inputs):
    names = [[("mass",), ("edema",)], [("mass",), ("edema",), ("hernia",)]] * (N // 2)
    _, heads = fit_heads(inputs, names, np.array([0, 2] * (N // 2)), GROUPS, (0.01,))
    found = _log_likelihoods(heads, inputs, names)
    assert np.isneginf(found[0::2, 2]).all() and np.isfinite(found[1::2]).all()
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(N))


def test_a_label_that_is_never_right_stays_finite(inputs):
    _, heads = fit_heads(inputs, [YES_NO] * N, np.zeros(N, int), GROUPS, (1e-5, 1e-1))
    found = _log_likelihoods(heads, inputs, [YES_NO] * N)
    assert np.isfinite(found).all()
    assert (np.exp(found[:, 0]) > 0.95).all()
