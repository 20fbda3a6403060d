"""Codes that mean something else in some rows or at some site, and codes that contradict."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import hypergeom

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.segments import dense_rows, emptied_run
from cxrstudy.observations import NEGATIVE, PARENTS, POSITIVE, UNCERTAIN

# What a policy does away with; blank is NaN.
_CODES: dict[str, float] = {"uncertain": UNCERTAIN, "negative": NEGATIVE, "blank": np.nan}
# Probability of a false alarm in a whole table, and below which a change is beyond doubt.
_ALPHA, _BEYOND_DOUBT = 0.005, 1e-4
# A column has changed by itself if its cells are missing by chance so rarely; if several have, the
# rule was the table's, and every column that lacks the code there goes with them.
_BY_ITSELF, _SEVERAL = 0.002, 3
_MIN_ROWS = 20
# Share of a table's rows, and number, from which contradictions are a defect.
_MIN_SHARE, _MIN_CONTRADICTIONS = 0.025, 5


@dataclass(frozen=True)
class _Change:
    code: str
    columns: list[str]
    inside: NDArray[np.bool_]  # rows that lack the code
    where: str
    log_p: float


def check_policy(
    table: GivenTable, groups: dict[str, pd.Series], patients: pd.Series | None = None
) -> list[Finding]:
    """Find runs of rows, or sites, where uncertain, negative or blank cells give way to others.

    Groups are columns of site and the like, in the order of the table's rows, patients likewise:
    46 images of one patient in a row may well have one answer.
    """
    if len(table.values) < 2 * _MIN_ROWS:
        return []
    marks = {name: _holds(table.values, code) for name, code in _CODES.items()}
    levels = list(_levels(groups, len(table.values)))
    changes = [
        change
        for code, marked in marks.items()
        for change in (*_runs(code, marked), *_sites(code, marked, levels))
    ]
    compared = np.log(len(_CODES) * (table.values.shape[1] + 1) * (1 + len(levels)))
    kept: list[_Change] = []
    for change in sorted(changes, key=lambda change: (change.log_p, -len(change.columns))):
        certain = change.log_p + compared < np.log(_ALPHA)
        certain &= patients is None or patients[change.inside].nunique() >= _MIN_ROWS
        if certain and not any(_is_part(change, other) for other in kept):
            kept.append(change)
    return [_policy_finding(table, change, change.log_p + compared) for change in kept]


def check_hierarchy(table: GivenTable) -> list[Finding]:
    """Find children marked positive beside a parent that is marked negative, and the like."""
    values = table.values
    pairs = [
        (child, parent, ((values[child] == POSITIVE) & (values[parent] == NEGATIVE)).to_numpy())
        for child, parent in PARENTS.items()
        if child in values and parent in values
    ]
    if "No Finding" in values:
        pairs += [
            (
                child,
                "No Finding",
                (values[["No Finding", child]] == POSITIVE).all(axis=1).to_numpy(),
            )
            for child in values
            if child in {*PARENTS, *PARENTS.values(), "Pneumothorax", "Pleural Effusion"}
        ]
    concerned = np.any([marked for *_, marked in pairs], axis=0) if pairs else np.zeros(0, bool)
    many = concerned.sum() >= max(_MIN_CONTRADICTIONS, _MIN_SHARE * len(values))
    return [
        _hierarchy_finding(table, child, parent, marked, bool(many))
        for child, parent, marked in pairs
        if marked.any()
    ]


def _holds(values: pd.DataFrame, code: float) -> pd.DataFrame:
    return values.isna() if np.isnan(code) else values == code


def _runs(code: str, marked: pd.DataFrame) -> Iterator[_Change]:
    """Yield the longest improbable runs of rows without a code: in all columns, and in each."""
    usual = [column for column in marked if marked[column].any()]
    everywhere = marked[usual].to_numpy()
    candidates = [marked[column].to_numpy() for column in usual]
    if len(usual) > 1:
        # Rows in random order have a code in any column; a run without it in all is the longest.
        candidates.append(everywhere.any(axis=1))
    for one in candidates:
        start, stop, log_p = emptied_run(one)
        if stop - start < _MIN_ROWS or log_p > np.log(_ALPHA):
            continue
        inside = np.zeros(len(marked), bool)
        inside[start:stop] = True
        columns, log_others = _changed(marked[usual], inside, log_p)
        if columns:
            yield _Change(code, columns, inside, f"in rows {start} to {stop - 1}", log_others)


def _sites(
    code: str, marked: pd.DataFrame, levels: list[tuple[str, NDArray[np.bool_]]]
) -> Iterator[_Change]:
    for where, inside in levels:
        columns, log_p = _changed(marked, inside)
        if columns:
            yield _Change(code, columns, inside, where, log_p)


def _changed(
    marked: pd.DataFrame, inside: NDArray[np.bool_], log_p: float | None = None
) -> tuple[list[str], float]:
    """Return the columns that lack a code in some rows, and the log p of that.

    ``log_p`` is that of the rows if one column or all together chose them.
    """
    lacking = _lacking(marked, inside)
    alone = sorted((p, column) for column, p in lacking.items() if p < np.log(_BY_ITSELF))
    # As many columns can be chosen in many ways; the first has chosen the rows.
    first = 0 if log_p is None else 1
    others = sum(p for p, _ in alone[first:])
    others += np.log(comb(len(lacking), len(alone))) if len(alone) > first else 0.0
    total = (log_p or 0.0) + min(0.0, others)
    # E.g. four uncertain cells in each of 14 columns: each could lack them by chance, not all.
    rest = marked.drop(columns=[column for _, column in alone]).any(axis=1)
    of_rest = _lacking(rest.to_frame("rest"), inside)["rest"]
    if len(alone) < _SEVERAL and of_rest >= np.log(_BY_ITSELF):
        return [column for _, column in alone], total
    # The rows of a run were chosen by all columns, those of a site by none.
    total += of_rest if log_p is None else 0.0
    return [column for column in marked if lacking[column] < 0], total


def _lacking(marked: pd.DataFrame, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Return by column the log probability that chance leaves so few marks in some rows."""
    n, n_in = len(marked), int(inside.sum())
    totals, found = marked.sum(), marked[inside].sum()
    # More than a few left inside is another frequency, not another policy.
    return {
        column: float(hypergeom.logcdf(found[column], n, totals[column], n_in))
        if found[column] <= 0.05 * totals[column] * n_in / n
        else 0.0
        for column in marked
    }


