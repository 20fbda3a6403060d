"""Choosing models and thresholds on part of the studies, against plain recomputation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.model_selection import (
    OUTCOMES,
    choose_by_criteria,
    choose_on_validation,
    nested_estimate,
    selection_outcomes,
    set_thresholds,
    threshold_outcome,
)
from cxrstudy.experiments.splits import score_splits, shuffle, sort_cells
from cxrstudy.experiments.thresholds import RULES, threshold_scores
from cxrstudy.philox import as_key

SIZES = [30, 80]
SEED = 5


def _parts(weights, replicate, split, size):
    """Weights of validation and test part, drawn again outside the kernels."""
    order = np.empty(len(weights), np.int64)
    shuffle(as_key(SEED), replicate, split, order)
    before = np.cumsum(weights[order]) - weights[order]
    in_validation = np.zeros(len(weights), bool)
    in_validation[order] = before < size
    return np.where(in_validation, weights, 0), np.where(in_validation, 0, weights)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_scores_of_both_parts_equal_scikit_learn(scores, decimals):
    """Every part's AUROC in resamples with copies, for many, some and no ties."""
    truth, models = scores(150, 2, decimals=decimals, a=1.0, b=1.5)
    weights = Resampling(2, SEED).drawn(150)
    found = score_splits(sort_cells(truth, models), weights, SIZES, SEED)
    for replicate in range(2):
        for k, size in enumerate(SIZES):
            for split in (0, 3):
                parts = _parts(weights[replicate].astype(int), replicate, split, size)
                for part, values in zip(parts, (found.validation, found.test), strict=True):
                    expected = [
                        np.mean([roc_auc_score(truth[o], m[o], sample_weight=part) for o in truth])
                        for m in models.values()
                    ]
                    np.testing.assert_allclose(values[replicate, k, split], expected, atol=1e-12)


def test_splits_are_uniform():
    order, first = np.empty(10, np.int64), np.zeros(10)
    for replicate in range(5000):
        shuffle(as_key(SEED), replicate, 0, order)
        assert sorted(order) == list(range(10))
        first[order[0]] += 1
    assert abs(first / 5000 - 0.1).max() < 5 * np.sqrt(0.09 / 5000)


def _threshold(rule, labels, values, weights):
    """Search a validation part's threshold by trying every score."""
    candidates = np.unique(values[weights > 0])[::-1]
    called = [weights * (values >= c) for c in candidates]
    events, others = weights @ labels, weights @ (1 - labels)
    hits = np.array([c @ labels for c in called])
    flagged = np.array([c.sum() for c in called])
    criterion = {
        RULES[0]: hits / events - (flagged - hits) / others,
        RULES[1]: 2 * hits / (flagged + events),
        RULES[3]: -abs(flagged - events),
    }
    return 0.5 if rule == RULES[2] else candidates[np.argmax(criterion[rule])]


@pytest.mark.parametrize("decimals", [1, 6])
def test_thresholds_equal_a_plain_search(scores, decimals):
    truth, models = scores(150, 1, decimals=decimals, a=1.5)
    labels, values = truth.iloc[:, 0].to_numpy(), models["a"].iloc[:, 0].to_numpy()
    weights = Resampling(2, SEED).drawn(150)
    found, untunable = threshold_scores(sort_cells(truth, models), weights, SIZES, 2, SEED)
    assert not untunable.any()
    for replicate, k, split in np.ndindex(2, 2, 2):
        validation, test = _parts(weights[replicate].astype(int), replicate, split, SIZES[k])
        for i, rule in enumerate(RULES):
            called = (values >= _threshold(rule, labels, values, validation)).astype(float)
            sensitivity, fpr = (np.average(called, weights=test * (labels == c)) for c in (1, 0))
            expected = sensitivity - fpr, f1_score(labels, called, sample_weight=test)
            np.testing.assert_allclose(found[replicate, k, split, i], expected, atol=1e-12)


def test_nothing_to_tune_stays_at_one_half(rng):
    """Without a positive in the validation part every rule calls what 0.5 calls."""
    truth = pd.DataFrame({"u": np.r_[np.ones(3), np.zeros(97)]})
    models = {"m": pd.DataFrame({"u": rng.random(100)})}
    once = np.ones((20, 100), np.uint8)
    found, untunable = threshold_scores(sort_cells(truth, models), once, [10], 2, SEED)
    without = found[untunable == 1]
    assert len(without) > 10
    np.testing.assert_array_equal(without, np.repeat(without[:, 2:3], 4, axis=1))


