"""What page 09 says follows its tables."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Estimate
from cxrstudy.studies.distillation import sentences
from cxrstudy.studies.distillation.arms import OF_LANGUAGE_MODEL, OF_RULES


def around(value: float) -> Estimate:
    """An estimate whose 95 % interval is about 0.01 to either side."""
    return Estimate(value, value + np.linspace(-0.01, 0.01, 1001), n=100, positives=50)


class Teachers:
    """Scores of teachers, as `TeacherScores` gives them."""

    def __init__(self, calibrated: float) -> None:
        self._values = {"rules": 0.9, "language_model": 0.55, "calibrated": calibrated}

    def balanced_accuracy(self, name: str) -> Estimate:
        return around(self._values[name])


@pytest.fixture
def summary() -> pd.DataFrame:
    rows = [(OF_RULES, "student", 0.7), (OF_RULES, "teacher", 0.8),
            (OF_LANGUAGE_MODEL, "student", 0.3), (OF_LANGUAGE_MODEL, "teacher", 0.2)]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "measure", "estimate"])


def test_the_answer_names_both_teachers(summary):
    said = sentences.answer(summary, Teachers(0.6), around(-0.1), around(0.1))
    assert said.startswith("Not the rules. Students of a rule labeler score a macro F1")
    assert "0.70 against human codes, the rules 0.80: -0.100" in said
    assert "so weak a teacher decides nothing: 0.30 against 0.20 (balanced accuracy 0.60)" in said
    said = sentences.answer(summary, Teachers(0.8), around(0.1), around(0.1))
    assert said.startswith("Yes, the rules.") and "language model beat it: 0.30" in said
    said = sentences.answer(summary, Teachers(0.8), around(0.0), around(0.0))
    assert said.startswith("Not shown for rules.") and "cannot be told from it" in said
    assert "do not beat it" in sentences.answer(summary, Teachers(0.8), around(0), around(-0.1))


def test_findings_of_teachers_and_claims():
    assert sentences.teachers_finding(Teachers(0.6)) == (
        "The rules reach a balanced accuracy of 0.90, the language model 0.55 as it is and 0.60 "
        "calibrated"
    )
    assert sentences.claims_finding(Teachers(0.6), around(-0.1), around(0.1)) == (
        "Students are below the rules and above the language model, which is too weak a teacher to "
        "decide anything"
    )
    said = sentences.claims_finding(Teachers(0.8), around(0.0), around(-0.1))
    assert said == "Students are not told apart from the rules and below the language model"


@pytest.fixture
def gains() -> pd.DataFrame:
    rows = [
        (OF_RULES, -0.1, -0.2, 0.1),
        ("heads of rules", -0.2, -0.25, -0.15),
        ("random errors, 40%", 0.2, 0.1, 0.3),
        ("misses_negation", -0.1, -0.2, -0.05),
    ]
    table = pd.DataFrame(rows, columns=["arm", "estimate", "low", "high"])
    table = table.assign(measure="minus_teacher")
    errors = pd.DataFrame({"arm": table["arm"], "estimate": [0.6, 0.6, 0.95, 0.3],
                           "low": [0.5, 0.5, 0.9, 0.2], "high": [0.7, 0.7, 1.0, 0.4]})  # fmt: skip
    return sentences.gains_over_teachers(table, errors)


def test_gains_stand_beside_how_random_errors_are(gains):
    assert gains["teacher"].tolist() == [
        "rules, tuned whole", "rules", "rules with random errors", "rules with a habit",
    ]  # fmt: skip
    assert gains["x"].tolist() == [0.6, 0.6, 0.95, 0.3]
    assert sentences.gains_finding(gains) == (
        "In 1 of 4 arms students beat their teacher (random errors, 40%): words leave over 0.95 of "
        "its errors there, elsewhere 0.30 to 0.60"
    )
    assert sentences.gains_in_words(gains).startswith("Points for 4 arms; 1 lie above zero, 2")
    none = gains.assign(low=-1.0)
    assert sentences.gains_finding(none) == "In none of 4 arms do students beat their teacher"


def test_what_gains_mean_follows_their_signs(gains):
    assert sentences.means_in_words(gains).startswith(
        "Here students that train their heads alone beat a teacher with random errors; they fall "
        "below one with habits and the rules. Score"
    )
    open_ones = gains.assign(low=-1.0, high=1.0)
    assert "are not told apart from a teacher with random" in sentences.means_in_words(open_ones)


def test_review_and_grid_and_teachers_are_said():
    table = pd.DataFrame(
        {"teacher": ["rules", "rules", "calibrated"], "corrected": [50, 400, 400],
         "estimate": [0.0, 0.03, 0.0], "low": [0.0, 0.01, -0.1], "high": [0.0, 0.05, 0.1]}
    )  # fmt: skip
    assert sentences.review_finding(table) == (
        "Correcting the 400 least certain labels buys more (rules +0.030) and is not shown to buy "
        "more (language model, calibrated +0.000) than as many random ones"
    )
    soft = table.iloc[1:].assign(low=[-0.3, -0.1], high=[-0.1, 0.1], estimate=[-0.2, 0.0])
    assert sentences.loss_finding(soft) == (
        "Softened targets alone make worse (rules -0.200) and no measurably better (language "
        "model, calibrated +0.000) students than hard labels alone"
    )
    by_finding = pd.DataFrame({"teacher": "rules", "finding": ["Edema", "Fracture"],
                               "measure": "balanced_accuracy", "estimate": [0.8, 0.9]})  # fmt: skip
    assert sentences.teachers_in_words(by_finding) == (
        "Balanced accuracy over 2 findings: rules 0.80 to 0.90."
    )
