"""Rules as teachers: one-hot answers, and the share of variants that agree."""

import numpy as np
import pytest

from cxrstudy.labeler import label_reports
from cxrstudy.text.reports import CLASSES, FINDINGS
from cxrstudy.text.teachers.rules import (
    ABLATIONS,
    RuleTeacher,
    SoftRuleTeacher,
    rule_variants,
)

TEXTS = [
    "Small left pleural effusion.",
    "No pneumothorax.",
    "Possible pneumonia.",
    "Scarring or atelectasis.",
]


def _answer(probabilities, row: int, finding: str) -> dict[str, float]:
    values = probabilities[row, FINDINGS.index(finding)]
    return {name: float(value) for name, value in zip(CLASSES, values, strict=True) if value}


def test_a_rule_teacher_is_sure():
    taught = RuleTeacher(label_reports)(TEXTS)
    assert taught.shape == (4, 13, 3) and taught.dtype == np.float32
    assert _answer(taught, 0, "Pleural Effusion") == {"present": 1}
    assert _answer(taught, 1, "Pneumothorax") == {"absent": 1}
    assert _answer(taught, 2, "Pneumonia") == {"uncertain": 1}
    assert _answer(taught, 2, "Edema") == {"absent": 1}


def test_a_committee_says_how_many_of_its_members_agree():
    variants = rule_variants()
    assert len(variants) == len(ABLATIONS) + 1
    taught = SoftRuleTeacher(variants)(TEXTS)
    np.testing.assert_allclose(taught.sum(axis=-1), 1, rtol=1e-6)
    # Only the variant that does not know "or" takes both for certain.
    doubt = _answer(taught, 3, "Atelectasis")
    assert doubt == pytest.approx({"present": 1 / 7, "uncertain": 6 / 7})
    assert _answer(taught, 0, "Pleural Effusion") == {"present": 1}


def test_a_committee_needs_a_member():
    with pytest.raises(ValueError, match="at least one labeler"):
        SoftRuleTeacher([])
