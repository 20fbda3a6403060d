"""Teachers: from report text to absent, present or uncertain for each of 13 findings.

============== ================================================================================
rules          the rule labeler, and how often variants of it agree
endpoint       a language model behind an OpenAI-compatible address
language_model a causal language model on this machine
few_shot       what that one is asked (few_shot.yaml): examples, then one question a finding
boxed          answers of the local one that ship with the book
answers        what a language model is asked (prompt.yaml) and must answer, read strictly
============== ================================================================================

What learns from a teacher cannot tell which one it was: all give probabilities. A report without a
valid answer is counted, never guessed.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxrstudy.studies.distillation.teachers.rules import SoftRuleTeacher, rule_variants

if TYPE_CHECKING:
    from cxrstudy.studies.distillation.teachers.answers import TeacherLabels

LOCAL = "local:"

TeachTexts = Callable[[Sequence[str]], np.ndarray]
"""From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3)."""


def teacher_at(place: str = "rules", cache_folder: str | Path = "_build/answers") -> TeachTexts:
    """Choose the teacher whose labels students learn.

    Parameters
    ----------
    place : str
        ``"rules"`` for the committee of rules, ``"local:MODEL"`` for a causal language model of
        the registry or in a folder of this machine, or address and model of an OpenAI-compatible
        endpoint with a blank between them, such as ``"http://localhost:8000/v1 llama-3"``.
    cache_folder : path
        Keeps a language model's answers, so that a repeated run asks nothing twice.

    Returns
    -------
    callable
        From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3); NaN, and
        a warning, for reports without a valid answer.

    Raises
    ------
    ValueError
        If the place is none of these, if the folder holds no usable model, or if there is no key
        for the endpoint.
    """
    if place == "rules":
        return SoftRuleTeacher(rule_variants())
    if place.startswith(LOCAL):
        from cxrstudy.studies.distillation.teachers.language_model import LanguageModelTeacher

        model = LanguageModelTeacher(place.removeprefix(LOCAL), cache_folder)
        return AnsweringTeacher(model.label)
    if len(place.split()) != 2:
        raise ValueError(
            f"teacher {place!r}: write 'rules', 'local:MODEL' for a language model on this "
            "machine, or address and model such as 'http://localhost:8000/v1 llama-3'"
        )
    from cxrstudy.studies.distillation.teachers.endpoint import EndpointTeacher

    return AnsweringTeacher(EndpointTeacher(*place.split(), cache_folder).label)


class AnsweringTeacher:
    """A language model's probabilities; reports without any are counted in a warning."""

    def __init__(self, label: Callable[[Sequence[str]], "TeacherLabels"]) -> None:
        self.label = label

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities, (n, 13, 3)."""
        labels = self.label(texts)
        counts = labels.log.loc[labels.log["outcome"] != "answered", "outcome"].value_counts()
        if len(counts):
            gaps = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
            warnings.warn(f"of {len(texts)} reports, no label: {gaps}", stacklevel=2)
        return labels.probabilities
