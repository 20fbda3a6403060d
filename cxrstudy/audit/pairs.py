"""Two tables of the same studies, and blocks of rows that stand beside other studies' ids."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import count_metric
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.data.integrity import Block, find_misaligned_blocks, repair
from cxrstudy.data.integrity.alignment import association_per_row, where_and_how
from cxrstudy.data.integrity.blocks import id_order_permutation
from cxrstudy.data.integrity.search import Misalignment
from cxrstudy.observations import POSITIVE

# Below this mean score of matched rows over others (nats per row), and below this many rows, the
# absence of a misaligned block says little.
_MIN_ASSOCIATION = 0.2
_MIN_ROWS = 100


@dataclass(frozen=True)
class Pair:
    """The studies and observations that two tables share, in the order of the second's file."""

    reference: GivenTable
    table: GivenTable
    # Values of equal index and columns.
    expected: pd.DataFrame
    given: pd.DataFrame

    @classmethod
    def of(cls, reference: GivenTable, table: GivenTable) -> "Pair":
        """Join two tables by id; of a repeated id the first row counts."""
        expected, given = reference.by_id(), table.by_id()
        columns = [column for column in expected if column in given]
        ids = given.index[given.index.isin(expected.index)]
        return cls(reference, table, expected.loc[ids, columns], given.loc[ids, columns])

    def positions(self, of: GivenTable) -> NDArray[np.intp]:
        """Return the rows in one table's file that the pair's rows come from."""
        first = ~of.ids.duplicated()
        return np.flatnonzero(first)[of.ids[first].get_indexer(self.given.index)]

    def rows(self, start: int, stop: int, of: GivenTable | None = None) -> list[int]:
        """Return the first and last row in the file behind some of the pair's rows."""
        places = self.positions(of or self.table)[start:stop]
        return [int(places.min()), int(places.max())]


def check_blocks(pair: Pair) -> tuple[Pair, list[Finding], list[Misalignment]]:
    """Find displaced and reversed blocks, and return the pair with them repaired."""
    names = f"{pair.table.name} and {pair.reference.name}"
    if len(pair.given) < _MIN_ROWS or pair.given.shape[1] == 0:
        sentence = (
            f"{names} share {len(pair.given)} studies and {pair.given.shape[1]} observations, too "
            f"few to tell whether rows have slipped ({_MIN_ROWS} studies are needed)."
        )
        return pair, [_not_checked(pair, sentence, "note")], []
    blocks, order = _best_order(pair)
    if not blocks:
        association = association_per_row(pair.expected, pair.given)
        if association < _MIN_ASSOCIATION:
            sentence = (
                f"{names} hardly resemble each other ({association:.2f} nats per row), so nobody "
                "can tell whether their rows describe the same studies."
            )
            return pair, [_not_checked(pair, sentence, "warning")], []
        return pair, [], []
    expected = pair.expected.loc[order]
    findings, values = [], pair.given
    for block in blocks:
        mended = repair(expected, values, [block])
        findings.append(_block_finding(pair, block, order, values, mended))
        values = mended
    return replace(pair, given=values.loc[pair.given.index]), findings, blocks


def mean_kappa(expected: pd.DataFrame, given: pd.DataFrame) -> float:
    """Return the mean kappa of positive against anything else, over columns that vary."""
    x, y = (expected == POSITIVE).to_numpy(), (given == POSITIVE).to_numpy()
    n, p, q = len(x), x.sum(axis=0), y.sum(axis=0)
    varies = (p > 0) & (p < n) & (q > 0) & (q < n)
    if not varies.any():
        return float("nan")
    both = (x & y).sum(axis=0)
    return float(count_metric("kappa", n, p[varies], q[varies], both[varies]).mean())


def _best_order(pair: Pair) -> tuple[list[Misalignment], pd.Index]:
    """Search in the order of the reference, and if the table's is quite another, in its own."""
    own = pair.given.index
    of_reference = pair.reference.by_id().index
    shared = of_reference[of_reference.isin(own)]
    expected = pair.expected.loc[shared]
    steps = np.diff(id_order_permutation(expected, pair.given))
    found = find_misaligned_blocks(expected, pair.given)
    if (steps == 1).mean() > 0.5 or found:
        return found, shared
    return find_misaligned_blocks(pair.expected, pair.given), own


def _block_finding(
    pair: Pair, found: Misalignment, order: pd.Index, given: pd.DataFrame, mended: pd.DataFrame
) -> Finding:
    block = found.block
    inside = order[block.start : block.stop]
    places = np.sort(pair.positions(pair.table)[pair.given.index.get_indexer(inside)])
    table = pair.table
    if places[-1] - places[0] >= 2 * block.length:
        # The block is one only in the order of the other file.
        table = pair.reference
        places = np.sort(pair.positions(table)[pair.given.index.get_indexer(inside)])
    rows = [int(places[0]), int(places[-1])]
    expected = pair.expected.loc[inside]
    before, after = (mean_kappa(expected, values.loc[inside]) for values in (given, mended))
    return Finding(
        "reversed_block" if block.kind == "reversal" else "displaced_block",
        "error",
        table.name,
        [],
        rows,
        f"Joined by id to {pair.reference.name}, the values of {pair.table.name} in rows {rows[0]} "
        f"to {rows[1]} stand {where_and_how(block, cyclic=False)} (lines {rows[0] + 2} to "
        f"{rows[1] + 2} of a CSV file): kappa in these rows is {before:.2f}, and {after:.2f} with "
        "the rows put back.",
        _how_to_mend(pair.table.name, table.name, block),
        {
            "shift": int(block.shift),
            "gain_nats": round(float(found.gain), 3),
            "log_p": round(float(found.log_p_value), 3),
            "first_row_between": [int(row) for row in found.plausible_start],
            "last_row_between": [int(stop) - 1 for stop in found.plausible_stop],
            "kappa_inside_as_given": _rounded(before),
            "kappa_inside_repaired": _rounded(after),
        },
    )


def _how_to_mend(name: str, order: str, block: Block) -> str:
    """Say in steps what to do in a spreadsheet."""
    rows = "these rows" if name == order else f"these rows, sorted as {order} is"
    if block.kind == "reversal":
        return f"In {name}, leave the ids and reverse the order of all other cells of {rows}."
    way, ends, to = ("down", "last", "top") if block.shift < 0 else ("up", "first", "bottom")
    n = abs(block.shift)
    return (
        f"In {name}, leave the ids and move all other cells of {rows} {way} by {n}; those of the "
        f"{ends} {n} go to the {to} of the block."
    )


def _not_checked(pair: Pair, sentence: str, severity) -> Finding:
    rows = [0, len(pair.table.ids) - 1]
    return Finding("not_checked", severity, pair.table.name, [], rows, sentence)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
