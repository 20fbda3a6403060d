"""Sites where two tables disagree more than elsewhere, or that the tables name differently."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.pairs import Pair
from cxrstudy.observations import POSITIVE

_MIN_ROWS = 30
_ALPHA = 0.001
# Correlation assumed between the columns' differences, which share studies and findings.
_CORRELATION = 0.3
# A column counts as one of those that disagree below this p-value.
_JOINS = 0.02


def check_sites(pair: Pair, groups: dict[str, pd.Series]) -> list[Finding]:
    """Find levels of a group where the association of two tables is weaker than in the others.

    Groups are in the order of the pair's rows. Odds ratios are compared, which do not depend on
    how common a finding is.
    """
    levels = [
        (name, level, (values == level).to_numpy())
        for name, values in groups.items()
        for level, count in values.value_counts().items()
        if level and _MIN_ROWS <= count <= len(values) - _MIN_ROWS
    ]
    findings = []
    for name, level, inside in levels:
        z = _differences(pair, inside)
        if not len(z):
            continue
        pooled = float(z.sum() / np.sqrt(len(z) * (1 + _CORRELATION * (len(z) - 1))))
        compared = len(levels) * (len(z) + 1)
        p = compared * norm.cdf(min(pooled, float(z.min())))
        if p >= _ALPHA:
            continue
        columns = z.index[z < norm.ppf(_JOINS)].tolist() or [z.idxmin()]
        places = pair.positions(pair.table)[inside]
        findings.append(
            Finding(
                "site_disagreement",
                "warning",
                pair.table.name,
                pair.table.spelled(columns),
                [int(places.min()), int(places.max())],
                f"Where {name} is {level!r} ({int(inside.sum())} rows), {pair.table.name} and "
                f"{pair.reference.name} agree less than elsewhere in {len(columns)} "
                f"column{'s' * (len(columns) > 1)}.",
                "Find out how labels were made there, and score it apart.",
                {"group": name, "level": str(level), "z": round(pooled, 2), "p": float(min(p, 1))},
            )
        )
    return findings


def check_groups_match(pair: Pair) -> list[Finding]:
    """Find columns of text, such as the site, that two tables fill differently for one id."""
    findings = []
    rows, other_rows = pair.positions(pair.table), pair.positions(pair.reference)
    for column in pair.table.others:
        counterpart = pair.reference.column(column)
        if counterpart is None:
            continue
        own = pair.table.others[column].str.strip().to_numpy()[rows]
        expected = counterpart.str.strip().to_numpy()[other_rows]
        differs = (own != expected) & (own != "") & (expected != "")
        if differs.any():
            places = rows[differs]
            findings.append(
                Finding(
                    "site_disagreement",
                    "error" if differs.mean() > 0.01 else "warning",
                    pair.table.name,
                    [column],
                    [int(places.min()), int(places.max())],
                    f"{pair.table.name} and {pair.reference.name} hold different values of "
                    f"{column} for {int(differs.sum())} ids.",
                    "Find out which table is right; other columns of these rows may be wrong too.",
                    {"count": int(differs.sum())},
                )
            )
    return findings


def _differences(pair: Pair, inside: NDArray[np.bool_]) -> pd.Series:
    """Return z of the log odds ratio inside minus outside, by column that has both."""
    found = {}
    for column in pair.given:
        known = pair.expected[column].notna().to_numpy()
        x = (pair.expected[column] == POSITIVE).to_numpy()
        y = (pair.given[column] == POSITIVE).to_numpy()
        if any(np.minimum(side[r].sum(), (~side[r]).sum()) < 5
               for side in (x, y) for r in (known & inside, known & ~inside)):  # fmt: skip
            continue
        (odds, variance), (other, other_variance) = (
            _log_odds_ratio(x[rows], y[rows]) for rows in (known & inside, known & ~inside)
        )
        found[column] = (odds - other) / np.sqrt(variance + other_variance)
    return pd.Series(found, dtype=float)


def _log_odds_ratio(x: NDArray[np.bool_], y: NDArray[np.bool_]) -> tuple[float, float]:
    cells = np.array([(x & y).sum(), (~x & ~y).sum(), (x & ~y).sum(), (~x & y).sum()]) + 0.5
    return float(np.log(cells[0] * cells[1] / (cells[2] * cells[3]))), float((1 / cells).sum())
