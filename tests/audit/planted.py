"""Tables with one planted defect each, made of real label tables: what, where, and the files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.audit import Finding, GivenTables, read_given
from cxrstudy.audit.pairs import mean_kappa
from cxrstudy.data.integrity import Block
from cxrstudy.observations import PARENTS


@dataclass
class Planted:
    """Tables by name, and the defect that a check has to find in one of them."""

    truth: pd.DataFrame
    labels: pd.DataFrame
    random: np.random.Generator
    groups: pd.DataFrame | None = None
    table: str = "labels"
    columns: list[str] = field(default_factory=list)
    rows: tuple[int, int] | None = None
    raw: Mapping[str, bytes] = field(default_factory=dict)  # files that are written as they are

    @property
    def n(self) -> int:
        """The number of rows before anything was planted."""
        return len(self.truth)

    def some_rows(self, least: float, most: float) -> tuple[int, int]:
        """Choose limits of a share of the rows; half of the time they end with the table."""
        length = int(self.random.uniform(least, most) * self.n)
        start = int(self.random.integers(self.n - length + 1))
        start = self.n - length if self.random.random() < 0.5 else start
        return start, start + length

    def written(self, folder: Path) -> GivenTables:
        """Write the tables as files and read them as the command does."""
        tables = {"truth": self.truth, "labels": self.labels, "groups": self.groups}
        given = {}
        for name, table in tables.items():
            if table is None:
                continue
            path = folder / f"{name}.csv"
            table.rename_axis("study").to_csv(path)
            if name in self.raw:
                path.write_bytes(self.raw[name])
            given[name] = read_given(path, name, holds="groups" if name == "groups" else "labels")
        return GivenTables(**given)

    def is_found(self, kind: str, findings: list[Finding]) -> bool:
        """Say whether a finding has the right kind, table, columns and rows."""
        return any(
            finding.kind == kind
            and finding.table == self.table
            and (not self.columns or set(finding.columns) == set(self.columns))
            and (self.rows is None or np.abs(np.subtract(finding.rows, self.rows)).max() <= 10)
            for finding in findings
        )


def clean(tables: Mapping[str, pd.DataFrame], seed: int, *, bootstrap: bool) -> Planted:
    """Draw rows of two of the tables: the labeler's (half of the time) or a reader's."""
    random = np.random.default_rng([17, seed])
    names = ["labels" if random.random() < 0.5 else random.choice([*tables][2:])]
    readers = [name for name in [*tables][2:] if name != names[0]]
    names.insert(0, "truth" if random.random() < 0.7 else random.choice(readers))
    size = int(random.integers(300, 2001 if bootstrap else 501))
    rows = random.integers(500, size=size) if bootstrap else random.permutation(500)[:size]
    ids = [f"s{number:06}" for number in random.permutation(10**6)[:size]]
    truth, labels = (tables[name].iloc[rows].set_axis(ids) for name in names)
    groups = pd.DataFrame({"site": random.choice(list("ABC"), size)}, ids)
    return Planted(truth.astype(float), labels.astype(float), random, groups)


def plant(tables: Mapping[str, pd.DataFrame], kind: str, seed: int) -> Planted:
    """Plant a defect of a kind that is large enough to matter."""
    for attempt in range(100):
        case = clean(tables, 1000 * seed + attempt, bootstrap=seed % 2 == 1)
        before = case.labels.copy()
        if _PLANTS[kind](case) is False:
            continue
        moves = kind in {"displaced_block", "reversed_block", "swapped_columns", "inverted_column"}
        if not moves:
            return case
        chosen = case.columns or list(before)
        damaged = case.labels.loc[before.index]
        kappas = [mean_kappa(case.truth[chosen], labels[chosen]) for labels in (before, damaged)]
        if kappas[0] - np.nan_to_num(kappas[1]) >= 0.05:
            return case
    raise AssertionError(f"nothing to plant for {kind}, seed {seed}")


def _identical(case: Planted) -> None:
    case.labels = case.truth
    if case.random.random() < 0.5:
        case.labels = case.truth[case.random.permutation(case.truth.columns)]


def _block(case: Planted, make: Callable[[int, int], Block]) -> None:
    start, stop = case.some_rows(0.12, 0.6)
    order = np.argsort(make(start, stop).permutation(case.n))
    if case.random.random() < 0.5:
        case.labels = case.labels.iloc[order].set_axis(case.labels.index)
    else:
        case.labels = case.labels.set_axis(case.labels.index[order])
    case.rows = start, stop - 1


def _displaced(case: Planted) -> None:
    shift = int(case.random.choice([-1, 1, case.random.integers(2, case.n // 20)]))
    _block(case, lambda start, stop: Block.rotation(start, stop, shift))


def _reversed(case: Planted) -> None:
    _block(case, lambda start, stop: Block("reversal", start, stop))


def _telling(case: Planted, least: float = 0.15) -> list[str]:
    """List columns with some agreement, of which a user would miss a defect."""
    both = ((case.truth == 1).sum() >= 0.02 * case.n) & ((case.labels == 1).sum() >= 0.02 * case.n)
    return [
        column
        for column in case.truth.columns[both]
        if mean_kappa(case.truth[[column]], case.labels[[column]]) >= least
    ]


def _in_some_rows(case: Planted) -> slice:
    start, stop = (0, case.n) if case.random.random() < 0.6 else case.some_rows(0.4, 0.7)
    case.rows = start, stop - 1
    return slice(start, stop)


def _swapped(case: Planted) -> bool | None:
    columns = _telling(case)
    if len(columns) < 2:
        return False
    case.columns = list(case.random.choice(columns, 2, replace=False))
    rows = _in_some_rows(case)
    labels = case.labels.copy()
    labels.iloc[rows, labels.columns.get_indexer(case.columns)] = labels[case.columns[::-1]].iloc[
        rows
    ]
    case.labels = labels


def _inverted(case: Planted) -> bool | None:
    columns = _telling(case)
    if not columns:
        return False
    case.columns = [case.random.choice(columns)]
    rows = _in_some_rows(case)
    labels = case.labels.copy()
    labels.iloc[rows, labels.columns.get_loc(case.columns[0])] = (
        labels[case.columns[0]].iloc[rows].map({1.0: 0.0, 0.0: 1.0, -1.0: -1.0})
    )
    case.labels = labels


def _policy(case: Planted) -> bool | None:
    code = case.random.choice([-1.0, 0.0, np.nan])
    targets = {-1.0: [1.0, 0.0, np.nan], 0.0: [np.nan]}.get(code, [0.0])
    holds = case.labels.isna() if np.isnan(code) else case.labels == code
    start, stop = case.some_rows(0.3, 0.6)
    inside = np.zeros(case.n, bool)
    inside[start:stop] = True
    case.rows = start, stop - 1
    if case.random.random() < 0.3:
        inside = (case.groups["site"] == "B").to_numpy()
        case.rows = None
    if case.random.random() < 0.5:
        case.columns = [case.random.choice(case.labels.columns)]
    columns = case.columns or list(case.labels)
    changed = holds[columns] & inside[:, None]
    if changed.any(axis=1).sum() < 0.05 * case.n:
        return False
    labels = case.labels.copy()
    labels[columns] = labels[columns].mask(changed, case.random.choice(targets))
    case.labels = labels


def _constant(case: Planted) -> bool | None:
    columns = case.truth.columns[(case.truth == 1).mean() >= 0.05]
    case.columns = [case.random.choice(columns)]
    value = case.random.choice([0.0, 1.0, np.nan])
    case.labels = case.labels.assign(**{case.columns[0]: value})
    case.rows = 0, case.n - 1


def _duplicates(case: Planted) -> None:
    start, stop = case.some_rows(0.05, 0.2)
    if case.random.random() < 0.5:
        ids = case.labels.index.to_numpy(copy=True)
        others = np.r_[:start, stop : case.n]
        ids[start:stop] = ids[case.random.choice(others, stop - start, replace=False)]
        case.labels, case.rows = case.labels.set_axis(ids), (start, stop - 1)
    else:
        copies = case.labels.sample(stop - start, random_state=case.random)
        case.labels = pd.concat([case.labels, copies])
        case.rows = case.n, case.n + stop - start - 1


def _unmatched(case: Planted) -> None:
    start, stop = case.some_rows(0.05, 0.3)
    ids = case.labels.index.to_numpy(copy=True)
    way = case.random.choice([lambda name: name + ".dcm", str.upper, lambda name: "x" + name[::-1]])
    ids[start:stop] = [way(name) for name in ids[start:stop]]
    case.labels, case.rows = case.labels.set_axis(ids), (start, stop - 1)


def _repeated(case: Planted) -> None:
    length = int(case.random.uniform(0.06, 0.2) * case.n)
    source = int(case.random.integers(case.n - 2 * length))
    target = int(case.random.integers(source + length, case.n - length + 1))
    values = case.labels.copy()
    values.iloc[target : target + length] = case.labels.iloc[source : source + length].to_numpy()
    case.labels, case.rows = values, (target, target + length - 1)


def _patients(case: Planted) -> None:
    patients = np.arange(case.n) // 2
    split = np.where(patients < 0.7 * case.n / 2, "train", "test")
    moved = case.random.choice(np.flatnonzero(split == "test"), case.n // 10, replace=False)
    patients[moved] = case.random.integers(0, int(0.6 * case.n / 2), len(moved))
    case.groups = case.groups.assign(patient=[f"p{number}" for number in patients], split=split)
    case.table, case.columns = "groups", ["patient"]


def _site(case: Planted) -> None:
    inside = np.flatnonzero(case.groups["site"] == "B")
    values = case.labels.copy()
    values.iloc[inside] = case.labels.iloc[case.random.permutation(inside)].to_numpy()
    case.labels = values


def _hierarchy(case: Planted) -> bool | None:
    child = case.random.choice(list(PARENTS))
    parent = PARENTS[child]
    rows = case.random.choice(case.n, int(case.random.uniform(0.05, 0.1) * case.n), replace=False)
    labels = case.labels.copy()
    labels.iloc[rows, labels.columns.get_loc(child)] = 1.0
    labels.iloc[rows, labels.columns.get_loc(parent)] = 0.0
    case.labels, case.columns = labels, [child, parent]


def _encoding(case: Planted) -> bool | None:
    start, stop = case.some_rows(0.2, 0.5)
    column = case.random.choice(case.labels.columns)
    wrong = case.random.choice(["positive", "2", "x", "yes", "9"])
    cells = case.labels[column].map(lambda cell: "" if np.isnan(cell) else f"{cell:g}")
    changed = (case.labels[column] == 1).to_numpy(copy=True)
    changed[:start], changed[stop:] = False, False
    if changed.sum() < 0.05 * case.n:
        return False
    case.labels = case.labels.astype(object).assign(**{column: cells.mask(changed, wrong)})
    case.columns = [column]
    case.rows = tuple(np.flatnonzero(changed)[[0, -1]])


_PLANTS: dict[str, Callable[[Planted], bool | None]] = {
    "identical_files": _identical,
    "displaced_block": _displaced,
    "reversed_block": _reversed,
    "swapped_columns": _swapped,
    "inverted_column": _inverted,
    "policy_change": _policy,
    "constant_column": _constant,
    "duplicate_ids": _duplicates,
    "unmatched_ids": _unmatched,
    "repeated_rows": _repeated,
    "patient_overlap": _patients,
    "site_disagreement": _site,
    "hierarchy_violation": _hierarchy,
    "encoding": _encoding,
}
KINDS = tuple(_PLANTS)
