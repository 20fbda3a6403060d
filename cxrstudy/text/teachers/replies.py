"""One report's reply, and the replies of many reports as labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from cxrstudy.text.findings import CLASSES, FINDINGS
from cxrstudy.text.teachers.protocol import LOG_COLUMNS, TeacherLabels


@dataclass(frozen=True, eq=False)
class Reply:
    """What a teacher replied to one report; see the log of `TeacherLabels` for the fields.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (13, 3), optional
        Only where the outcome is ``answered``.
    """

    outcome: str
    reason: str = ""
    probabilities: np.ndarray | None = None
    soft_findings: int = 0
    cached: bool = False
    seconds: float = np.nan
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float = np.nan


def collect_replies(texts: Sequence[str], replies: Mapping[str, Reply]) -> TeacherLabels:
    """Give each report the reply to its text.

    Parameters
    ----------
    texts : sequence of str, length n_reports
    replies : mapping of str to Reply
        One for each distinct text. All reports of a text but the first count as cached.

    Returns
    -------
    TeacherLabels
    """
    asked: set[str] = set()
    rows = []
    for text in texts:
        rows.append(replace(replies[text], cached=True) if text in asked else replies[text])
        asked.add(text)
    probabilities = np.full((len(rows), len(FINDINGS), len(CLASSES)), np.nan, dtype=np.float32)
    for row, reply in enumerate(rows):
        if reply.outcome == "answered":
            probabilities[row] = reply.probabilities
    answered = np.array([reply.outcome == "answered" for reply in rows], dtype=bool)
    names = [field.name for field in fields(Reply) if field.name != "probabilities"]
    log = pd.DataFrame({name: [getattr(reply, name) for reply in rows] for name in names})
    return TeacherLabels(probabilities, answered, log[list(LOG_COLUMNS)].astype(LOG_COLUMNS))
