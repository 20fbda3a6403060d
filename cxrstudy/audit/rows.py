"""Files, ids and rows that stand there twice, are missing, or belong together."""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable, digest
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.segments import dense_rows, emptied_run

_SPLIT_NAMES = re.compile(r"split|fold|partition|subset|^set$", re.IGNORECASE)
# Rows that repeat one another in sequence: length of the pieces that are looked up, and how much
# less likely than one in all pairs of rows the whole run has to be (nats).
_PIECE, _RUN_NATS = 4, 9.0
_MIN_PATTERNS = 4
_MIN_ROWS = 20
_ALPHA = 1e-4


def check_files(tables: list[GivenTable]) -> list[Finding]:
    """Find files of the same bytes, and tables of the same values in different files."""
    by_digest: dict[str, list[GivenTable]] = defaultdict(list)
    for table in tables:
        by_digest[digest(table.path)].append(table)
    same = [group for group in by_digest.values() if len(group) > 1]
    findings = [_identical(group, "hold the same bytes") for group in same]
    taken = {table.name for group in same for table in group}
    for place, first in enumerate(tables):
        for second in tables[place + 1 :]:
            if not {first.name, second.name} <= taken and _same_values(Pair.of(first, second)):
                findings.append(_identical([first, second], "hold the same values"))
    return findings


def check_ids(table: GivenTable) -> list[Finding]:
    """Find rows without an id and ids on several rows."""
    findings = []
    blank = np.asarray(table.ids == "")
    if blank.any():
        findings.append(
            Finding(
                "unmatched_ids",
                "error",
                table.name,
                [],
                dense_rows(blank),
                f"{table.name}: {int(blank.sum())} rows have no id and are left out.",
                "Give every row its id.",
                {"count": int(blank.sum())},
            )
        )
    repeated = table.ids.duplicated(keep="first") & ~blank
    if repeated.any():
        # Where ids were put in, all rows share theirs; elsewhere only the rows they came from do.
        rows = dense_rows(table.ids.duplicated(keep=False) & ~blank)
        count = int(repeated.sum())
        findings.append(
            Finding(
                "duplicate_ids",
                "error",
                table.name,
                [],
                rows,
                f"{table.name}: {count} rows hold an id that another row holds; the first row of "
                "each id is kept.",
                "Keep one row for each id.",
                {"count": count},
            )
        )
        whole = pd.concat([table.values, table.others], axis=1).assign(id=table.ids)
        copies = whole.duplicated(keep="first").to_numpy() & repeated
        if copies.any():
            findings.append(_copied(table, copies, "are copies of another row, id included"))
    return findings


def check_matching(pair: Pair) -> list[Finding]:
    """Find ids of either table that the other one lacks, and say how they might match."""
    findings = []
    sides = ((pair.table, pair.reference), (pair.reference, pair.table))
    for table, other in sides:
        absent = np.asarray(~table.ids.isin(other.ids) & (table.ids != ""))
        if not absent.any():
            continue
        count, n = int(absent.sum()), len(absent)
        hint = _how_ids_differ(table.ids[absent], other.ids[~other.ids.isin(table.ids)])
        severity = "error" if count == n else "warning" if count > 0.01 * n else "note"
        findings.append(
            Finding(
                "unmatched_ids",
                severity,
                table.name,
                [],
                dense_rows(absent),
                f"{count} of {n} rows of {table.name} have an id that {other.name} lacks, and are "
                "left out.",
                hint
                or "Restrict both tables to the ids that they share, and say how many were lost.",
                {"count": count, "other_table": other.name},
            )
        )
    return findings


def check_repeated(table: GivenTable) -> list[Finding]:
    """Find runs of rows whose values are those of other rows, under other ids."""
    if len(table.values) < 2 * _MIN_ROWS or table.values.shape[1] == 0:
        return []
    patterns = pd.factorize(pd.util.hash_pandas_object(table.values.fillna(-9), index=False))[0]
    marked = np.zeros(len(patterns), bool)
    run = _repeated_sequence(patterns)
    if run:
        marked[run[0] : run[1]] = True
        return [_copied(table, marked, f"repeat rows {run[2]} to {run[3] - 1}, value by value")]
    counts = np.bincount(patterns)[patterns]
    # Rows of which each is a copy of some other row, in a table where most are of their own kind.
    start, stop, log_p = emptied_run(counts == 1)
    if stop - start >= _MIN_ROWS and log_p < np.log(_ALPHA):
        marked[start:stop] = True
        return [_copied(table, marked, "all repeat the values of other rows")]
    return []


