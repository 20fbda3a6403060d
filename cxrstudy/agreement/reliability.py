"""Reliability: whether events happen as often as a model's probabilities say."""

import numpy as np
import pandas as pd

from .intervals import percentile_interval
from .philox import resample_weights
from .units import resampling_units


def reliability(
    labels: pd.Series,
    probabilities: np.ndarray,
    *,
    n_bins: int = 8,
    clusters=None,
    n_bootstrap: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares in bins of equal size.

    Parameters
    ----------
    labels : Series of float, shape (n_rows,)
        0 and 1, complete.
    probabilities : ndarray of float64, shape (n_rows,)
    n_bins : int
        Bins of as equal a number of rows as ties allow.
    clusters : array-like of shape (n_rows,), optional
        Rows with one label (a patient) are drawn together.
    n_bootstrap, seed : int

    Returns
    -------
    DataFrame
        Columns predicted (mean probability), estimate (share of events), low, high and n; a row
        for each bin.
    """
    units = resampling_units(len(labels), clusters)
    # Where all probabilities are equal there is one bin, which pandas does not name.
    bins = np.nan_to_num(pd.qcut(probabilities, n_bins, labels=False, duplicates="drop"))
    drawn = resample_weights(units.n_units, n_bootstrap, seed).astype(float)
    events = labels.to_numpy(float)
    rows = []
    for number in np.unique(bins):
        chosen = bins == number
        # Counts by unit first: one product then serves all rows of a patient.
        size = np.bincount(units.unit_of_row, chosen, units.n_units)
        found = np.bincount(units.unit_of_row, chosen * events, units.n_units)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval((drawn @ found) / (drawn @ size))
        rows.append(
            (probabilities[chosen].mean(), events[chosen].mean(), low, high, int(chosen.sum()))
        )
    return pd.DataFrame(rows, columns=["predicted", "estimate", "low", "high", "n"]).astype(
        {"low": float, "high": float}
    )
