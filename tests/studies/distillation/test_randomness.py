"""How random errors are: habits hang on words, and dice do not."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.randomness import errors, randomness, unexplained
from cxrstudy.text.reports import FINDINGS, one_hot

N = 600
WORDS = ("small", "large", "new", "old", "left", "right", "no", "likely")


@pytest.fixture(scope="module")
def reports() -> DividedReports:
    generator = np.random.default_rng(0)
    index = pd.Index([f"r{number}" for number in range(N)])
    drawn = generator.choice(WORDS, size=(N, 4))
    texts = pd.Series(
        [f"{' '.join(words)} effusion. Bones {i}." for i, words in enumerate(drawn)], index
    )
    codes = pd.DataFrame((generator.random((N, 13)) < 0.3).astype(float), index, list(FINDINGS))
    codes.iloc[5] = np.nan
    return DividedReports(texts, codes, pd.Series(True, index))


def _answers(reports, wrong: np.ndarray) -> np.ndarray:
    right = reports.codes.fillna(0).to_numpy().astype(int)
    return one_hot(np.where(wrong, 1 - right, right))


def test_errors_have_a_direction():
    codes = np.array([[0.0, 1.0, 1.0]])
    assert errors(one_hot(np.array([[2, 0, 1]])), codes).tolist() == [[1, -1, 0]]


def test_random_errors_are_left_over_and_habits_are_not(reports):
    dice = np.random.default_rng(1).random((N, 13)) < 0.2
    said_large = reports.texts.str.contains("large").to_numpy()[:, None].repeat(13, axis=1)
    overcalls = one_hot(np.where(said_large, 1, reports.codes.fillna(0)).astype(int))
    random = randomness(_answers(reports, dice), reports, 200)
    habit = randomness(overcalls, reports, 200)
    assert 0.98 < random["estimate"] < 1.02 and habit["estimate"] < 0.5
    for found in (random, habit):
        assert found["low"] <= found["estimate"] <= found["high"]


def test_reports_without_an_answer_are_left_out(reports):
    right = _answers(reports, np.zeros((N, 13), bool))
    wrong = _answers(reports, np.random.default_rng(1).random((N, 13)) < 0.2)
    missing = wrong.copy()
    missing[:10, 0] = np.nan
    assert np.isnan(errors(missing, reports.codes.to_numpy())[:10, 0]).all()
    whole = randomness(wrong, reports, 50)
    assert randomness(missing, reports, 50)["estimate"] == pytest.approx(
        whole["estimate"], abs=0.02
    )
    assert not np.isnan(errors(right, reports.codes.fillna(0).to_numpy())).any()


def test_words_do_not_pair_across_sentences_and_copies_stay_together():
    """A pair of words explains an error only within one sentence; copies are no evidence."""
    wrong = np.arange(400) % 2
    texts = [f"{'clear lungs' if each else 'clear. Lungs'} seen." for each in wrong]
    texts = [f"{text} Film {number}." for number, text in enumerate(texts)]
    made = np.repeat(wrong[:, None].astype(float), 13, axis=1)
    left, total = unexplained(made, texts)
    assert left.sum() < 0.1 * total.sum()
    # Words name each of twenty texts of twenty copies, but do not foretell its error.
    copies = [f"Film {number // 20} of words." for number in range(400)]
    by_copy = np.repeat(np.random.default_rng(0).integers(0, 2, 20), 20)[:, None].repeat(13, axis=1)
    left, total = unexplained(by_copy.astype(float), copies)
    assert left.sum() > 0.6 * total.sum()
