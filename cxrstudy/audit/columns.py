"""Columns of one table that do not mean what those of another do: swapped, inverted, constant."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.segments import best_run
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

# Agreement assumed between the same observation of two tables, as a kappa.
_ASSUMED_AGREEMENT = 0.3
# Smallest log likelihood ratios (nats) in favour of an exchange: in all rows, in a run of rows, and
# in how the two tables go together there, against no exchange and against no relation at all; and
# the smallest z of either.
_WHOLE_NATS, _RUN_NATS, _TOGETHER_NATS, _RELATED_NATS = 7.0, 15.0, 2.0, 1.5
_WHOLE_Z, _RUN_Z = 3.0, 5.0
# The whole table is concerned unless the rows outside a run speak against it by so much.
_AGAINST_NATS = 4.0
_MIN_ROWS = 50


@dataclass(frozen=True)
class _Exchange:
    """Rows in which two columns, or the codes 1 and 0 of one, seem to have changed places."""

    start: int
    stop: int
    nats: float
    z: float

    def sum(self, scores: NDArray[np.float64]) -> float:
        return float(scores[self.start : self.stop].sum())

    def evidence(self) -> dict[str, object]:
        return {"log_likelihood_ratio": round(self.nats, 2), "z": round(self.z, 2)}


def check_swapped(pair: Pair) -> list[Finding]:
    """Find two columns of a table that agree with each other's counterparts, not with their own."""
    truth, labels = _strengths(pair.expected), _strengths(pair.given)
    columns = [c for c in truth if _varies(truth[c]) and _varies(labels[c])]
    together = {(a, b): _log_ratios(truth[a], labels[b]) for a in columns for b in columns}
    candidates = []
    for a, b in combinations(columns, 2):
        crossed = together[a, b] + together[b, a] - together[a, a] - together[b, b]
        found = _exchange(crossed, partial(_swapped_shares, _codes(labels[[a, b]])))
        # Either column of labels goes with the other one's truth, rather than with its own.
        if found and all(
            found.sum(together[x, y]) > _RELATED_NATS
            and found.sum(together[x, y] - together[y, y]) > _RELATED_NATS
            for x, y in ((a, b), (b, a))
        ):
            candidates.append((found.nats, a, b, found))
    findings, taken = [], set[str]()
    for _, a, b, found in sorted(candidates, key=lambda each: -each[0]):
        if taken & {a, b}:
            continue
        taken |= {a, b}
        table = pair.table
        names, rows = table.spelled([a, b]), pair.rows(found.start, found.stop)
        sentence = (
            f"{table.name}: in rows {rows[0]} to {rows[1]}, {names[0]} agrees with {b} of "
            f"{pair.reference.name} and {names[1]} with {a}, not with their own."
        )
        remedy = f"Exchange the values of {names[0]} and {names[1]} in these rows."
        findings.append(
            Finding(
                "swapped_columns",
                "error",
                table.name,
                names,
                rows,
                sentence,
                remedy,
                found.evidence(),
            )
        )
    return findings


def check_inverted(pair: Pair) -> list[Finding]:
    """Find columns whose positives are the other table's negatives, in all rows or in a run."""
    truth, labels = _strengths(pair.expected), _strengths(pair.given)
    turned = _strengths(_turned(pair.given))
    findings = []
    for column in truth:
        if not _varies(truth[column]) or not (_varies(labels[column]) or _varies(turned[column])):
            continue
        known = pair.expected[column].notna().to_numpy()
        as_turned = known * _log_ratios(truth[column], turned[column])
        together = as_turned - known * _log_ratios(truth[column], labels[column])
        codes = [_codes(side[[column]]) for side in (labels, truth)]
        found = [_exchange(together, partial(_turned_shares, side)) for side in codes]
        best = max(filter(None, found), key=lambda each: each.nats, default=None)
        if best is None or best.sum(as_turned) < _RELATED_NATS:
            continue
        table = pair.reference if _is_in_truth(pair, column, best, found) else pair.table
        other = pair.table if table is pair.reference else pair.reference
        rows, (name,) = pair.rows(best.start, best.stop, of=table), table.spelled([column])
        sentence = (
            f"{table.name}, {name}: in rows {rows[0]} to {rows[1]} positives stand where "
            f"{other.name} has negatives."
        )
        remedy = f"Exchange 1 and 0 of {name} in these rows (scores: 1 minus the score)."
        findings.append(
            Finding(
                "inverted_column",
                "error",
                table.name,
                [name],
                rows,
                sentence,
                remedy,
                best.evidence(),
            )
        )
    return findings


def check_constant(table: GivenTable, others: list[GivenTable]) -> list[Finding]:
    """Find columns of one value, and weigh them by what other tables say of the observation."""
    findings = []
    for column in table.values:
        values = table.values[column]
        if len(values) < 2 or not _is_constant(values):
            continue
        value = values.iloc[0]
        shares = [_positive_share(each.values[column]) for each in others if column in each.values]
        expected = max(shares, default=0.0)
        missed = expected * len(values) >= 10 or value == POSITIVE
        (name,) = table.spelled([column])
        written = "blank" if np.isnan(value) else f"{value:g}"
        findings.append(
            Finding(
                "constant_column",
                "error" if missed else "note",
                table.name,
                [name],
                [0, len(values) - 1],
                f"{table.name}, {name}: every row is {written}"
                + (f", where another table has {expected:.1%} positive." if expected else "."),
                "Leave the column out, or find its values." if missed else "",
                {"value": None if np.isnan(value) else float(value), "expected": expected},
            )
        )
    return findings


