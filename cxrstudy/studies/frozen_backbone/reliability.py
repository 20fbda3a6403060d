"""Reliability: whether events happen as often as a model's probabilities say."""

import numpy as np
import pandas as pd

from cxrstudy.agreement.intervals import percentile_interval
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling


def reliability(
    labels: pd.Series,
    probabilities: np.ndarray,
    *,
    n_bins: int = 8,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares in bins of equal size.

    Parameters
    ----------
    labels : Series of float, shape (n_rows,)
        0 and 1, complete.
    probabilities : ndarray of float64, shape (n_rows,)
    n_bins : int
        Bins of as equal a number of rows as ties allow.
    resampling : Resampling
        With clusters, and with weights where rows were drawn unequally.

    Returns
    -------
    DataFrame
        Columns predicted (mean probability), estimate (share of events), low, high and n (rows,
        whatever their weight); a row for each bin.

    Raises
    ------
    ValueError
        If lengths differ, or a label is neither 0 nor 1.
    """
    if len(labels) != len(probabilities):
        raise ValueError(f"{len(labels)} labels and {len(probabilities)} probabilities do not fit")
    if not labels.isin([0, 1]).all():
        raise ValueError("labels must be 0 or 1; leave out rows without a label")
    units, weights = resampling.units(len(labels)), resampling.row_weights(len(labels))
    weights = np.ones(len(labels)) if weights is None else weights
    # Where all probabilities are equal there is one bin, which pandas does not name.
    bins = np.nan_to_num(pd.qcut(probabilities, n_bins, labels=False, duplicates="drop"))
    drawn = resampling.drawn(len(labels)).astype(float)
    events = labels.to_numpy(float)
    rows = []
    for number in np.unique(bins):
        chosen = bins == number
        # Counts by unit first: one product then serves all rows of a patient.
        part = chosen * weights
        size = np.bincount(units.unit_of_row, part, units.n_units)
        found = np.bincount(units.unit_of_row, part * events, units.n_units)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval((drawn @ found) / (drawn @ size))
        own = weights[chosen]
        predicted, estimate = (
            np.average(values[chosen], weights=own) for values in (probabilities, events)
        )
        rows.append((predicted, estimate, low, high, int(chosen.sum())))
    return pd.DataFrame(rows, columns=["predicted", "estimate", "low", "high", "n"]).astype(
        {"low": float, "high": float}
    )