def check_patients(table: GivenTable, column: str, groups: dict[str, pd.Series]) -> list[Finding]:
    """Find patients on both sides of a split; say if patients have several rows."""
    patients = table.column(column)
    if patients is None:
        return []
    patients = patients.str.strip()
    findings = []
    for name, parts in groups.items():
        if not _SPLIT_NAMES.search(name):
            continue
        sides = parts.groupby(patients).nunique()
        shared = patients.isin(sides.index[sides > 1]) & (patients != "")
        if shared.any():
            count = int(patients[shared].nunique())
            findings.append(
                Finding(
                    "patient_overlap",
                    "error",
                    table.name,
                    [column],
                    _smaller(shared, parts),
                    f"{table.name}: {count} patients stand in more than one part of {name}, in "
                    f"{int(shared.sum())} rows.",
                    "Give all rows of a patient to one part.",
                    {"patients": count, "split": name},
                )
            )
    several = patients.duplicated(keep=False) & (patients != "")
    if several.any() and not findings:
        findings.append(
            Finding(
                "patient_overlap",
                "note",
                table.name,
                [column],
                dense_rows(several.to_numpy()),
                f"{table.name}: {patients[several].nunique()} patients have more than one row; "
                "intervals have to resample patients.",
                "",
                {"patients": int(patients[several].nunique())},
            )
        )
    return findings


def _smaller(shared: pd.Series, parts: pd.Series) -> list[int]:
    """Return the rows concerned in the smallest part that has any."""
    part = parts[shared].value_counts().index[-1]
    return dense_rows((shared & (parts == part)).to_numpy())


def _identical(group: list[GivenTable], what: str) -> Finding:
    names = ", ".join(f"{table.name} ({table.path.name})" for table in group)
    last = group[-1]
    return Finding(
        "identical_files",
        "error",
        last.name,
        [],
        [0, len(last.ids) - 1],
        f"{len(group)} files {what}: {names}.",
        "Use one of them; the sources promised under the other names are absent.",
        {"tables": [table.name for table in group]},
    )


def _same_values(pair: Pair) -> bool:
    """Say whether two tables agree in every cell, in more than one column that varies."""
    varied = sum(len(pair.given[column].drop_duplicates()) > 1 for column in pair.given)
    return len(pair.given) >= _MIN_ROWS and varied > 1 and pair.given.equals(pair.expected)


def _copied(table: GivenTable, copies: NDArray[np.bool_], what: str) -> Finding:
    rows, count = dense_rows(copies), int(copies.sum())
    return Finding(
        "repeated_rows",
        "error",
        table.name,
        [],
        rows,
        f"{table.name}: {count} rows, in {rows[0]} to {rows[1]}, {what}.",
        "Find out which of the copies belongs to its id, and leave the others out.",
        {"count": count},
    )


def _how_ids_differ(ids: pd.Index, others: pd.Index) -> str:
    """Say which change of spelling would match most of the ids."""
    ways = {
        "without leading zeros": lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name),
        "without '.0' at the end": lambda name: name.removesuffix(".0"),
        "in small letters": str.lower,
        "without folders and the file's ending": lambda name: re.sub(r"^.*/|\.\w{2,5}$", "", name),
        "without spaces and punctuation": lambda name: re.sub(r"\W|_", "", name),
    }
    for what, change in ways.items():
        known = {change(name) for name in others}
        matched = sum(change(name) in known for name in ids)
        if matched > 0.5 * len(ids):
            return f"{matched} of them match {what}: write the ids of both tables in one way."
    return ""


def _repeated_sequence(patterns: NDArray[np.intp]) -> tuple[int, int, int, int] | None:
    """Return the later and the earlier limits of the least likely sequence that occurs twice."""
    n = len(patterns)
    information = -np.log(np.bincount(patterns)[patterns] / n)
    pieces: dict[tuple, int] = {}
    best, best_gain, seen_until = None, np.log(n) * 2 + _RUN_NATS, -1
    for start in range(n - _PIECE + 1):
        piece = tuple(patterns[start : start + _PIECE])
        earlier = pieces.setdefault(piece, start)
        if earlier == start or start < seen_until:
            continue
        length = 0
        while (
            start + length < n
            and earlier + length < start
            and (patterns[start + length] == patterns[earlier + length])
        ):
            length += 1
        run = slice(start, start + length)
        varied = len(set(patterns[run])) >= _MIN_PATTERNS
        if varied and information[run].sum() > best_gain:
            best_gain = float(information[run].sum())
            best, seen_until = (start, start + length, earlier, earlier + length), start + length
    return best
