"""Reliability: whether events happen as often as a model's probabilities say."""

import numpy as np
import pandas as pd

from cxrstudy.agreement.intervals import percentile_interval
from cxrstudy.agreement.philox import resample_weights
from cxrstudy.agreement.units import resampling_units


def reliability(
    labels: pd.Series,
    probabilities: np.ndarray,
    *,
    n_bins: int = 8,
    clusters=None,
    sampling_weights=None,
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
    sampling_weights : array-like of shape (n_rows,), optional
        How many cases each row stands for, where rows were drawn unequally.
    n_bootstrap, seed : int

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
    weights = np.ones(len(labels)) if sampling_weights is None else np.asarray(sampling_weights)
    if not len(labels) == len(probabilities) == len(weights):
        raise ValueError(
            f"{len(labels)} labels, {len(probabilities)} probabilities and {len(weights)} "
            "sampling weights do not fit"
        )
    if not labels.isin([0, 1]).all():
        raise ValueError("labels must be 0 or 1; leave out rows without a label")
    units = resampling_units(len(labels), clusters)
    # Where all probabilities are equal there is one bin, which pandas does not name.
    bins = np.nan_to_num(pd.qcut(probabilities, n_bins, labels=False, duplicates="drop"))
    drawn = resample_weights(units.n_units, n_bootstrap, seed).astype(float)
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
