"""What counts as an answer, and what never does."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.observations import OBSERVATIONS
from cxrstudy.studies.distillation.teachers.answers import (
    ANSWER_SCHEMA,
    WORDS,
    MalformedAnswerError,
    parse_answer,
)
from cxrstudy.text.reports import CLASSES, FINDINGS

ANSWER = {finding: WORDS[k % 3] for k, finding in enumerate(FINDINGS)}
EXPECTED = [k % 3 for k in range(13)]
TEXT = json.dumps(ANSWER)


def test_the_thirteen_findings_and_three_words():
    assert len(FINDINGS) == 13
    assert set(OBSERVATIONS) - set(FINDINGS) == {"No Finding"}
    assert WORDS == ("Absent", "Present", "Uncertain")
    assert [word.lower() for word in WORDS] == list(CLASSES)


def test_the_schema_is_what_strict_servers_accept():
    assert list(ANSWER_SCHEMA["properties"]) == ANSWER_SCHEMA["required"] == list(FINDINGS)
    assert ANSWER_SCHEMA["additionalProperties"] is False
    assert all(value["enum"] == list(WORDS) for value in ANSWER_SCHEMA["properties"].values())


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        json.dumps(ANSWER, indent=4),
        f"\n {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```\n",
        json.dumps(dict(reversed(ANSWER.items()))),
        TEXT.replace("Edema", "\\u0045dema"),
    ],
)
def test_valid_answers(content):
    classes = parse_answer(content)
    assert classes.tolist() == EXPECTED and classes.dtype == np.int8


def _without(finding):
    return json.dumps({name: word for name, word in ANSWER.items() if name != finding})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no JSON"),
        (TEXT[:-1], "no JSON"),
        (TEXT[:100], "no JSON"),
        (f"Here it is: {TEXT}", "no JSON"),
        (f"{TEXT} I hope this helps.", "no JSON"),
        (f"{TEXT}{TEXT}", "no JSON"),
        (f"```json\n{TEXT}", "no JSON"),
        (f"```\n```\n{TEXT}\n```\n```", "no JSON"),
        (TEXT.replace('"', "'"), "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        (f"[{TEXT}]", "JSON, but no object"),
        ("null", "JSON, but no object"),
        ("1" * 5000, "JSON, but no object"),
        ('{"Edema": ' + "1" * 5000 + "}", "Enlarged Cardiomediastinum: missing"),
        ("{}", "Enlarged Cardiomediastinum: missing"),
        (_without("Edema"), "Edema: missing"),
        (TEXT.replace("Edema", "edema"), "Edema: missing"),
        (json.dumps({**ANSWER, "No Finding": "Absent"}), "a finding that was not asked for"),
        (TEXT[:-1] + ', "Edema": "Absent"}', "a finding is given twice"),
        (TEXT[:-1] + ', "\\u0045dema": "Absent"}', "a finding is given twice"),
        *(
            (json.dumps({**ANSWER, "Edema": value}), "Edema: none of the three words")
            for value in ["present", "Present ", "Yes", "", 1, True, None, ["Present"], {}]
        ),
    ],
)
def test_malformed_answers(content, reason):
    with pytest.raises(MalformedAnswerError, match=reason):
        parse_answer(content)


def test_the_reason_quotes_nothing_of_the_answer():
    for content in [
        json.dumps({**ANSWER, "Edema": "secret"}),
        json.dumps({**ANSWER, "secret": "Absent"}),
        TEXT[:-1] + ', "secret": 1, "secret": 2}',
        "secret",
    ]:
        with pytest.raises(MalformedAnswerError) as caught:
            parse_answer(content)
        assert "secret" not in str(caught.value)


@given(st.lists(st.sampled_from(range(3)), min_size=13, max_size=13))
def test_every_answer_is_read_back(classes):
    content = json.dumps({name: WORDS[k] for name, k in zip(FINDINGS, classes, strict=True)})
    assert parse_answer(content).tolist() == classes


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedAnswerError):
        parse_answer(content)
