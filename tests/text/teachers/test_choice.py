"""A study's teacher is named in one parameter."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.text.teachers import SoftRuleTeacher, teacher_at
from cxrstudy.text.teachers.answers import TeacherLabels


def test_rules_are_the_committee():
    assert isinstance(teacher_at("rules"), SoftRuleTeacher)


def test_an_address_needs_a_model():
    with pytest.raises(ValueError, match="write 'rules', 'local:FOLDER'.*or address and model"):
        teacher_at("http://localhost:1/v1")


def test_an_endpoint_needs_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        teacher_at("http://localhost:1/v1 model", tmp_path)


def test_a_folder_must_hold_a_model(tmp_path):
    with pytest.raises(ValueError, match="no folder of a model: it holds no config.json"):
        teacher_at(f"local:{tmp_path}")


def test_reports_without_a_label_are_counted_in_a_warning(monkeypatch, tmp_path):
    class Silent:
        def __init__(self, folder):
            self.folder = folder

        def label(self, texts):
            outcomes = ["answered", "failed", "failed"]
            log = pd.DataFrame({"outcome": outcomes, "reason": ""})
            return TeacherLabels(np.zeros((3, 13, 3), dtype=np.float32), log)

    monkeypatch.setattr("cxrstudy.text.teachers.language_model.LanguageModelTeacher", Silent)
    with pytest.warns(UserWarning, match="of 3 reports, no label: 2 failed"):
        assert teacher_at("local:folder")(["a", "b", "c"]).shape == (3, 13, 3)
