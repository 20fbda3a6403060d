"""The evidence that a block of rows has slipped, what it costs, and what the page answers."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import MACRO_AVERAGE
from cxrstudy.audit.pairs import mean_kappa
from cxrstudy.data import chexpert_test
from cxrstudy.data.integrity import Block, repair
from cxrstudy.data.integrity.association import Association, pair_observations
from cxrstudy.data.integrity.blocks import shared_ids
from cxrstudy.data.integrity.search import Misalignment
from cxrstudy.data.label_pair import is_chexpert_test, tables_as_given
from cxrstudy.data.tables import match_studies
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.studies.data_integrity.table_checks import group_by_id_sequence
from cxrstudy.words import in_sentence


def in_short(findings: pd.DataFrame) -> pd.DataFrame:
    """Say once what the checks found in several tables.

    >>> found = {"severity": "info", "kind": "x", "summary": ["a: fine.", "b: fine."], "repair": ""}
    >>> in_short(pd.DataFrame(found))["summary"].item()
    'a, b: fine.'
    """
    parts = findings["summary"].str.partition(": ")
    alike = findings.assign(names=parts[0], summary=parts[1] + parts[2]).groupby(
        ["severity", "kind", "summary", "repair"], sort=False
    )
    short = alike["names"].agg(", ".join).reset_index()
    return short.assign(summary=short["names"] + short["summary"]).drop(columns="names")


def misalignment_table(misalignments: Iterable[Misalignment]) -> pd.DataFrame:
    """Tabulate misaligned blocks, a row each.

    Rows count from 0, both ends inclusive; the gain is in nats, ln_p bounds the whole search, and
    the limits between which a block may begin and end are those that the values cannot tell apart.
    """
    columns = [
        "kind", "first_row", "last_row", "first_id", "last_id", "shift", "gain", "ln_p",
        "first_row_between", "last_row_between", "limits_from",
    ]  # fmt: skip
    rows = [
        (
            found.block.kind,
            found.block.start,
            found.block.stop - 1,
            found.first_id,
            found.last_id,
            found.block.shift,
            found.gain,
            found.log_p_value,
            "{} and {}".format(*found.plausible_start),
            "{} and {}".format(*(stop - 1 for stop in found.plausible_stop)),
            found.limits_from,
        )
        for found in misalignments
    ]
    return pd.DataFrame(rows, columns=columns)


def evidence_of_blocks(
    reference: pd.DataFrame, table: pd.DataFrame, misalignments: Iterable[Misalignment]
) -> pd.DataFrame:
    """Compare agreement inside and outside each block under every shift of its rows.

    If a block is misaligned, the repair raises agreement inside to what it is outside, and the
    same arrangement applied outside destroys it. The association behind the log-likelihood ratio
    is fitted on rows outside the block, so that the block does not vouch for its own repair.

    Parameters
    ----------
    reference, table : DataFrame
        Label tables indexed by study id.
    misalignments : iterable of Misalignment
        Blocks found in these tables.

    Returns
    -------
    DataFrame
        One row per block, ``region`` ("inside", "outside") and ``arrangement`` ("by id",
        "repaired", "other shift", "reversal") of its rows: ``shift`` (missing for a reversal),
        ``n_rows``, ``log_likelihood_ratio`` per row (nats), and ``kappa``, the mean Cohen kappa
        of value 1 against any other over the observations that vary in both tables. Outside, rows
        before and after the block count as one sequence, and only two arrangements are compared.
    """
    columns = ["block", "region", "arrangement", "shift", "n_rows", "log_likelihood_ratio", "kappa"]
    parts = [_evidence(reference, table, found.block) for found in misalignments]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def shift_comparison_table(
    reference: pd.DataFrame,
    table: pd.DataFrame,
    misalignments: Iterable[Misalignment],
    *,
    n_permutations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Test whether each repair stands out among all other arrangements of its block's rows.

    Parameters
    ----------
    reference, table, misalignments
        As for `evidence_of_blocks`.
    n_permutations, seed : int
        Number of random arrangements, and their seed.

    Returns
    -------
    DataFrame
        One row for each block: rank (1 if no other arrangement scores as high),
        other_arrangements (how many), z (distance of the repair's score from theirs in standard
        deviations), permutation_p (share of random arrangements that score as high, the repair
        counted once) and permutations.
    """
    columns = ["block", "rank", "other_arrangements", "z", "permutation_p", "permutations"]
    rows = []
    for block in (found.block for found in misalignments):
        association = _held_out(reference, table, block)[-1]
        inside = np.arange(block.start, block.stop)
        score = association.scores(inside, block.sources()).sum()
        others = np.array(
            [
                association.scores(inside, other.sources()).sum()
                for other in _arrangements(block)
                if not np.array_equal(other.sources(), block.sources())
            ]
        )
        rng = np.random.default_rng(seed)
        drawn = [
            association.scores(inside, rng.permutation(inside)).sum() for _ in range(n_permutations)
        ]
        rank = 1 + int((others >= score).sum())
        z = (score - others.mean()) / others.std(ddof=1)
        p = (1 + (np.array(drawn) >= score).sum()) / (1 + n_permutations)
        rows.append((_row_range(block), rank, len(others), z, p, n_permutations))
    return pd.DataFrame(rows, columns=columns)


def study_orders(truth: str, labels: str) -> dict[str, pd.DataFrame]:
    """Read the order of study ids in every file at hand, models' scores included."""
    tables, _ = tables_as_given(truth, labels)
    if is_chexpert_test(truth, labels):
        tables |= {name: chexpert_test.read_scores(name) for name in chexpert_test.model_names()}
    return {name: table[[]] for name, table in tables.items()}


