"""Teachers side by side, and when one is too weak to lose."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.claims import build_ledger, record
from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.side_by_side import TEACHERS, TeacherScores, costs
from cxrstudy.studies.distillation.teachers import AnsweringTeacher
from cxrstudy.studies.distillation.teachers.answers import TeacherLabels
from cxrstudy.text.reports import FINDINGS

N = 200
CLAIM = "deberta_rad.student_beats_language_model"


@pytest.fixture
def reports() -> DividedReports:
    index = pd.Index([f"r{number}" for number in range(N)])
    texts = pd.Series([f"Report {number}." for number in range(N)], index)
    codes = pd.DataFrame(0.0, index, list(FINDINGS))
    codes.iloc[::4] = 1
    return DividedReports(texts, codes, pd.Series(True, index))


def _teacher(reports, sensitivity: float):
    """Call a part of the coded reports, and no other."""
    present = np.full((N, 13), 0.1, np.float32)
    coded = np.flatnonzero(reports.codes.iloc[:, 0] == 1)
    present[coded[: int(sensitivity * len(coded))]] = 0.9
    answers = np.stack([1 - present, present, np.zeros_like(present)], axis=-1)
    return lambda texts: answers[: len(texts)]


def _scores(reports, sensitivity) -> TeacherScores:
    of = (1.0, 0.0, sensitivity)
    teachers = {name: _teacher(reports, each) for name, each in zip(TEACHERS, of, strict=True)}
    return TeacherScores(teachers, reports, Resampling(200))


def test_balanced_accuracy_is_the_mean_of_sensitivity_and_specificity(reports):
    scores = _scores(reports, 0.5)
    assert scores.balanced_accuracy("rules").value == 1
    assert scores.balanced_accuracy("calibrated").value == pytest.approx(0.75, abs=0.01)
    table = scores.table().set_index(["teacher", "measure"])["estimate"]
    assert table["language_model", "auroc"] == 0.5 and table["rules", "auroc"] == 1
    assert set(scores.by_finding()["finding"]) == set(FINDINGS)


@pytest.mark.parametrize(("sensitivity", "verdict"), [(0.1, "not decidable here: weak teacher"),
                                                       (0.8, "supported")])  # fmt: skip
def test_a_win_over_a_weak_teacher_is_not_decidable(reports, tmp_path, sensitivity, verdict):
    scores = _scores(reports, sensitivity)
    win = scores.balanced_accuracy("rules") - scores.balanced_accuracy("language_model")
    own = scores.of_language_model("local:small")
    record(tmp_path, CLAIM, win, data="d", n=N, seeds=5, **own)
    (row,) = [row for row in build_ledger([tmp_path]) if row.id == CLAIM]
    assert row.verdict == verdict
    assert row.detail.startswith("The teacher, local:small, has itself a balanced accuracy of 0.")


def test_a_loss_against_a_weak_teacher_stays_one(reports, tmp_path):
    scores = _scores(reports, 0.1)
    loss = scores.balanced_accuracy("language_model") - scores.balanced_accuracy("rules")
    record(tmp_path, CLAIM, loss, data="d", n=N, seeds=5, **scores.of_language_model("m"))
    (row,) = [row for row in build_ledger([tmp_path]) if row.id == CLAIM]
    assert row.verdict == "contradicted"


def test_costs_are_those_of_the_answers_or_measured(reports):
    def label(texts):
        log = pd.DataFrame({"outcome": "answered", "seconds": [0.5] * len(texts), "tokens": 900.0})
        return TeacherLabels(np.zeros((len(texts), 13, 3), np.float32), log)

    table = costs(
        {"rules": _teacher(reports, 1), "language_model": AnsweringTeacher(label)}, reports
    )
    found = table.set_index("teacher")
    assert found.loc["language_model"].tolist() == [N, N, 500, 900_000]
    assert found.loc["rules", "answered"] == N
