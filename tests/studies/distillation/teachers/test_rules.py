"""Rules as teachers: one-hot answers, and the share of variants that agree."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.labeler import label_reports
from cxrstudy.studies.distillation.teachers import rules, teacher_at
from cxrstudy.studies.distillation.teachers.answers import TeacherLabels
from cxrstudy.text.reports import CLASSES, FINDINGS

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
    taught = rules.RuleTeacher(label_reports)(TEXTS)
    assert taught.shape == (4, 13, 3) and taught.dtype == np.float32
    assert _answer(taught, 0, "Pleural Effusion") == {"present": 1}
    assert _answer(taught, 1, "Pneumothorax") == {"absent": 1}
    assert _answer(taught, 2, "Pneumonia") == {"uncertain": 1}
    assert _answer(taught, 2, "Edema") == {"absent": 1}


def test_a_committee_says_how_many_of_its_members_agree():
    variants = rules.rule_variants()
    assert len(variants) == len(rules.ABLATIONS) + 1
    taught = rules.SoftRuleTeacher(variants)(TEXTS)
    np.testing.assert_allclose(taught.sum(axis=-1), 1, rtol=1e-6)
    # Only the variant that does not know "or" takes both for certain.
    doubt = _answer(taught, 3, "Atelectasis")
    assert doubt == pytest.approx({"present": 1 / 7, "uncertain": 6 / 7})
    assert _answer(taught, 0, "Pleural Effusion") == {"present": 1}


def test_a_committee_needs_a_member():
    with pytest.raises(ValueError, match="at least one labeler"):
        rules.SoftRuleTeacher([])


def test_the_table_counts_what_each_variant_changes():
    table = rules.variant_table(TEXTS).set_index("variant")["labels changed"]
    assert table["without alternatives"] == 2
    assert table["without boundaries"] == 0
    assert table["any of them"] >= table.drop("any of them").max()


def test_rules_are_the_committee():
    assert isinstance(teacher_at("rules"), rules.SoftRuleTeacher)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("http://localhost:1/v1", "write 'rules', 'local:MODEL'.*or address and model"),
        ("http://localhost:1/v1 model", "set OPENAI_API_KEY"),
        ("local:.", "no folder of a model: it holds no config.json"),
    ],
)
def test_an_address_needs_a_model_and_an_endpoint_a_key(monkeypatch, tmp_path, address, error):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValueError, match=error):
        teacher_at(address, tmp_path)


def test_reports_without_a_label_are_counted_in_a_warning(monkeypatch, tmp_path):
    class Silent:
        def __init__(self, folder, cache_folder):
            self.folder = folder

        def label(self, texts):
            outcomes = ["answered", "failed", "failed"]
            log = pd.DataFrame({"outcome": outcomes, "reason": ""})
            return TeacherLabels(np.zeros((3, 13, 3), dtype=np.float32), log)

    module = "cxrstudy.studies.distillation.teachers.language_model"
    monkeypatch.setattr(f"{module}.LanguageModelTeacher", Silent)
    with pytest.warns(UserWarning, match="of 3 reports, no label: 2 failed"):
        assert teacher_at("local:folder")(["a", "b", "c"]).shape == (3, 13, 3)
