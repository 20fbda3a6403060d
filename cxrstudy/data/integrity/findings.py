"""What an integrity check reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing a check found in files or tables.

    Attributes
    ----------
    kind : str
        What was found, e.g. ``"duplicate files"`` or ``"misaligned rows"``.
    subjects : tuple of str
        Names of the files or tables concerned; the one to be repaired stands last.
    severity : {"error", "warning", "info"}
        ``error``: results computed from the tables as they are would be wrong. ``warning``: they
        would be wrong under a careless reading. ``info``: a fact worth stating.
    summary : str
        The finding in one sentence.
    repair : str
        What to do about it in one sentence; empty if nothing is to be done.
    start, stop : int or None
        Rows concerned, 0-based and half-open, where the finding has a place.
    first_id, last_id : object
        Study ids of rows ``start`` and ``stop - 1``.
    evidence : mapping of str to number or str
        The numbers behind the finding.
    permutation : tuple of int or None
        Machine-applicable repair of ``start:stop``: repaired row ``start + k`` takes the values of
        row ``permutation[k]``.
    """

    kind: str
    subjects: tuple[str, ...]
    severity: Severity
    summary: str
    repair: str = ""
    start: int | None = None
    stop: int | None = None
    first_id: object = None
    last_id: object = None
    evidence: Mapping[str, float | str] = field(default_factory=dict)
    permutation: tuple[int, ...] | None = None


def findings_to_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a tidy table for a page, one row per finding.

    Parameters
    ----------
    findings : iterable of Finding
        The findings, kept in their order.

    Returns
    -------
    pandas.DataFrame
        Columns ``kind``, ``subjects`` and ``evidence`` (joined by "; "), ``severity``, ``summary``,
        ``start``, ``stop`` (nullable integers), ``first_id``, ``last_id``, ``repair``.
    """
    columns = [
        "kind",
        "severity",
        "subjects",
        "summary",
        "start",
        "stop",
        "first_id",
        "last_id",
        "evidence",
        "repair",
    ]
    rows = [
        {
            **{name: getattr(finding, name) for name in columns},
            "subjects": "; ".join(finding.subjects),
            "evidence": "; ".join(_format_number(*item) for item in finding.evidence.items()),
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=columns).astype({"start": "Int64", "stop": "Int64"})


def _format_number(name: str, value: float | str) -> str:
    return f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