def _positive_share(values: pd.Series) -> float:
    """Return the share of positives; of scores, one half if they vary."""
    if values.dropna().isin([POSITIVE, NEGATIVE, UNCERTAIN]).all():
        return float((values == POSITIVE).mean())
    return 0.0 if _is_constant(values) else 0.5


def _exchange(
    together: NDArray[np.float64],
    of_shares: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
) -> _Exchange | None:
    """Return where an exchange is likelier than none.

    The first argument says by row how much likelier the two tables' values are together; the second
    how much likelier the codes are by themselves, given the rows outside.
    """
    n = len(together)
    if n < _MIN_ROWS:
        return None
    runs = []
    for begin, end in ((0, n // 2), (n // 2, n), best_run(together)[:2]):
        start, stop = begin, end
        for _ in range(4):
            outside = np.ones(n, bool)
            outside[start:stop] = False
            if outside.sum() < _MIN_ROWS // 2:
                break
            scores = together + of_shares(outside)
            start, stop, nats = best_run(scores)
            # Of a run and the rest, either is the other's exchange by the codes alone.
            if together[start:stop].sum() > _TOGETHER_NATS:
                runs.append((nats, start, stop, _z(scores[start:stop], scores)))
    whole = _Exchange(0, n, float(together.sum()), _z(together, together))
    nats, start, stop, z = max(runs, default=(0.0, 0, n, 0.0))
    inside = together[start:stop].sum()
    is_whole = whole.nats - inside > -_AGAINST_NATS or stop - start > n - _MIN_ROWS // 2
    if whole.nats > _WHOLE_NATS and whole.z > _WHOLE_Z and is_whole:
        return whole
    if nats > _RUN_NATS and z > _RUN_Z and stop - start < n:
        return _Exchange(start, stop, nats, z)
    return None


def _z(run: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    spread = scores.std() * np.sqrt(len(run))
    return float(run.sum() / spread) if spread > 0 else 0.0


def _codes(strengths: pd.DataFrame) -> NDArray[np.intp]:
    return strengths.to_numpy(int) + 1


def _log_shares(codes: NDArray[np.intp], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the logarithm of every code's share in some rows, shape (n_columns, 4)."""
    counts = np.array([np.bincount(column[rows], minlength=4) for column in codes.T]) + 0.5
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def _swapped_shares(codes: NDArray[np.intp], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
    shares = _log_shares(codes, outside)
    change = shares[1] - shares[0]
    return change[codes[:, 0]] - change[codes[:, 1]]


def _turned_shares(codes: NDArray[np.intp], outside: NDArray[np.bool_]) -> NDArray[np.float64]:
    (shares,) = _log_shares(codes, outside)
    # Codes as `_strengths` has them, plus 1: blank 0, negative 1, uncertain 2, positive 3.
    return (shares[[0, 3, 2, 1]] - shares)[codes[:, 0]]


def _is_in_truth(pair: Pair, column: str, best: _Exchange, found: list[_Exchange | None]) -> bool:
    """Say whether the first table is the inverted one: it changes there, or its share is odd."""
    if best.stop - best.start < len(pair.given):
        return best is found[1] and best is not found[0]
    shares = [(each[column] == POSITIVE).mean() for each in (pair.expected, pair.given)]
    return bool(shares[0] > 0.6 and shares[1] <= 0.5)


def _turned(values: pd.DataFrame) -> pd.DataFrame:
    """Exchange 1 and 0; of scores, high and low."""
    turned = values.copy()
    for column in values:
        codes = values[column].dropna().isin([POSITIVE, NEGATIVE, UNCERTAIN]).all()
        turned[column] = values[column].replace({1.0: 0.0, 0.0: 1.0}) if codes else -values[column]
    return turned


def _is_constant(values: pd.Series) -> bool:
    first = values.iloc[0]
    return bool(values.isna().all() if pd.isna(first) else (values == first).all())


def _varies(strengths: pd.Series) -> bool:
    positive = strengths == strengths.max()
    return bool(positive.any() and not positive.all())


def _strengths(table: pd.DataFrame) -> pd.DataFrame:
    """Return 2 for positive, 1 for uncertain, 0 for negative, -1 for blank; scores in thirds."""
    strengths = pd.DataFrame(index=table.index)
    for column in table:
        values = table[column]
        if values.dropna().isin([POSITIVE, NEGATIVE, UNCERTAIN]).all():
            codes = values.map({POSITIVE: 2, UNCERTAIN: 1, NEGATIVE: 0})
        else:
            codes = np.ceil(values.rank(pct=True) * 3) - 1
        strengths[column] = codes.fillna(-1).astype(int)
    return strengths


def _log_ratios(truth: pd.Series, labels: pd.Series) -> NDArray[np.float64]:
    """Return per row how much likelier its two values are together, had they moderate agreement."""
    positive, strong = (truth == 2).to_numpy(), (labels == 2).to_numpy()
    p, q = positive.mean(), strong.mean()
    if not 0 < q < 1:
        return np.zeros(len(truth))
    excess = _ASSUMED_AGREEMENT * (min(p, q) - p * q) * np.where(strong, 1 / q, -1 / (1 - q))
    # The share of positives in truth is p plus what agreement adds to it.
    return np.log(np.where(positive, (p + excess) / p, (1 - p - excess) / (1 - p)))
