"""The detector's results as tidy tables, for pages; empty where nothing was found."""

from collections.abc import Iterable, Mapping

import pandas as pd

from cxrstudy.data.integrity.evidence import alignment_evidence, compare_with_other_shifts
from cxrstudy.data.integrity.search import Misalignment
from cxrstudy.data.integrity.tables import group_by_id_sequence


def misalignment_table(misalignments: Iterable[Misalignment]) -> pd.DataFrame:
    """Tabulate misaligned blocks.

    Parameters
    ----------
    misalignments : iterable of Misalignment

    Returns
    -------
    DataFrame
        One row for each block: kind, first_row, last_row (0-based, inclusive), first_id, last_id,
        shift, gain (nats), ln_p (bound over the whole search), first_row_between and
        last_row_between (limits that the values cannot tell apart), limits_from.
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
    """Gather the evidence for each block's repair.

    Parameters
    ----------
    reference, table : DataFrame
        The tables in which the blocks were found.
    misalignments : iterable of Misalignment

    Returns
    -------
    DataFrame
        `alignment_evidence` with a column ``block``.
    """
    columns = ["block", "region", "arrangement", "shift", "n_rows", "log_likelihood_ratio", "kappa"]
    parts = [
        alignment_evidence(reference, table, found).assign(
            block=f"{found.block.start}-{found.block.stop - 1}"
        )
        for found in misalignments
    ]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def shift_comparison_table(
    reference: pd.DataFrame, table: pd.DataFrame, misalignments: Iterable[Misalignment]
) -> pd.DataFrame:
    """Tabulate how each repair stands out among all other arrangements of its block.

    Parameters
    ----------
    reference, table : DataFrame
        The tables in which the blocks were found.
    misalignments : iterable of Misalignment

    Returns
    -------
    DataFrame
        block, rank, other_arrangements, z, permutation_p, permutations.
    """
    columns = ["block", "rank", "other_arrangements", "z", "permutation_p", "permutations"]
    rows = []
    for found in misalignments:
        compared = compare_with_other_shifts(reference, table, found)
        rows.append(
            (
                f"{found.block.start}-{found.block.stop - 1}",
                compared.rank,
                compared.n_alternatives,
                compared.z_score,
                compared.permutation_p_value,
                compared.n_permutations,
            )
        )
    return pd.DataFrame(rows, columns=columns)


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
    """
    groups = group_by_id_sequence(tables)
    common = tables[groups[0][0]].index
    rows = []
    for names in groups:
        ids = tables[names[0]].index
        shared = min(len(ids), len(common))
        departures = [row for row in range(shared) if ids[row] != common[row]]
        row = departures[0] if departures else None
        there = "" if row is None else str(ids[row])
        rows.append((len(names), ", ".join(names), row, there))
    columns = ["tables", "names", "first_departure", "id_there"]
    return pd.DataFrame(rows, columns=columns).astype({"first_departure": "Int64"})
