"""What a local language model is asked: examples, a report, and one question for each finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from cxrstudy.text.reports import FINDINGS

Message = dict[str, str]


@dataclass(frozen=True)
class Prompt:
    """Instruction, examples with their answers, questions, and the words of an answer."""

    instruction: str
    question: str  # with {finding}
    names: Mapping[str, str]  # of each finding, as reports write it
    # Of an answer; the first three in the order of the classes. What is not mentioned is absent.
    words: tuple[str, ...]
    examples: tuple[Mapping, ...]  # report, and answers: finding to a place in `words`

    def messages(self, text: str) -> list[Message]:
        """Give the messages that come before all questions on a report, the last one begun."""
        given = [{"role": "system", "content": self.instruction}]
        for example in self.examples:
            begun = _begun(example["report"])
            for finding, answer in example["answers"].items():
                given.append({"role": "user", "content": begun + self.ask(finding)})
                given.append({"role": "assistant", "content": self.words[answer]})
                begun = ""
        return [*given, {"role": "user", "content": _begun(text)}]

    def ask(self, finding: str) -> str:
        """Ask for one finding."""
        return self.question.format(finding=self.names[finding])


@cache
def default_prompt() -> Prompt:
    """Read few_shot.yaml, whose examples are made up: no report of a data set is in it."""
    content = yaml.safe_load(files(__package__).joinpath("few_shot.yaml").read_text("utf-8"))
    if set(content["names"]) != set(FINDINGS):
        raise ValueError("few_shot.yaml must name each of the 13 findings")
    return Prompt(**content | {k: tuple(content[k]) for k in ("words", "examples")})


def class_probabilities(log_probabilities: np.ndarray) -> np.ndarray:
    """Turn the words' log-probabilities, (..., 13, 4), into those of the classes, (..., 13, 3).

    They are divided by their sum. A finding that is not mentioned is absent.
    """
    shares = np.exp(log_probabilities - log_probabilities.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    classes = shares[..., :3].copy()
    classes[..., 0] += shares[..., 3:].sum(axis=-1)
    return classes.astype(np.float32)


def written(messages: Sequence[Message]) -> str:
    """Write messages as plain text, for a model without a chat format."""
    return "\n".join(message["content"] for message in messages) + "\n"


def _begun(report: str) -> str:
    """Write a report on one line, so that no line of it can look like a question or an answer."""
    return f"Report: {' '.join(report.split())}\n"
