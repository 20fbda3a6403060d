"""The JSON object that a language model must answer, read strictly."""

import json
import re
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, create_model

from cxrstudy.text.findings import CLASSES, FINDINGS

WORDS: tuple[str, ...] = tuple(name.capitalize() for name in CLASSES)
"""The words of an answer, in the order of the classes."""

_FindingWords = create_model(
    "FindingWords",
    __config__=ConfigDict(extra="forbid"),
    **{
        finding.lower().replace(" ", "_"): (Literal[WORDS], Field(alias=finding))
        for finding in FINDINGS
    },
)

ANSWER_SCHEMA: dict = _FindingWords.model_json_schema()
"""JSON schema of an answer: each of the 13 findings, once, with one of the three words."""

_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


class MalformedAnswerError(ValueError):
    """A model's answer is not what was asked for; the message quotes nothing of it."""


def parse_answer(content: str) -> np.ndarray:
    """Read a model's answer.

    White space around the object is allowed, and so is one code fence, which many models put
    around any JSON. Everything else must be exact: an answer is valid in full or not at all, and
    nothing in it is guessed or repaired.

    Parameters
    ----------
    content : str
        What the model wrote.

    Returns
    -------
    ndarray of int8, shape (13,)
        0 absent, 1 present, 2 uncertain.

    Raises
    ------
    MalformedAnswerError
        If it is no JSON object, if a finding is missing, unknown or given twice, or if a word is
        none of the three.
    """
    content = content.strip()
    fenced = _FENCED.fullmatch(content)
    try:
        answer = json.loads(
            fenced[1] if fenced else content,
            object_pairs_hook=_without_repeats,
            parse_int=str,  # no number is a word, and Python refuses to read one of 5,000 digits
        )
    except json.JSONDecodeError as error:
        raise MalformedAnswerError(f"no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise MalformedAnswerError("no JSON: nested too deeply") from None
    if not isinstance(answer, dict):
        raise MalformedAnswerError("JSON, but no object")
    try:
        words = _FindingWords.model_validate(answer).model_dump()
    except ValidationError as error:
        raise MalformedAnswerError(_first_fault(error)) from None
    return np.array([WORDS.index(word) for word in words.values()], dtype=np.int8)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its members, and refuse two of one name, of which JSON keeps the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise MalformedAnswerError("a finding is given twice")
    return content


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    if fault["type"] == "extra_forbidden":
        return "a finding that was not asked for"
    reason = "missing" if fault["type"] == "missing" else "none of the three words"
    return f"{fault['loc'][0]}: {reason}"
