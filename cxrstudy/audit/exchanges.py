"""Rows in which codes of one table seem to have changed places, as another table tells."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln
from sklearn.linear_model import LogisticRegression

from cxrstudy.audit.finding import Finding, Kind
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.segments import best_run, likely_limits

Codes = NDArray[np.intp]


class Code(IntEnum):
    """What a cell says; of scores, the lowest third is negative and the highest positive."""

    BLANK, NEGATIVE, UNCERTAIN, POSITIVE = range(4)


# What an exchange takes a code for: itself; or blanks count as negatives.
TAKEN_FOR = (0, 1, 2, 3), (Code.NEGATIVE, Code.NEGATIVE, Code.UNCERTAIN, Code.POSITIVE)
# Agreement assumed between the same observation of two tables, as a kappa; and its weight in rows
# and that of every pair of codes where the other rows tell what to expect.
_ASSUMED_AGREEMENT, _ASSUMED_ROWS, _ASSUMED_CELL = 0.3, 5.0, 0.1
# Smallest log likelihood ratios (nats) in favour of an exchange: in all rows, in a run of rows
# (over the logarithm of the rows and columns where it may be), and in how the two tables go
# together in the run; and the smallest z in all rows, if both columns gain or if one loses.
_WHOLE_NATS, _RUN_NATS, _TOGETHER_NATS, _WHOLE_Z, _MIXED_Z = 7.0, 9.0, 3.0, 1.4, 2.4
# Smallest kappa that an exchange leads to, and its smallest gain.
LEAST_KAPPA, _LEAST_GAIN = 0.1, 0.05
# The whole table is concerned unless the rows outside a run speak against it by so much.
_AGAINST_NATS = 4.0
_MIN_ROWS = 50
# Of a column's 1 and 0, so many of either teach what the other columns tell of them; rows that are
# learnt from at most; and the penalty, scikit-learn's C.
_LEAST_LEARNT, _MOST_LEARNT, _CONTEXT_PENALTY = 5, 5_000, 0.3


@dataclass(frozen=True)
class Compared:
    """The codes of one table beside those of another, and what they were before an exchange."""

    beside: Codes
    given: Codes
    before: Codes
    taken_for: tuple[int, ...] = TAKEN_FOR[0]
    context: NDArray[np.bool_] | None = None  # (n, k): what other columns say of a column's 1 and 0

    def scores(self, outside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return by row how much likelier an exchange is, given the rows outside."""
        learnt = self._learnt(outside)
        if learnt is not None:
            return learnt
        joint = self._counts(self.given, outside) + self._assumed()
        # E.g. a blank where blanks count as negatives is never shown.
        exchanged = self._taken(joint) + 0.01
        return np.log(exchanged)[self.beside, self.before] - np.log(joint)[self.beside, self.given]

    def _learnt(self, outside: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Return the scores by a logistic regression of 1 or 0 on the context, if it can be fit."""
        positive = self.given == Code.POSITIVE
        named = positive | (self.given == Code.NEGATIVE)
        rows = np.flatnonzero(named & outside)
        rows = rows[:: 1 + len(rows) // _MOST_LEARNT]
        known = np.bincount(positive[rows], minlength=2)
        if self.context is None or known.min() < _LEAST_LEARNT:
            return None
        model = LogisticRegression(C=_CONTEXT_PENALTY).fit(self.context[rows], positive[rows])
        logits = model.decision_function(self.context)
        return np.where(named, np.where(positive, -logits, logits), 0.0)

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
class Exchange:
    """Rows in which two columns, or the codes 1 and 0 of one, seem to have changed places."""

    start: int
    stop: int
    nats: float

    @property
    def length(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    def finding(
        self,
        pair: Pair,
        kind: Kind,
        table: GivenTable,
        columns: list[str],
        compared: list[Compared],
        words: tuple[str, str],
    ) -> Finding:
        """Say it of columns of a table, in words of what was found and of its repair."""
        rows = pair.rows(self.start, self.stop, of=table)
        inside = ~_all_but(len(compared[0].given), self.start, self.stop)
        before, given = (round(float(side.mean()), 3) for side in _kappas(compared, inside))
        sentence = (
            f"{table.name}: in rows {rows[0]} to {rows[1]} (lines {rows[0] + 2} to {rows[1] + 2} "
            f"of a CSV file), {words[0]}: kappa there is {given:.2f}, and {before:.2f} with them "
            "exchanged back."
        )
        evidence = {
            "log_likelihood_ratio": round(float(self.nats), 2),
            "kappa_inside_as_given": given,
            "kappa_inside_repaired": before,
        }
        return Finding(kind, "error", table.name, columns, rows, sentence, words[1], evidence)


def find_exchange(
    together: NDArray[np.float64], columns: list[Compared], n_compared: int
) -> Exchange | None:
    """Return where an exchange of the columns is likelier than none.

    The first argument says by row how much likelier the two tables' values are together.
    """
    n = len(together)
    if n < _MIN_ROWS:
        return None
    whole = float(together.sum())
    is_inversion = len(columns) == 1
    has_context = any(each.context is not None for each in columns)
    # (nats, start, stop)
    best, tried = (0.0, 0, n), set[tuple[int, int]]()
    start, stop, most = best_run(together)
    # An inversion of rare positives is told by how many rows are positive.
    is_likely = most > _TOGETHER_NATS or is_inversion
    for limits in ((0, n // 2), (n // 2, n), (start, stop)) if is_likely else ():
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
            if is_run and nats > best[0]:
                inside = ~_all_but(n, start, stop)
                exchanged, *others = sum(each.log_likelihoods(inside) for each in columns)
                by_codes = exchanged - max(others[:2])
                # What other columns tell counts where these codes by themselves say so as well.
                is_known = has_context and exchanged - max(others) > _TOGETHER_NATS
                nats = max(by_codes, nats if is_known else 0.0) * _tail_rate(scores[~inside])
                go_together = max(exchanged - others[2], together[inside].sum()) > _TOGETHER_NATS
                if exchanged > others[2] and go_together and _agrees(columns, inside):
                    best = max(best, (nats, *likely_limits(scores, start, stop)))
    nats, start, stop = best
    is_run = nats > _RUN_NATS + np.log(n * n_compared) and stop - start < n
    # An inversion of all rows leaves no run in which codes are as they are not elsewhere.
    overruled = is_run and is_inversion and stop - start <= n - _MIN_ROWS
    against = together[start:stop].sum() - whole
    is_whole = against < _AGAINST_NATS or stop - start > n - _MIN_ROWS // 2
    z = whole / max(together.std() * np.sqrt(n), 1e-9)
    before, given = _kappas(columns, np.ones(n, bool))
    # E.g. of pneumonia and consolidation, either may agree better with the other's counterpart.
    is_clear = whole > _WHOLE_NATS and z > (_MIXED_Z if (before < given).any() else _WHOLE_Z)
    if is_whole and is_clear and not overruled and _agrees(columns, np.ones(n, bool)):
        return Exchange(0, n, whole)
    return Exchange(start, stop, nats) if is_run else None


def _all_but(n: int, start: int, stop: int) -> NDArray[np.bool_]:
    rows = np.arange(n)
    return (rows < start) | (rows >= stop)


def _agrees(columns: list[Compared], rows: NDArray[np.bool_]) -> bool:
    """Say whether the tables agree before an exchange, and clearly better than as given.

    In a run less agreement will do, as the codes by themselves speak as well.
    """
    before, given = _kappas(columns, rows)
    least = LEAST_KAPPA if rows.all() else LEAST_KAPPA / 2
    return bool(before.min() > least and (before - given).mean() > _LEAST_GAIN)


def _kappas(columns: list[Compared], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the kappas of the columns before an exchange, and as given, (2, columns)."""
    sides = [
        [kappa_of_codes(c.beside[rows], codes[rows]) for codes in (c.before, c.given)]
        for c in columns
    ]
    return np.transpose(sides)


def kappa_of_codes(x: Codes, y: Codes) -> float:
    """Return Cohen's kappa of positives against all other codes."""
    x, y = x == Code.POSITIVE, y == Code.POSITIVE
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
    a, b = p[Code.POSITIVE], q[Code.POSITIVE]
    toward = [
        np.where(np.arange(4) == Code.POSITIVE, 1.0, -share / max(1 - share[Code.POSITIVE], 1e-9))
        for share in (p, q)
    ]
    return np.outer(p, q) + _ASSUMED_AGREEMENT * (min(a, b) - a * b) * np.outer(*toward)


def assumed_ratios(x: Codes, y: Codes) -> NDArray[np.float64]:
    """Return by pair of codes how much likelier it is than if the tables were unrelated."""
    p, q = (np.bincount(side, minlength=4) / len(side) for side in (x, y))
    unrelated = np.outer(p, q)
    occurs = unrelated > 0
    return np.log(np.divide(_assumed(x, y), unrelated, out=np.ones((4, 4)), where=occurs))
