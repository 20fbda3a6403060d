"""Functions from texts to probabilities as teachers."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from cxrstudy.text.findings import CLASSES, FINDINGS
from cxrstudy.text.teachers.protocol import LOG_COLUMNS, TeacherLabels, check_texts

TeachTexts = Callable[[Sequence[str]], np.ndarray]
"""From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3)."""


class CallableTeacher:
    """A function that answers every report, such as rules, as a teacher with a log.

    Parameters
    ----------
    teach_texts : callable
        From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3), such as
        `RuleTeacher` and `SoftRuleTeacher`.
    name : str
        Shown in tables.
    """

    def __init__(self, teach_texts: TeachTexts, name: str) -> None:
        self.name = name
        self._teach_texts = teach_texts

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Label reports; each has an answer.

        Parameters
        ----------
        texts : sequence of str, length n_reports

        Returns
        -------
        TeacherLabels
            The log's seconds are the same for every report: the time of all, divided by them.

        Raises
        ------
        ValueError
            If a text is none, or what the function returns are not n rows of probabilities.
        """
        check_texts(texts)
        started = time.perf_counter()
        probabilities = np.asarray(self._teach_texts(texts), dtype=np.float32)
        seconds = (time.perf_counter() - started) / max(len(texts), 1)
        shape = (len(texts), len(FINDINGS), len(CLASSES))
        if probabilities.shape != shape:
            raise ValueError(f"{self.name} returned {probabilities.shape} instead of {shape}")
        answered = np.ones(len(texts), dtype=bool)
        log = pd.DataFrame(
            {
                "outcome": "answered",
                "reason": "",
                "soft_findings": _count_soft(probabilities),
                "cached": False,
                "seconds": seconds,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "cost": 0.0,
            },
            index=range(len(texts)),
        )
        return TeacherLabels(probabilities, answered, log.astype(LOG_COLUMNS))


def _count_soft(probabilities: np.ndarray) -> np.ndarray:
    """Count in each report the findings for which no class has probability 1."""
    return (probabilities.max(axis=-1, initial=0) < 1).sum(axis=-1)
