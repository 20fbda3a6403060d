"""Refitting in every replicate: nothing is scored by a mapping that saw it."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import agree, agree_out_of_bag


def _majority_by_group(groups, labels):
    """Learner that predicts the weighted majority label of each group."""

    def fit_predict(train_weights, score_rows):
        total = np.bincount(groups, weights=train_weights)
        positive = np.bincount(groups, weights=train_weights * labels)
        return (positive > total / 2)[groups[score_rows], None].astype(float)

    return fit_predict


def test_copies_of_a_study_never_straddle(labels, rng):
    """Every drawn row is scored once, by a fit without any row of its patient."""
    truth, _ = labels(60, 1)
    patients = rng.integers(0, 20, 60)
    scored = []

    def spy(train_weights, score_rows):
        trained = set(patients[train_weights > 0])
        assert trained.isdisjoint(patients[score_rows])
        scored.append(score_rows)
        return np.ones((len(score_rows), 1))

    arguments = {"clusters": patients, "n_bootstrap": 3, "n_folds": 4, "min_events": 0}
    agree_out_of_bag(truth, {"spy": spy}, **arguments)
    passes = [np.concatenate(scored[i : i + 4]) for i in range(0, len(scored), 4)]
    assert len(passes) == 4
    assert sorted(passes[0]) == list(range(60))
    assert all(len(set(rows)) == len(rows) for rows in passes)


def test_memorising_gains_nothing(rng):
    """A learner that recalls seen studies and guesses the rest agrees at chance level."""
    truth = pd.DataFrame({"u": rng.integers(0, 2, 400).astype(float)})
    answers = truth["u"].to_numpy()

    def recall(train_weights, score_rows):
        guess = rng.integers(0, 2, len(score_rows))
        return np.where(train_weights[score_rows] > 0, answers[score_rows], guess)[:, None]

    agreement = agree_out_of_bag(truth, {"m": recall}, n_bootstrap=40, metrics=("kappa",))
    estimate = agreement.estimate("m", "u", "kappa")
    assert abs(estimate.value) < 0.2
    low, high = estimate.interval()
    assert low < 0 < high


def test_replicates_are_centred_and_pair_with_fixed_methods(labels, rng):
    """Learned replicates have the estimate as mean; fixed ones are those of `agree`."""
    truth, predictions = labels(120, 1, fixed=0.2)
    groups = (truth.iloc[:, 0].to_numpy() + rng.integers(0, 3, 120)).astype(int)
    learner = _majority_by_group(groups, truth.iloc[:, 0].to_numpy())
    arguments = {"metrics": ("f1",), "n_bootstrap": 30, "contrasts": [("learned", "fixed")]}
    agreement = agree_out_of_bag(truth, {"learned": learner}, predictions, **arguments)
    learned = agreement.estimate("learned", "observation 0", "f1")
    assert np.nanmean(learned.replicates) == pytest.approx(learned.value)
    fixed = agreement.estimate("fixed", "observation 0", "f1")
    alone = agree(truth, predictions, metrics=("f1",), n_bootstrap=30)
    np.testing.assert_array_equal(
        fixed.replicates, alone.estimate("fixed", "observation 0", "f1").replicates
    )
    difference = agreement.estimate("learned - fixed", "observation 0", "f1")
    np.testing.assert_array_equal(difference.replicates, learned.replicates - fixed.replicates)


def test_same_seed_same_result(labels):
    """The fold deals depend on seed and replicate only."""
    truth, _ = labels(60, 1)
    learner = _majority_by_group(np.arange(60) % 5, truth.iloc[:, 0].to_numpy())
    runs = [agree_out_of_bag(truth, {"m": learner}, n_bootstrap=5, seed=4) for _ in range(2)]
    first, second = (run.estimate("m", "observation 0", "f1").replicates for run in runs)
    np.testing.assert_array_equal(first, second)


def test_wrong_use_is_refused(labels):
    """Score metrics, reused names and a single fold raise."""
    truth, predictions = labels(30, 1, m=0.1)
    learner = {"m": _majority_by_group(np.zeros(30, int), truth.iloc[:, 0].to_numpy())}
    with pytest.raises(ValueError, match="auroc"):
        agree_out_of_bag(truth, learner, metrics=("auroc",))
    with pytest.raises(ValueError, match="fixed methods"):
        agree_out_of_bag(truth, learner, predictions)
    with pytest.raises(ValueError, match="two folds"):
        agree_out_of_bag(truth, learner, n_folds=1)