def id_order_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tabulate which tables list their studies in one order.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Indexed by study id, rows in file order.

    Returns
    -------
    DataFrame
        One row for each order, most common first: tables, names, first_departure (row, 0-based,
        from the most common order) and id_there.

    Examples
    --------
    >>> orders = {"x": list("abcd"), "y": list("abcd"), "z": list("adbc")}
    >>> id_order_table({name: pd.DataFrame(index=order) for name, order in orders.items()})
       tables names  first_departure id_there
    0       2  x, y             <NA>
    1       1     z                1        d
    """
    groups = group_by_id_sequence(tables)
    common = tables[groups[0][0]].index
    rows = []
    for names in groups:
        ids = tables[names[0]].index
        shared = min(len(ids), len(common))
        departures = np.flatnonzero(ids[:shared] != common[:shared])
        row = departures[0] if len(departures) else None
        there = "" if row is None else str(ids[row])
        rows.append((len(names), ", ".join(names), row, there))
    columns = ["tables", "names", "first_departure", "id_there"]
    return pd.DataFrame(rows, columns=columns).astype({"first_departure": "Int64"})


def answer_in_words(
    findings: pd.DataFrame, misalignments: list[Misalignment], cost: pd.DataFrame, n: int
) -> str:
    """Answer whether two tables can be trusted, and what joining them by printed id costs."""
    errors = findings.query("severity == 'error'")["summary"]
    unsure = findings.query("kind == 'alignment not checked'")["summary"]
    if not misalignments:
        if len(errors):
            return " ".join(["No:", *errors])
        if len(unsure):
            return " ".join(["Nobody can tell:", *unsure])
        return f"Yes, as far as these checks see: no block of the {n} rows has slipped."
    blocks = [found.block for found in misalignments]
    near = all(block.kind == "rotation" and abs(block.shift) == 1 for block in blocks)
    answer = (
        f"No: {sum(block.length for block in blocks)} of {n} rows carry the labels of "
        f"{'a neighbour' if near else 'another study'}."
    )
    average = cost[cost["observation"] == MACRO_AVERAGE].set_index("method")
    if average.empty:
        return answer
    lost = in_sentence(average.loc["by printed id - repaired"], sign="+")
    before, after = average.loc[["repaired", "by printed id"], "estimate"]
    return (
        f"{answer} Joined by the printed ids, mean F1 is {after:.3f} instead of {before:.3f}, a "
        f"change of {lost}."
    )


def joined_both_ways(
    truth: pd.DataFrame, labels: pd.DataFrame, misalignments: Iterable[Misalignment]
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Join labels to the truth by repaired and by printed ids.

    Returns the truth of the studies and observations that both tables hold, and 1 and 0 for
    ``repaired`` and ``by printed id``, uncertain and blank as negative.
    """
    image, as_printed, _ = match_studies(truth, labels)
    repaired = repair(truth, labels, misalignments).loc[image.index, image.columns]
    joined = {"repaired": repaired, "by printed id": as_printed}
    return image, {name: apply_uncertainty_policy(t, "zeros") for name, t in joined.items()}


def _evidence(reference: pd.DataFrame, table: pd.DataFrame, block: Block) -> pd.DataFrame:
    reference, table, outside, association = _held_out(reference, table, block)
    inside = np.arange(block.start, block.stop)
    shared = [column for column in reference.columns if column in table.columns]
    moved = outside[::-1] if block.kind == "reversal" else np.roll(outside, -block.shift)
    arrangements = [
        *(("inside", inside, other, other.sources()) for other in _arrangements(block)),
        ("outside", outside, Block.rotation(block.start, block.stop, 0), outside),
        ("outside", outside, block, moved),
    ]
    return pd.DataFrame(
        {
            "block": _row_range(block),
            "region": region,
            "arrangement": _name(arrangement, block),
            "shift": arrangement.shift if arrangement.kind == "rotation" else pd.NA,
            "n_rows": len(rows),
            "log_likelihood_ratio": association.scores(rows, sources).mean()
            if len(rows)
            else np.nan,
            "kappa": mean_kappa(reference[shared].iloc[rows], table[shared].iloc[sources]),
        }
        for region, rows, arrangement, sources in arrangements
    ).astype({"shift": "Int64"})


def _held_out(
    reference: pd.DataFrame, table: pd.DataFrame, block: Block
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.intp], Association]:
    """Return the joined tables, the rows outside the block, and what was fitted on those rows."""
    ids = shared_ids(reference, table)
    reference, table = reference.loc[ids], table.loc[ids]
    outside = np.r_[: block.start, block.stop : len(ids)]
    association = Association.fit(pair_observations(reference, table), outside, outside)
    return reference, table, outside, association


def _arrangements(block: Block) -> list[Block]:
    """List every rotation of the block's rows, the one by id first, and the reversal."""
    start, stop = block.start, block.stop
    rotations = [Block.rotation(start, stop, shift) for shift in range(block.length)]
    return [*rotations, Block("reversal", start, stop)]


def _name(arrangement: Block, block: Block) -> str:
    if arrangement == block:
        return "repaired"
    if arrangement.kind == "reversal":
        return "reversal"
    return "by id" if arrangement.shift == 0 else "other shift"


def _row_range(block: Block) -> str:
    return f"{block.start}-{block.stop - 1}"
