"""The instruction to a language model, and the report as data."""

import json
from functools import cache
from importlib.resources import files
from string import Template

import yaml

from cxrstudy.observations import DEFINITIONS
from cxrstudy.text.findings import FINDINGS


@cache
def instruction() -> str:
    """Return what a language model is told: the words, the findings and their definitions.

    Returns
    -------
    str
        The same for every report.
    """
    text = files(__package__).joinpath("prompt.yaml").read_text("utf-8")
    definitions = "\n".join(f"- {finding}: {DEFINITIONS[finding]}" for finding in FINDINGS)
    return Template(yaml.safe_load(text)["instruction"]).substitute(definitions=definitions)


def messages(text: str) -> list[dict[str, str]]:
    """Put a report to a language model.

    The report travels as a JSON string, so that no text in it can end it: a report is data, and
    never an instruction.

    Parameters
    ----------
    text : str
        A report.

    Returns
    -------
    list of dict
        A system and a user message in the form of chat models.
    """
    report = json.dumps({"report": text}, ensure_ascii=False)
    return [
        {"role": "system", "content": instruction()},
        {"role": "user", "content": report},
    ]
