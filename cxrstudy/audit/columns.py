"""Columns of one table that do not mean what those of another do: swapped, inverted, constant."""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.segments import outlying_run
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

# Smallest z of a run of rows: of so many columns and runs, chance reaches it once in a thousand
# tables. The whole table is one run and needs less.
_RUN_Z, _WHOLE_Z = 5.5, 4.0
# Smallest log likelihood ratio (nats) in favour of swapped columns.
_SWAP_NATS = 15.0
# Agreement assumed between the same observation of two tables, as a kappa.
_ASSUMED_AGREEMENT = 0.4
_MIN_ROWS = 50


def check_swapped(pair: Pair) -> list[Finding]:
    """Find two columns of a table that agree with each other's counterparts, not with their own."""
    truth, labels = _strengths(pair.expected), _strengths(pair.given)
    columns = [c for c in truth if truth[c].nunique() > 1 and labels[c].nunique() > 1]
    if len(truth) < _MIN_ROWS:
        return []
    evidence = {(a, b): _log_ratios(truth[a], labels[b]) for a in columns for b in columns}
    findings, taken = [], set[str]()
    candidates = []
    for a, b in combinations(columns, 2):
        crossed = evidence[a, b] + evidence[b, a] - evidence[a, a] - evidence[b, b]
        start, stop, z = outlying_run(crossed)
        total = float(crossed[start:stop].sum())
        whole = stop - start == len(crossed)
        if total > _SWAP_NATS and z > (_WHOLE_Z if whole else _RUN_Z):
            candidates.append((total, z, a, b, start, stop))
    for total, z, a, b, start, stop in sorted(candidates, reverse=True):
        if not taken & {a, b}:
            taken |= {a, b}
            table = pair.table
            names, rows = table.spelled([a, b]), pair.rows(start, stop)
            findings.append(
                Finding(
                    "swapped_columns",
                    "error",
                    table.name,
                    names,
                    rows,
                    f"{table.name}: in rows {rows[0]} to {rows[1]}, {names[0]} agrees with "
                    f"{b} of {pair.reference.name} and {names[1]} with {a}, not with their own.",
                    f"Exchange the values of {names[0]} and {names[1]} in these rows.",
                    {"log_likelihood_ratio": round(total, 2), "z": round(z, 2)},
                )  # fmt: skip
            )
    return findings


def check_inverted(pair: Pair, scores: bool = False) -> list[Finding]:
    """Find columns whose positives are the other table's negatives, in all rows or in a run."""
    findings = []
    for column in pair.given:
        expected, given = pair.expected[column], pair.given[column]
        known = (expected.notna() & (given.notna() if scores else True)).to_numpy()
        if known.sum() < _MIN_ROWS:
            continue
        x, y = (expected == POSITIVE)[known], (given if scores else _signs(given))[known]
        if x.nunique() < 2 or y.nunique() < 2:
            continue
        y = y.rank() if scores else y
        against = -_centred(x) * _centred(y)
        start, stop, z = outlying_run(against)
        whole = stop - start == len(against)
        if z <= (_WHOLE_Z if whole else _RUN_Z) or against[start:stop].mean() < 0.1:
            continue
        places = np.flatnonzero(known)[[start, stop - 1]]
        table = _inverted_side(pair, column, scores)
        rows = pair.rows(places[0], places[1] + 1, of=table)
        (name,) = table.spelled([column])
        other = pair.reference if table is pair.table else pair.table
        findings.append(
            Finding(
                "inverted_column",
                "error",
                table.name,
                [name],
                rows,
                f"{table.name}, {name}: in rows {rows[0]} to {rows[1]} positives stand where "
                f"{other.name} has negatives (correlation {-against[start:stop].mean():.2f}).",
                f"Exchange 1 and 0 of {name} in these rows (scores: 1 minus the score).",
                {"correlation": round(-float(against[start:stop].mean()), 4), "z": round(z, 2)},
            )  # fmt: skip
        )
    return findings


def check_constant(table: GivenTable, others: list[GivenTable]) -> list[Finding]:
    """Find columns of one value, and weigh them by what other tables say of the observation."""
    findings = []
    for column in table.values:
        values = table.values[column]
        if values.nunique(dropna=False) > 1 or len(values) < 2:
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
            )  # fmt: skip
        )
    return findings


def _positive_share(values: pd.Series) -> float:
    """Return the share of positives; of scores, one half if they vary."""
    if values.dropna().isin([POSITIVE, NEGATIVE, UNCERTAIN]).all():
        return float((values == POSITIVE).mean())
    return 0.5 if values.nunique() > 1 else 0.0


def _strengths(table: pd.DataFrame) -> pd.DataFrame:
    """Return 2 for positive, 1 for uncertain, 0 for negative or blank; scores by their rank."""
    codes = table.isin([POSITIVE, NEGATIVE, UNCERTAIN]) | table.isna()
    strengths = (table == POSITIVE) * 2 + (table == UNCERTAIN)
    for column in table.columns[~codes.all()]:
        strengths[column] = np.floor(table[column].rank(pct=True) * 2.999)
    return strengths.astype(int)


def _signs(values: pd.Series) -> pd.Series:
    return values.map({POSITIVE: 1.0, NEGATIVE: -1.0}).fillna(0.0)


def _centred(values: pd.Series) -> NDArray[np.float64]:
    centred = values.to_numpy(float) - values.mean()
    return centred / centred.std()


def _log_ratios(truth: pd.Series, labels: pd.Series) -> NDArray[np.float64]:
    """Return per row how much likelier its two values are together, had they moderate agreement."""
    positive, codes = (truth == 2).to_numpy(), labels.to_numpy()
    p = positive.mean()
    strong = codes == (2 if 0 < (codes == 2).mean() < 1 else 1)
    q = strong.mean()
    excess = _ASSUMED_AGREEMENT * (min(p, q) - p * q) * np.where(strong, 1 / q, -1 / (1 - q))
    # The share of positives in truth is p plus what agreement adds to it.
    return np.log(np.where(positive, (p + excess) / p, (1 - p - excess) / (1 - p)))


def _inverted_side(pair: Pair, column: str, scores: bool) -> GivenTable:
    """Name the table with the unlikely share of positives; if neither is, the second."""
    if scores:
        return pair.table
    shares = [(each[column] == POSITIVE).mean() for each in (pair.expected, pair.given)]
    return pair.reference if shares[0] > 0.5 >= shares[1] else pair.table
