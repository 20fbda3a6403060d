"""Columns of one table that do not mean what those of another do: swapped, inverted, constant."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from cxrstudy.audit.exchanges import (
    LEAST_KAPPA,
    TAKEN_FOR,
    Code,
    Codes,
    Compared,
    Exchange,
    assumed_ratios,
    find_exchange,
    kappa_of_codes,
)
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

# The code that an inversion shows for every code, and the other way round.
_TURNED = np.array([Code.BLANK, Code.POSITIVE, Code.UNCERTAIN, Code.NEGATIVE])
# Of a column that is inverted in all rows: the largest correlation of positives as they are, or
# the smallest kappa that turning it leads to.
_LARGEST_CORRELATION, _CLEAR_KAPPA = -0.03, 0.3
# By so much (nats, or the share of positives in all rows) the first table has to be the odd one.
_TRUTH_NATS, _MANY_POSITIVE = 5.0, 0.8
# A column that is never positive is no error where another table's share is smaller.
_RARE = 0.1


def check_swapped(pair: Pair) -> list[Finding]:
    """Find two columns of a table that agree with each other's counterparts, not with their own."""
    truth, labels = _codes(pair.expected), _codes(pair.given)
    columns = [c for c in truth if _varies(truth[c]) and _varies(labels[c])]
    ratios = {(a, b): assumed_ratios(truth[a], labels[b]) for a in columns for b in columns}
    candidates = []
    for a, b in combinations(columns, 2):
        # Of the truth of one column with the labels of another.
        together = {(c, d): ratios[c, d][truth[c], labels[d]] for c in (a, b) for d in (a, b)}
        crossed = together[a, b] + together[b, a] - together[a, a] - together[b, b]
        exchanged = [Compared(truth[c], labels[c], labels[d]) for c, d in ((a, b), (b, a))]
        found = find_exchange(crossed, exchanged, len(columns) ** 2 // 2)
        if found:
            candidates.append((found, a, b, exchanged))
    findings, taken = [], set[str]()
    for found, a, b, exchanged in sorted(candidates, key=lambda each: -each[0].nats):
        if taken & {a, b}:
            continue
        taken |= {a, b}
        one, other = names = pair.table.spelled([a, b])
        words = (
            f"{one} and {other} seem to have changed places, for either agrees with the other's "
            f"counterpart of {pair.reference.name}",
            f"Exchange the values of {one} and {other} in these rows.",
        )
        findings.append(found.finding(pair, "swapped_columns", pair.table, names, exchanged, words))
    return findings


def check_inverted(pair: Pair) -> list[Finding]:
    """Find columns whose positives are the other table's negatives, in all rows or in a run."""
    truth, labels = _codes(pair.expected), _codes(pair.given)
    findings = []
    context = {
        (place, column, code): table[column] == code
        for place, table in enumerate((labels, truth))
        for column in table
        for code in (Code.NEGATIVE, Code.UNCERTAIN, Code.POSITIVE)
    }
    for column in truth:
        x, y = truth[column], labels[column]
        turned = _TURNED[y]
        if not _varies(x) or not (_varies(y) or _varies(turned)):
            continue
        known = x != Code.BLANK
        as_turned = known * assumed_ratios(x, turned)[x, turned]
        together = as_turned - known * assumed_ratios(x, y)[x, y]
        found = []
        for place, (beside, given) in enumerate(((x, y), (y, x))):
            others = [side for key, side in context.items() if key[:2] != (place, column)]
            plain = Compared(beside, given, _TURNED[given])
            for codes in (plain, replace(plain, taken_for=TAKEN_FOR[1]),
                          replace(plain, context=np.column_stack(others))):  # fmt: skip
                found.append((place, find_exchange(together, [codes], len(truth))))
        # Codes that tell of a run speak against all rows; of the two tables, the second one is
        # the likelier culprit.
        candidates = [
            (found_one.length < len(x), found_one.nats - _TRUTH_NATS * place, place, found_one)
            for place, found_one in found
            if found_one
        ]
        many, many_given = ((side == Code.POSITIVE).mean() > _MANY_POSITIVE for side in (x, y))
        many = many and (y == Code.POSITIVE).mean() <= 0.5
        many_given = many_given and (x == Code.POSITIVE).mean() <= 0.5
        # E.g. 316 of 334 rows are positive where the other table has 9.
        if not candidates and (many or many_given) and kappa_of_codes(x, turned) > LEAST_KAPPA:
            candidates = [(False, 0.0, 0, Exchange(0, len(x), float(together.sum())))]
        if not candidates:
            continue
        is_run, _, place, best = max(candidates, key=lambda each: each[:2])
        # E.g. a labeler that hardly ever names what the readers see agrees as chance does.
        by_chance = _varies(y) and _correlation(x, y) > _LARGEST_CORRELATION
        is_clear = many or many_given or not by_chance or kappa_of_codes(x, turned) > _CLEAR_KAPPA
        if not is_run and not is_clear:
            continue
        table = pair.reference if (place if is_run else many) else pair.table
        other = pair.table if table is pair.reference else pair.reference
        names = table.spelled([column])
        words = (
            f"1 and 0 of {names[0]} seem to be exchanged, for it has positives where {other.name} "
            "has negatives",
            f"Exchange 1 and 0 of {names[0]} in these rows"
            + (" (1 minus the score)." if table.name == "scores" else "; blanks stay."),
        )
        compared = [Compared(x, y, turned)]
        findings.append(best.finding(pair, "inverted_column", table, names, compared, words))
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


def _correlation(x: Codes, y: Codes) -> float:
    return float(np.corrcoef(x == Code.POSITIVE, y == Code.POSITIVE)[0, 1])


def _codes(table: pd.DataFrame) -> dict[str, Codes]:
    """Return the codes of every column; scores are cut in thirds."""
    codes = {}
    for column in table:
        values = table[column].to_numpy()
        if np.isin(values[~np.isnan(values)], [POSITIVE, NEGATIVE, UNCERTAIN]).all():
            known = [values == code for code in (NEGATIVE, UNCERTAIN, POSITIVE)]
            codes[column] = np.select(
                known, [Code.NEGATIVE, Code.UNCERTAIN, Code.POSITIVE], Code.BLANK
            )
        else:
            thirds = np.ceil(table[column].rank(pct=True) * 3)
            codes[column] = thirds.fillna(Code.BLANK).to_numpy().astype(np.intp)
    return codes


def _varies(codes: Codes) -> bool:
    return bool(0 < (codes == Code.POSITIVE).sum() < len(codes))


def _is_constant(values: pd.Series) -> bool:
    first = values.iloc[0]
    return bool(values.isna().all() if pd.isna(first) else (values == first).all())
