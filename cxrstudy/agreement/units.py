"""What a bootstrap replicate draws: rows, or whole clusters of rows, within strata."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .philox import fill_weights


@dataclass(frozen=True, eq=False)
class ResamplingUnits:
    """Rows grouped into the units that are drawn together.

    Units are numbered so that those of one stratum are neighbours.

    Attributes
    ----------
    unit_of_row : numpy.ndarray of int64, shape (n_rows,)
        Unit each row belongs to.
    stratum_sizes : tuple of int
        Units per stratum, in unit order; one entry when there are no strata.
    start, size : numpy.ndarray of uint64, shape (n_units,)
        First unit and number of units of the stratum in which each unit lies.
    """

    unit_of_row: np.ndarray
    stratum_sizes: tuple[int, ...]
    start: np.ndarray
    size: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.unit_of_row.size

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.start.size

    @property
    def one_row_each(self) -> bool:
        """Whether every unit is a single row."""
        return self.n_units == self.n_rows


def _codes(labels, n_rows: int, name: str) -> np.ndarray:
    values = pd.Series(np.asarray(labels))
    if len(values) != n_rows:
        raise ValueError(f"{name} has {len(values)} entries for {n_rows} rows")
    if values.isna().any():
        raise ValueError(f"{name} has missing entries; give every row a label")
    return pd.factorize(values)[0]


def resampling_units(n_rows: int, clusters=None, strata=None) -> ResamplingUnits:
    """Group rows into resampling units.

    Parameters
    ----------
    n_rows : int
    clusters : array-like of shape (n_rows,), optional
        Rows with the same label (a patient, say) are drawn together.
    strata : array-like of shape (n_rows,), optional
        As many units are drawn from each stratum as it holds.

    Returns
    -------
    ResamplingUnits

    Raises
    ------
    ValueError
        If a label is missing, the length is wrong, or a cluster spans two strata.
    """
    if n_rows < 1:
        raise ValueError("no rows to resample")
    cluster = np.arange(n_rows) if clusters is None else _codes(clusters, n_rows, "clusters")
    stratum = np.zeros(n_rows, int) if strata is None else _codes(strata, n_rows, "strata")
    first_row = np.unique(cluster, return_index=True)[1]
    stratum_of_cluster = stratum[first_row]
    if np.any(stratum_of_cluster[cluster] != stratum):
        raise ValueError("a cluster spans two strata; strata must be constant within clusters")
    order = np.argsort(stratum_of_cluster, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    sizes = np.bincount(stratum_of_cluster)
    starts = np.cumsum(sizes) - sizes
    return ResamplingUnits(
        unit_of_row=rank[cluster].astype(np.int64),
        stratum_sizes=tuple(int(size) for size in sizes),
        start=np.repeat(starts, sizes).astype(np.uint64),
        size=np.repeat(sizes, sizes).astype(np.uint64),
    )


def unit_multiplicities(
    units: ResamplingUnits, n_replicates: int, seed: np.uint64
) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn, replicate by replicate.

    Yields
    ------
    numpy.ndarray of uint8, shape (n_units,)
    """
    for replicate in range(n_replicates):
        weights = np.zeros((1, units.n_units), np.uint8)
        fill_weights(seed, replicate, units.start, units.size, weights)
        yield weights[0]