def test_outcomes_by_hand():
    """Three models; the second leads validation, the third leads the test."""
    validation, test = np.array([[0.7, 0.9, 0.8]]), np.array([[0.6, 0.7, 0.8]])
    found = {name: value.item() for name, value in selection_outcomes(validation, test).items()}
    expected = [0.0, 0.1, 0.1, 0.0, 0.2, 0.5]
    assert found == pytest.approx(dict(zip(OUTCOMES, expected, strict=True)))


def test_ties_share_the_choice():
    found = selection_outcomes(np.array([[0.9, 0.9, 0.1]]), np.array([[0.5, 0.7, 0.6]]))
    assert found["chance of the best"].item() == 0.5
    assert found["regret"].item() == pytest.approx(0.1)


def test_rank_correlation_equals_scipy(rng):
    first, second = rng.integers(0, 4, (2, 6, 8)).astype(float)
    first[0] = 1.0
    found = selection_outcomes(first, second)["rank correlation"]
    assert np.isnan(found[0])
    expected = [spearmanr(a, b).statistic for a, b in zip(first[1:], second[1:], strict=True)]
    np.testing.assert_allclose(found[1:], expected)


def test_nested_estimate_takes_the_splits_own_spread_out(rng):
    """Sample error 1 and split error 3 leave a spread of 1, centred on the value."""
    sample = rng.normal(size=(20_000, 1))
    estimate = nested_estimate(np.array([2.0]), sample + 3 * rng.normal(size=(20_000, 6)) + 5, 100)
    assert estimate.value == 2.0
    assert estimate.replicates.mean() == pytest.approx(2.0)
    assert estimate.replicates.std() == pytest.approx(1.0, rel=0.05)


def test_a_clearly_better_model_is_found(scores):
    """With models far apart the compass works: the best is chosen, ranks agree, regret is nil."""
    truth, models = scores(300, 1, decimals=6, a=0.2, b=1.0, c=3.0)
    choice = choose_on_validation(truth, models, [100], resampling=Resampling(100, SEED))
    found = {outcome: choice.estimates[100, outcome] for outcome in OUTCOMES}
    assert found["chance of the best"].value > 0.99
    assert found["regret"].value < 0.001
    assert found["gain over a random choice"].interval()[0] > 0
    assert found["rank correlation"].value > 0.9


def test_identical_models_leave_nothing_to_choose(scores):
    truth, models = scores(300, 1, a=1.0)
    copies = {"a": models["a"], "b": models["a"]}
    choice = choose_on_validation(truth, copies, [100], resampling=Resampling(50, SEED))
    for outcome in OUTCOMES[:3]:
        assert choice.estimates[100, outcome].value == 0
    assert abs(choice.estimates[100, "optimism"].value) < 0.005


def test_threshold_differences_are_paired(scores):
    truth, models = scores(200, 1, a=1.5)
    tuning = set_thresholds(truth, models, [60], resampling=Resampling(40, SEED))
    value = {name: estimate.value for (_, name), estimate in tuning.estimates.items()}
    for metric in ("f1", "youden"):
        difference = threshold_outcome(metric, RULES[0], RULES[3])
        expected = value[f"{metric}, {RULES[0]}"] - value[f"{metric}, {RULES[3]}"]
        assert value[difference] == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [[], [50, 50], [80, 30], [0, 10], [100]])
def test_impossible_sizes_are_refused(scores, sizes):
    truth, models = scores(100, 1, a=1.0)
    with pytest.raises(ValueError, match="sizes must rise"):
        score_splits(sort_cells(truth, models), np.ones((1, 100), np.uint8), sizes, SEED)


def test_another_criterion_chooses_and_the_truth_judges(scores):
    """The truth as criterion is plain validation; reversed labels turn the choice round."""
    truth, models = scores(150, 1, good=2.0, poor=0.2)
    settings = {"resampling": Resampling(60, SEED)}
    plain = choose_on_validation(truth, models, [60], **settings)
    fixed = pd.Series({"poor": 1.0, "good": 0.0})
    criteria = {"copy": truth.copy(), "turned": 1 - truth, "fixed": fixed}
    found = choose_by_criteria(truth, models, [60], criteria, **settings)
    key = (60, "gain over a random choice")
    copy, expected = found["copy"].estimates[key], plain.estimates[key]
    assert copy.value == expected.value > 0
    np.testing.assert_array_equal(copy.replicates, expected.replicates)
    assert found["turned"].estimates[key].value < 0
    assert found["fixed"].estimates[60, "regret"].value > 0.1
    assert found["fixed"].estimates[60, "chance of the best"].value < 0.1
