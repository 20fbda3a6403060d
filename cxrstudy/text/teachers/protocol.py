"""What every teacher takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from cxrstudy.text.findings import CLASSES, FINDINGS, codes_from_classes

NO_ANSWER = -1
"""Stands for a class where a teacher gave no valid answer. Not the code of uncertain."""

OUTCOMES: tuple[str, ...] = ("answered", "malformed", "refused", "failed")
"""What can become of a report; only the first gives labels."""

LOG_COLUMNS: dict[str, str] = {
    "outcome": "str",
    "reason": "str",
    "soft_findings": "int64",
    "cached": "bool",
    "seconds": "float64",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "cost": "float64",
}
"""Columns of a teacher's log and their types."""


@dataclass(frozen=True, eq=False)
class TeacherLabels:
    """A teacher's labels of n reports.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n_reports, 13, 3)
        Of absent, present and uncertain; 0 and 1 where the teacher gives hard labels. NaN
        throughout a report without a valid answer.
    answered : ndarray of bool, shape (n_reports,)
        False for a report without a valid answer.
    log : DataFrame, shape (n_reports, 8)
        outcome
            ``answered``, ``malformed``, ``refused`` or ``failed``.
        reason
            Why there is no label; "" for an answer. Never holds words of a report.
        soft_findings
            Findings with probabilities of the teacher's own; the others are 0 and 1.
        cached
            Nothing was asked for this report: the reply was kept from before, or belongs to an
            identical report of the same call.
        seconds, prompt_tokens, completion_tokens, cost
            Of the request that brought the reply, whenever it was made; missing if unknown.
            What a call itself spent is the sum over the rows that are not cached.

    Raises
    ------
    ValueError
        If shapes do not fit, or a probability is not one.
    """

    probabilities: np.ndarray
    answered: np.ndarray
    log: pd.DataFrame

    def __post_init__(self) -> None:
        """Check shapes and probabilities."""
        n_reports = len(self.answered)
        shape = (n_reports, len(FINDINGS), len(CLASSES))
        if self.probabilities.shape != shape or self.probabilities.dtype != np.float32:
            raise ValueError(
                f"probabilities are {self.probabilities.dtype} {self.probabilities.shape}; "
                f"{n_reports} reports need float32 {shape}"
            )
        if len(self.log) != n_reports or list(self.log.columns) != list(LOG_COLUMNS):
            raise ValueError(f"the log needs {n_reports} rows and the columns {list(LOG_COLUMNS)}")
        given = self.probabilities[self.answered]
        if not ((given >= 0).all() and np.allclose(given.sum(axis=-1), 1, atol=1e-5)):
            raise ValueError("probabilities of an answered report must sum to 1 for each finding")
        if not np.isnan(self.probabilities[~self.answered]).all():
            raise ValueError("a report without an answer must have no probabilities, only NaN")

    @property
    def classes(self) -> np.ndarray:
        """Return the most probable classes, the first of equals, or -1 for no answer; int8."""
        classes = np.full(self.probabilities.shape[:2], NO_ANSWER, dtype=np.int8)
        classes[self.answered] = self.probabilities[self.answered].argmax(axis=-1)
        return classes

    def codes(self) -> pd.DataFrame:
        """Return the most probable classes as label codes.

        Absent becomes 0, whether the report denies the finding or does not mention it. NaN
        therefore means "no answer" here, and not "blank".

        Returns
        -------
        DataFrame of float64, shape (n_reports, 13)
            1 present, 0 absent, -1 uncertain, NaN no answer.
        """
        codes = codes_from_classes(self.classes.clip(min=0))
        codes[~self.answered] = np.nan
        return codes


class Teacher(Protocol):
    """Anything that labels reports; a student learns from its labels."""

    name: str

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Label reports.

        Parameters
        ----------
        texts : sequence of str, length n_reports
            What may be labeled, findings and impression.

        Returns
        -------
        TeacherLabels
            One row for each text, in their order.
        """
        ...


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is no sequence of texts, before any long work.

    Parameters
    ----------
    texts : sequence of str

    Raises
    ------
    ValueError
        Names the first report that is no text.
    """
    if isinstance(texts, str):
        raise ValueError("got one text: pass a list of texts")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"report {row} is {text!r}: pass text, and '' for an empty report")


def check_encodable(texts: Sequence[str]) -> None:
    """Refuse texts that no language model can be sent, before the first is.

    Parameters
    ----------
    texts : sequence of str

    Raises
    ------
    ValueError
        Names the first report that cannot be written as UTF-8.
    """
    for row, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"report {row} holds half of a surrogate pair at character {error.start}: "
                "repair its encoding"
            ) from None
