"""Shares with intervals: how often an event holds where a condition does."""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling


def conditional_shares(
    event: pd.DataFrame,
    condition: pd.DataFrame,
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
    minimum: int = 10,
) -> pd.DataFrame:
    """Estimate, column by column, the share of rows with an event among those with a condition.

    Both counts vary from resample to resample, so this is a ratio and not a plain proportion of
    a fixed number of rows. In the terms of agreement it is a precision. Where all or none of the
    rows have the event, resamples do not vary; the interval is then Clopper and Pearson's, with
    clusters as the cases.

    Parameters
    ----------
    event, condition : DataFrame of bool, shape (n_rows, n_observations)
        Same index and columns. A missing event leaves its cell out.
    resampling : Resampling
    minimum : int
        Rows with the condition below which a share is left blank.

    Returns
    -------
    DataFrame
        Columns observation, estimate, low, high (95 % interval), n (rows with the condition) and
        events (those of them with the event).
    """
    truth, given = event.astype(float), condition.astype(float)
    found = agree(
        truth,
        {"share": given},
        metrics=("precision",),
        resampling=resampling,
        min_events=0,
    )
    unit = pd.Series(resampling.units(len(truth)).unit_of_row)
    known = truth.notna() & (given == 1)
    table = found.table().set_index("observation").loc[list(truth), ["estimate", "low", "high"]]
    table["n"], table["events"] = known.sum(), (known & (truth == 1)).sum()
    for name in table.index[(table["events"] == 0) | (table["events"] == table["n"])]:
        cases = unit[known[name].to_numpy()].nunique()
        limits = _extreme_limits(table.loc[name, "events"] > 0, cases)
        table.loc[name, ["low", "high"]] = limits
    table.loc[table["n"] < minimum, ["estimate", "low", "high"]] = np.nan
    return table.rename_axis("observation").reset_index()


def _extreme_limits(all_have_it: bool, cases: int) -> tuple[float, float]:
    """Return exact limits of a share of 0 or 1; undefined without a case."""
    if not cases:
        return np.nan, np.nan
    return proportion_confint(cases if all_have_it else 0, cases, method="beta")
