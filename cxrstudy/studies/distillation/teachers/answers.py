"""What a language model is asked, the JSON that it must answer, and answers as labels."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import ConfigDict, Field, ValidationError, create_model

from cxrstudy.observations import DEFINITIONS
from cxrstudy.text.reports import CLASSES, FINDINGS

WORDS = tuple(name.capitalize() for name in CLASSES)  # of an answer, in the order of the classes

_FindingWords = create_model(
    "FindingWords",
    __config__=ConfigDict(extra="forbid"),
    **{
        finding.lower().replace(" ", "_"): (Literal[WORDS], Field(alias=finding))
        for finding in FINDINGS
    },
)
ANSWER_SCHEMA: dict = _FindingWords.model_json_schema()

_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


class MalformedAnswerError(ValueError):
    """A model's answer is not what was asked for; the message quotes nothing of it."""


@dataclass(frozen=True, eq=False)
class Reply:
    """What became of one report."""

    outcome: str  # answered, malformed, refused or failed
    reason: str = ""  # why there is no label; never holds words of a report
    probabilities: np.ndarray | None = None  # float32 (13, 3), only where it was answered
    seconds: float = np.nan  # it took: of a processor here, of waiting for another machine
    tokens: float = np.nan  # read and written, as the one who charges for them counts


@dataclass(frozen=True, eq=False)
class TeacherLabels:
    """A language model's labels of n reports."""

    probabilities: np.ndarray  # float32 (n, 13, 3): absent, present, uncertain; NaN: no answer
    log: pd.DataFrame  # outcome, reason, seconds and tokens of each report


@cache
def instruction() -> str:
    """Tell a language model the words, the findings and their definitions."""
    text = files(__package__).joinpath("prompt.yaml").read_text("utf-8")
    definitions = "\n".join(f"- {finding}: {DEFINITIONS[finding]}" for finding in FINDINGS)
    return Template(yaml.safe_load(text)["instruction"]).substitute(definitions=definitions)


def messages(text: str) -> list[dict[str, str]]:
    """Put a report to a chat model, as a system and a user message.

    The report travels as a JSON string, so that no text in it can end it: a report is data, and
    never an instruction.
    """
    report = json.dumps({"report": text}, ensure_ascii=False)
    return [
        {"role": "system", "content": instruction()},
        {"role": "user", "content": report},
    ]


def parse_answer(content: str) -> np.ndarray:
    """Read a model's answer as 13 classes, int8.

    White space around the object is allowed, and so is one code fence, which many models put
    around any JSON. Everything else must be exact: an answer is valid in full or not at all, and
    nothing in it is guessed or repaired.
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
    except RecursionError:  # "[[[[..." of 100,000 brackets
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


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what no language model can be sent, before the first report is."""
    if isinstance(texts, str):
        raise ValueError("got one text: pass a list of texts")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"report {row} is {text!r}: pass text, and '' for an empty report")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"report {row} holds half of a surrogate pair at character {error.start}: "
                "repair its encoding"
            ) from None


def collect_replies(texts: Sequence[str], replies: Mapping[str, Reply]) -> TeacherLabels:
    """Give each report the reply to its text."""
    given = [replies[text] for text in texts]
    probabilities = np.full((len(given), len(FINDINGS), len(CLASSES)), np.nan, dtype=np.float32)
    for row, reply in enumerate(given):
        if reply.probabilities is not None:
            probabilities[row] = reply.probabilities
    columns = ["outcome", "reason", "seconds", "tokens"]
    log = pd.DataFrame(
        [[getattr(reply, name) for name in columns] for reply in given], None, columns
    )
    return TeacherLabels(probabilities, log)
