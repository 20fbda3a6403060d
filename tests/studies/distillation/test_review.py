"""Which labels people correct, and what becomes of them."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.review import (
    LEAST_CERTAIN,
    RANDOM,
    correct,
    curves_in_words,
    order_of_review,
    review_arms,
    review_in_words,
    wrong_among,
)
from cxrstudy.text.reports import FINDINGS, PRESENT, one_hot

N = 40


@pytest.fixture
def codes() -> np.ndarray:
    codes = (np.random.default_rng(0).random((N, 13)) < 0.3).astype(float)
    codes[3] = np.nan
    return codes


@pytest.fixture
def targets(codes) -> np.ndarray:
    """Certain and right, but for ten labels: unsure, and wrong."""
    targets = one_hot(np.nan_to_num(codes).astype(int))
    doubtful = np.array([0.45, 0.55, 0.0])
    for place in range(10):
        right = int(codes[20 + place, 5])
        targets[20 + place, 5] = doubtful if right == 0 else doubtful[[1, 0, 2]]
    return targets


def test_the_least_certain_labels_come_first(targets, codes):
    order = order_of_review(targets, codes, LEAST_CERTAIN, seed=0)
    assert set(order[:10]) == {(20 + place) * 13 + 5 for place in range(10)}
    shuffled = order_of_review(targets, codes, RANDOM, seed=0)
    assert set(order) == set(shuffled) and not np.array_equal(order, shuffled)
    # Nobody coded the report, so that nobody can correct its labels.
    assert len(order) == (N - 1) * 13 and not set(range(3 * 13, 4 * 13)) & set(order)


def test_a_missing_label_is_the_least_certain(targets, codes):
    targets[0, 0] = np.nan
    assert order_of_review(targets, codes, LEAST_CERTAIN, seed=0)[0] == 0


def test_corrected_labels_are_the_codes_and_no_others_change(targets, codes):
    order = order_of_review(targets, codes, LEAST_CERTAIN, seed=0)
    corrected = correct(targets, codes, order[:10])
    changed = np.argwhere((corrected != targets).any(axis=-1))
    assert {tuple(place) for place in changed} == {(20 + place, 5) for place in range(10)}
    assert (corrected[20:30, 5, PRESENT] == codes[20:30, 5]).all()
    np.testing.assert_array_equal(correct(targets, codes, order[:0]), targets)


@pytest.fixture
def reports(codes) -> DividedReports:
    index = pd.Index([f"r{number}" for number in range(N)])
    texts = pd.Series([f"Report {number}." for number in range(N)], index)
    table = pd.DataFrame(codes, index, list(FINDINGS))
    return DividedReports(texts, table, pd.Series(False, index))


def test_students_learn_the_corrected_labels(reports, targets):
    given = dict(zip(reports.training_texts, targets, strict=True))
    other = one_hot(np.zeros(13, int))

    def teacher(texts):
        return np.stack([given.get(text, other) for text in texts])

    arms = review_arms({"rules": teacher}, reports, [0, 10, 260], seeds=2)
    assert list(arms) == [
        ("rules", choice, k) for choice in (LEAST_CERTAIN, RANDOM) for k in (0, 10, 260)
    ]
    texts = reports.training_texts
    for untouched in arms["rules", LEAST_CERTAIN, 0].by_seed:
        np.testing.assert_array_equal(untouched(texts), targets)
    for learned in arms["rules", LEAST_CERTAIN, 10].by_seed:
        assert (learned(texts) != targets).any(axis=-1).sum() == 10
    # Random ones are drawn anew for each training.
    first, second = (each(texts) for each in arms["rules", RANDOM, 260].by_seed)
    assert (first != second).any()
    # What nobody reviewed is the teacher's, also beside what somebody did.
    mixed = arms["rules", LEAST_CERTAIN, 10].by_seed[0](["Another.", texts[20]])
    np.testing.assert_array_equal(mixed[0], other)
    assert mixed[1, 5].max() == 1


def test_wrong_labels_are_counted(reports, targets):
    table = wrong_among({"rules": lambda texts: targets}, reports, 10).set_index("choice")
    assert table.loc[LEAST_CERTAIN, "of them wrong"] == 10
    assert table.loc[RANDOM, "of them wrong"] < 4
    assert table["labels in doubt"].tolist() == [10, 10]


def test_the_figure_is_said_in_words():
    table = pd.DataFrame(
        {"teacher": "calibrated", "choice": [LEAST_CERTAIN, RANDOM] * 2,
         "corrected": [0, 0, 50, 50], "estimate": [0, 0, 0.02, -0.01]}
    )  # fmt: skip
    assert curves_in_words(table)[0] == "language model, calibrated, the least certain"
    assert review_in_words(table) == (
        "Gains at 50 corrected labels: language model, calibrated, the least certain +0.020; "
        "language model, calibrated, as many random ones -0.010."
    )