def _levels(groups: dict[str, pd.Series], n_rows: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for name, values in groups.items():
        for level, count in values.value_counts().items():
            if level and _MIN_ROWS <= count <= n_rows - _MIN_ROWS:
                yield f"where {name} is {level!r}", (values == level).to_numpy()


def _is_part(change: _Change, other: _Change) -> bool:
    """Say whether a change is about rows and columns of another one."""
    same_rows = (change.inside & other.inside).sum() > 0.5 * change.inside.sum()
    return bool(same_rows) and set(change.columns) <= set(other.columns)


def _policy_finding(table: GivenTable, change: _Change, log_p: float) -> Finding:
    names = table.spelled(change.columns)
    marked = _holds(table.values[change.columns], _CODES[change.code])
    inside, outside = (marked[rows].to_numpy().mean() for rows in (change.inside, ~change.inside))
    left = table.values.loc[change.inside, change.columns]
    frozen = len(left.drop_duplicates()) == 1 and _was_varied(table, change)
    places = np.flatnonzero(change.inside)
    severity = "error" if frozen or log_p < np.log(_BEYOND_DOUBT) else "warning"
    named = ", ".join(names) if len(names) < 4 else f"{len(names)} columns"
    if frozen:
        sentence = f"{table.name}, {named}: every cell is the same {change.where}."
        remedy = "Leave these rows of the column out, or find their values."
    else:
        sentence = (
            f"{table.name}, {named}: {inside:.1%} of cells are {change.code} {change.where}, "
            f"{outside:.1%} elsewhere, as if another rule had been used there."
        )
        remedy = "Code these rows as the others are, or analyse them apart."
    return Finding(
        "constant_column" if frozen else "policy_change",
        severity,
        table.name,
        names,
        [int(places[0]), int(places[-1])],
        sentence,
        remedy,
        {
            "code": change.code,
            "share_inside": round(float(inside), 4),
            "share_outside": round(float(outside), 4),
            "log_p": round(float(log_p), 2),
            "where": change.where,
        },
    )


def _was_varied(table: GivenTable, change: _Change) -> bool:
    """Say whether more than one code is missing inside, and none by chance."""
    values = table.values[change.columns]
    lacking = 0
    for code in (POSITIVE, *_CODES.values()):
        marked = _holds(values, code)
        missing = _lacking(marked, change.inside)
        lacking += any(missing[column] < np.log(0.01) for column in change.columns)
    return lacking > 1


def _hierarchy_finding(
    table: GivenTable, child: str, parent: str, marked: NDArray[np.bool_], many: bool
) -> Finding:
    names = table.spelled([child, parent])
    other = "also positive" if parent == "No Finding" else "negative"
    count = int(marked.sum())
    severe = many and count >= 3
    rows = "row has" if count == 1 else "rows have"
    return Finding(
        "hierarchy_violation",
        "warning" if severe else "note",
        table.name,
        names,
        dense_rows(marked),
        f"{table.name}: {count} {rows} {names[0]} positive and {names[1]} {other}.",
        "Close upward (a positive child makes its parent positive), all tables or none; or "
        "correct.",
        {"count": count},
    )
