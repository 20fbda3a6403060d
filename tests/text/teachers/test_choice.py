"""A study's teacher is named in one parameter."""

import pytest

from cxrstudy.text.teachers import SoftRuleTeacher, teacher_at


def test_rules_are_the_committee():
    assert isinstance(teacher_at("rules"), SoftRuleTeacher)


def test_an_address_needs_a_model(monkeypatch):
    with pytest.raises(ValueError, match="write 'rules', or address and model"):
        teacher_at("http://localhost:1/v1")


def test_an_endpoint_needs_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        teacher_at("http://localhost:1/v1 model", tmp_path)
