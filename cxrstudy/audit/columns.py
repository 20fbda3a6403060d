"""Columns of one table that do not mean what those of another do: swapped, inverted, constant."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln

from cxrstudy.audit.finding import Finding, Kind
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.segments import best_run, likely_limits
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

# Codes of cells; scores are cut in thirds.
_BLANK, _NEGATIVE, _UNCERTAIN, _POSITIVE = range(4)
# The code that an inversion shows for every code, and the other way round.
_TURNED = np.array([_BLANK, _POSITIVE, _UNCERTAIN, _NEGATIVE])
# What an inversion takes a code for: blanks stay, or count as negatives and become positive.
_TAKEN_FOR = (0, 1, 2, 3), (_NEGATIVE, _NEGATIVE, _UNCERTAIN, _POSITIVE)
# Agreement assumed between the same observation of two tables, as a kappa; and its weight in rows
# and that of every pair of codes where the other rows tell what to expect.
_ASSUMED_AGREEMENT, _ASSUMED_ROWS, _ASSUMED_CELL = 0.3, 5.0, 0.1
# Smallest log likelihood ratios (nats) in favour of an exchange: in all rows, in a run of rows
# (over the logarithm of the rows and columns where it may be), and in how the two tables go
# together in the run; and the smallest z in all rows.
_WHOLE_NATS, _RUN_NATS, _TOGETHER_NATS, _WHOLE_Z = 7.0, 9.0, 3.0, 1.4
# Smallest kappa that an exchange leads to, and its smallest gain.
_LEAST_KAPPA, _LEAST_GAIN = 0.1, 0.05
# Of a column that is inverted in all rows: the largest correlation of positives as they are, or
# the smallest kappa that turning it leads to.
_LARGEST_CORRELATION, _CLEAR_KAPPA = -0.03, 0.4
# By so much (nats, or the share of positives in all rows) the first table has to be the odd one.
_TRUTH_NATS, _MANY_POSITIVE = 5.0, 0.7
# The whole table is concerned unless the rows outside a run speak against it by so much.
_AGAINST_NATS = 4.0
_MIN_ROWS = 50
# A column that is never positive is no error where another table's share is smaller.
_RARE = 0.1

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class _Codes:
    """The codes of one table beside those of another, and what they were before an exchange."""

    beside: Codes
    given: Codes
    before: Codes
    taken_for: tuple[int, ...] = _TAKEN_FOR[0]

    def scores(self, outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return by row how much likelier an exchange is, given the rows outside."""
        joint = self._counts(self.given, outside) + self._assumed()
        # E.g. a blank where blanks count as negatives is never shown.
        exchanged = self._taken(joint) + 0.01
        return np.log(exchanged)[self.beside, self.before] - np.log(joint)[self.beside, self.given]

    def log_likelihoods(self, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how likely all rows are if those inside, none or all are exchanged, or differ.

        Likelihoods are averaged over every distribution of the codes (a Dirichlet prior).
        """
        assumed = self._assumed()
        taken_assumed = self._taken(assumed) + 0.01
        outside, alone = self._counts(self.given, ~inside), self._counts(self.given, inside)
        taken, before = self._taken(outside), self._counts(self.before, inside)
        of_outside = _log_likelihood(outside, assumed)
        # How often codes are blank among those that are taken for negative, rows outside tell.
        apart = of_outside - _log_likelihood(taken, taken_assumed)
        return np.array(
            [
                _log_likelihood(taken + before, taken_assumed) + apart,
                _log_likelihood(outside + alone, assumed),
                _log_likelihood(self._counts(self.before, inside | True), taken_assumed),
                of_outside + _log_likelihood(alone, assumed),
            ]
        )

    def _counts(self, codes: Codes, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        pairs = 4 * self.beside[rows] + codes[rows]
        return np.bincount(pairs, minlength=16).reshape(4, 4).astype(float)

    def _assumed(self) -> NDArray[np.float64]:
        return _ASSUMED_ROWS * _assumed(self.beside, self.given) + _ASSUMED_CELL

    def _taken(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return counts @ np.eye(4)[list(self.taken_for)]


@dataclass(frozen=True)
class _Exchange:
    """Rows in which two columns, or the codes 1 and 0 of one, seem to have changed places."""

    start: int
    stop: int
    nats: float

    @property
    def length(self) -> int:
        return self.stop - self.start

    def finding(
        self, pair: Pair, kind: Kind, table: GivenTable, columns: list[str], words: tuple[str, str]
    ) -> Finding:
        rows = pair.rows(self.start, self.stop, of=table)
        sentence = f"{table.name}: in rows {rows[0]} to {rows[1]}, {words[0]}."
        evidence = {"log_likelihood_ratio": round(float(self.nats), 2)}
        return Finding(kind, "error", table.name, columns, rows, sentence, words[1], evidence)


def check_swapped(pair: Pair) -> list[Finding]:
    """Find two columns of a table that agree with each other's counterparts, not with their own."""
    truth, labels = _codes(pair.expected), _codes(pair.given)
    columns = [c for c in truth if _varies(truth[c]) and _varies(labels[c])]
    ratios = {(a, b): _assumed_ratios(truth[a], labels[b]) for a in columns for b in columns}
    candidates = []
    for a, b in combinations(columns, 2):
        # Of the truth of one column with the labels of another.
        together = {(c, d): ratios[c, d][truth[c], labels[d]] for c in (a, b) for d in (a, b)}
        crossed = together[a, b] + together[b, a] - together[a, a] - together[b, b]
        exchanged = [_Codes(truth[c], labels[c], labels[d]) for c, d in ((a, b), (b, a))]
        found = _exchange(crossed, exchanged, len(columns) ** 2 // 2)
        if found:
            candidates.append((found, a, b))
    findings, taken = [], set[str]()
    for found, a, b in sorted(candidates, key=lambda each: -each[0].nats):
        if taken & {a, b}:
            continue
        taken |= {a, b}
        one, other = names = pair.table.spelled([a, b])
        words = (
            f"{one} agrees with {b} of {pair.reference.name} and {other} with {a}, not with their "
            "own",
            f"Exchange the values of {one} and {other} in these rows.",
        )
        findings.append(found.finding(pair, "swapped_columns", pair.table, names, words))
    return findings


def check_inverted(pair: Pair) -> list[Finding]:
    """Find columns whose positives are the other table's negatives, in all rows or in a run."""
    truth, labels = _codes(pair.expected), _codes(pair.given)
    findings = []
    for column in truth:
        x, y = truth[column], labels[column]
        turned = _TURNED[y]
        if not _varies(x) or not (_varies(y) or _varies(turned)):
            continue
        known = x != _BLANK
        as_turned = known * _assumed_ratios(x, turned)[x, turned]
        together = as_turned - known * _assumed_ratios(x, y)[x, y]
        found = [
            (place, _exchange(together, [_Codes(*sides, _TURNED[sides[1]], taken)], len(truth)))
            for place, sides in enumerate(((x, y), (y, x)))
            for taken in _TAKEN_FOR
        ]
        # Codes that tell of a run speak against all rows; of the two tables, the second one is
        # the likelier culprit.
        candidates = [
            (found_one.length < len(x), found_one.nats - _TRUTH_NATS * place, place, found_one)
            for place, found_one in found
            if found_one
        ]
        if not candidates:
            continue
        is_run, _, place, best = max(candidates, key=lambda each: each[:2])
        # E.g. a labeler that hardly ever names what the readers see agrees as chance does.
        by_chance = _varies(y) and _correlation(x, y) > _LARGEST_CORRELATION
        if not is_run and by_chance and _kappa(x, turned) < _CLEAR_KAPPA:
            continue
        many = (x == _POSITIVE).mean() > _MANY_POSITIVE and (y == _POSITIVE).mean() <= 0.5
        table = pair.reference if (place if is_run else many) else pair.table
        other = pair.table if table is pair.reference else pair.reference
        names = table.spelled([column])
        words = (
            f"{names[0]} has positives where {other.name} has negatives",
            f"Exchange 1 and 0 of {names[0]} in these rows (scores: 1 minus the score).",
        )
        findings.append(best.finding(pair, "inverted_column", table, names, words))
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
        # E.g. a reader who never marks what another one marks in 2 of 100 studies.
        unsure = value != POSITIVE and expected < _RARE
        severity = "note" if not missed else "warning" if unsure else "error"
        (name,) = table.spelled([column])
        written = "blank" if np.isnan(value) else f"{value:g}"
        findings.append(
            Finding(
                "constant_column",
                severity,
                table.name,
                [name],
                [0, len(values) - 1],
                f"{table.name}, {name}: every row is {written}"
                + (f", where another table has {expected:.1%} positive." if expected else "."),
                "Leave the column out, or find its values." if missed else "",
                {"value": None if np.isnan(value) else float(value), "expected": float(expected)},
            )
        )
    return findings


def _positive_share(values: pd.Series) -> float:
    """Return the share of positives; of scores, one half if they vary."""
    if values.dropna().isin([POSITIVE, NEGATIVE, UNCERTAIN]).all():
        return float((values == POSITIVE).mean())
    return 0.0 if _is_constant(values) else 0.5


def _exchange(
    together: NDArray[np.float64], columns: list[_Codes], n_compared: int
) -> _Exchange | None:
    """Return where an exchange of the columns is likelier than none.

    The first argument says by row how much likelier the two tables' values are together.
    """
    n = len(together)
    if n < _MIN_ROWS:
        return None
    whole = float(together.sum())
    # (nats, start, stop)
    best, tried = (0.0, 0, n), set[tuple[int, int]]()
    start, stop, most = best_run(together)
    for limits in ((0, n // 2), (n // 2, n), (start, stop)) if most > _TOGETHER_NATS else ():
        while limits not in tried:
            tried.add(limits)
            outside = _all_but(n, *limits)
            if outside.sum() < _MIN_ROWS // 2:
                break
            scores = np.sum([each.scores(outside) for each in columns], axis=0)
            start, stop, nats = best_run(scores)
            limits = start, stop
            # Of a run and the rest, either is the other's exchange by the codes alone.
            is_run = stop - start >= _MIN_ROWS and stop - start <= n - _MIN_ROWS // 2
            if is_run and nats > best[0] and together[start:stop].sum() > _TOGETHER_NATS:
                inside = ~_all_but(n, start, stop)
                exchanged, *others = sum(each.log_likelihoods(inside) for each in columns)
                nats = (exchanged - max(others[:2])) * _tail_rate(scores[~inside])
                if exchanged > others[2] and _agrees(columns, inside):
                    best = max(best, (nats, *likely_limits(scores, start, stop)))
    nats, start, stop = best
    against = together[start:stop].sum() - whole
    is_whole = against < _AGAINST_NATS or stop - start > n - _MIN_ROWS // 2
    is_clear = whole > _WHOLE_NATS and whole > _WHOLE_Z * together.std() * np.sqrt(n)
    if is_whole and is_clear and _agrees(columns, np.ones(n, bool)):
        return _Exchange(0, n, whole)
    if nats > _RUN_NATS + np.log(n * n_compared) and stop - start < n:
        return _Exchange(start, stop, nats)
    return None


def _all_but(n: int, start: int, stop: int) -> NDArray[np.bool_]:
    rows = np.arange(n)
    return (rows < start) | (rows >= stop)


def _agrees(columns: list[_Codes], rows: NDArray[np.bool_]) -> bool:
    """Say whether the tables agree before an exchange, and clearly better than as given.

    In a run less agreement will do, as the codes by themselves speak as well.
    """
    before, given = (
        np.array([_kappa(each.beside[rows], codes[rows]) for each, codes in sides])
        for sides in ([(c, c.before) for c in columns], [(c, c.given) for c in columns])
    )
    least = _LEAST_KAPPA if rows.all() else _LEAST_KAPPA / 2
    return bool(before.min() > least and (before - given).mean() > _LEAST_GAIN)


def _correlation(x: Codes, y: Codes) -> float:
    return float(np.corrcoef(x == _POSITIVE, y == _POSITIVE)[0, 1])


def _kappa(x: Codes, y: Codes) -> float:
    x, y = x == _POSITIVE, y == _POSITIVE
    by_chance = x.mean() * y.mean() + (1 - x.mean()) * (1 - y.mean())
    return float(((x == y).mean() - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _tail_rate(scores: NDArray[np.float64]) -> float:
    """Return r such that rows like these have a run of gain g with probability exp(-r g)."""
    if scores.mean() >= 0:
        return 0.0
    if np.exp(scores).mean() <= 1:
        return 1.0
    return float(brentq(lambda rate: np.log(np.exp(rate * scores).mean()), 1e-6, 1.0))


def _log_likelihood(counts: NDArray[np.float64], assumed: NDArray[np.float64]) -> float:
    """Return the logarithm of the counts' likelihood, averaged over a Dirichlet distribution."""
    each = gammaln(assumed + counts) - gammaln(assumed)
    return float(each.sum() + gammaln(assumed.sum()) - gammaln(assumed.sum() + counts.sum()))


def _assumed(x: Codes, y: Codes) -> NDArray[np.float64]:
    """Return the share of every pair of codes under moderate agreement about positives."""
    p, q = (np.bincount(side, minlength=4) / len(side) for side in (x, y))
    toward = [np.where(np.arange(4) == _POSITIVE, 1.0, -share / max(1 - share[_POSITIVE], 1e-9))
              for share in (p, q)]  # fmt: skip
    a, b = p[_POSITIVE], q[_POSITIVE]
    return np.outer(p, q) + _ASSUMED_AGREEMENT * (min(a, b) - a * b) * np.outer(*toward)


def _assumed_ratios(x: Codes, y: Codes) -> NDArray[np.float64]:
    """Return by pair of codes how much likelier it is than if the tables were unrelated."""
    p, q = (np.bincount(side, minlength=4) / len(side) for side in (x, y))
    unrelated = np.outer(p, q)
    occurs = unrelated > 0
    return np.log(np.divide(_assumed(x, y), unrelated, out=np.ones((4, 4)), where=occurs))


def _codes(table: pd.DataFrame) -> dict[str, Codes]:
    codes = {}
    for column in table:
        values = table[column].to_numpy()
        if np.isin(values[~np.isnan(values)], [POSITIVE, NEGATIVE, UNCERTAIN]).all():
            known = [values == code for code in (NEGATIVE, UNCERTAIN, POSITIVE)]
            codes[column] = np.select(known, [_NEGATIVE, _UNCERTAIN, _POSITIVE], _BLANK)
        else:
            thirds = np.ceil(table[column].rank(pct=True) * 3)
            codes[column] = thirds.fillna(_BLANK).to_numpy().astype(np.intp)
    return codes


def _varies(codes: Codes) -> bool:
    return bool(0 < (codes == _POSITIVE).sum() < len(codes))


def _is_constant(values: pd.Series) -> bool:
    first = values.iloc[0]
    return bool(values.isna().all() if pd.isna(first) else (values == first).all())
