"""Rules under the protocol of all teachers, and what every teacher's labels obey."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.labeler import label_reports
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.text.findings import FINDINGS
from cxrstudy.text.teachers import CallableTeacher, RuleTeacher, SoftRuleTeacher

EDEMA = FINDINGS.index("Edema")
CODES = {"present": 1.0, "denied": 0.0, "doubtful": -1.0, "silent": np.nan}


def label_edema(texts):
    """Stand in for a labeler: one word, one code."""
    labels = pd.DataFrame(np.nan, index=range(len(texts)), columns=list(OBSERVATIONS))
    labels["Edema"] = [CODES[text] for text in texts]
    return labels


RULES = CallableTeacher(RuleTeacher(label_edema), "rules")


def test_denied_and_unmentioned_are_both_absent():
    labels = RULES.label(list(CODES))
    assert labels.classes[:, EDEMA].tolist() == [1, 0, 2, 0] and labels.classes.dtype == np.int8
    assert labels.codes()["Edema"].tolist() == [1, 0, -1, 0]
    assert list(labels.codes().columns) == list(FINDINGS)
    assert not np.delete(labels.classes, EDEMA, axis=1).any()
    assert labels.probabilities[2, EDEMA].tolist() == [0, 0, 1]
    assert labels.answered.all() and (labels.log["outcome"] == "answered").all()
    assert (labels.log["soft_findings"] == 0).all() and (labels.log["cost"] == 0).all()


def test_the_packages_labeler_is_a_teacher():
    labels = CallableTeacher(RuleTeacher(label_reports), "rules").label(
        ["Pulmonary edema. No effusion.", ""]
    )
    assert labels.codes().loc[0, ["Edema", "Pleural Effusion"]].tolist() == [1, 0]
    assert (labels.codes().loc[1] == 0).all()


def test_soft_labels_are_frequencies_among_labelers():
    """Three read the text, one always says uncertain."""
    doubt = lambda texts: label_edema(["doubtful"] * len(texts))  # noqa: E731
    soft = SoftRuleTeacher([label_edema, label_edema, doubt, label_edema])
    labels = CallableTeacher(soft, "soft rules").label(["present", "silent", "doubtful"])
    assert labels.probabilities[:, EDEMA].tolist() == [[0, 0.75, 0.25], [0.75, 0, 0.25], [0, 0, 1]]
    assert labels.log["soft_findings"].tolist() == [1, 1, 0]
    assert labels.classes[:, EDEMA].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (np.zeros((1, 13, 3)), r"\(1, 13, 3\) instead of \(2, 13, 3\)"),
        (np.zeros((2, 14, 3)), r"\(2, 14, 3\) instead"),
        (np.full((2, 13, 3), 0.5), "sum to 1"),
        (np.full((2, 13, 3), np.nan), "sum to 1"),
        (np.tile([2.0, -1.0, 0.0], (2, 13, 1)), "sum to 1"),
    ],
)
def test_what_is_no_probability_is_refused(answer, error):
    with pytest.raises(ValueError, match=error):
        CallableTeacher(lambda texts: answer, "broken").label(["a", "b"])


def test_what_is_no_list_of_texts_is_refused():
    with pytest.raises(ValueError, match="pass a list"):
        RULES.label("present")
    with pytest.raises(ValueError, match="report 1 is None"):
        RULES.label(["present", None])


def test_no_reports():
    labels = RULES.label([])
    assert labels.probabilities.shape == (0, 13, 3)
    assert labels.codes().shape == (0, 13) and labels.log.empty


def test_a_report_without_an_answer_has_no_label():
    """-1 among classes is no answer; -1 among codes is uncertain."""
    labels = RULES.label(["doubtful", "present"])
    probabilities = labels.probabilities.copy()
    probabilities[1] = np.nan
    labels = replace(labels, probabilities=probabilities, answered=np.array([True, False]))
    assert labels.classes[:, EDEMA].tolist() == [2, -1]
    assert labels.codes().loc[0, "Edema"] == -1 and labels.codes().loc[1].isna().all()


def test_labels_that_contradict_themselves_are_refused():
    labels = RULES.label(["present", "denied"])
    for change, error in [
        ({"probabilities": labels.probabilities.astype(float)}, "float64"),
        ({"probabilities": labels.probabilities[:, :12]}, r"\(2, 12, 3\)"),
        ({"answered": np.zeros(2, dtype=bool)}, "only NaN"),
        ({"log": labels.log.iloc[:1]}, "log needs 2 rows"),
    ]:
        with pytest.raises(ValueError, match=error):
            replace(labels, **change)
