"""What a bootstrap replicate draws: rows, or whole clusters of rows, within strata."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrstudy.philox import as_key, draw_weights


@dataclass(frozen=True, eq=False)
class ResamplingUnits:
    """Rows grouped into the units that are drawn together; those of one stratum are neighbours."""

    unit_of_row: np.ndarray  # int64, shape (n_rows,)
    stratum_sizes: tuple[int, ...]  # units per stratum; one entry where there are no strata
    # First unit and number of units of the stratum in which each unit lies: uint64, (n_units,).
    # Strata of 3 and 2 units: start 0 0 0 3 3, size 3 3 3 2 2.
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


@dataclass(frozen=True, eq=False)
class Resampling:
    """How often, from which stream and in which groups rows are drawn anew.

    Parameters
    ----------
    replicates : int, default 10,000
        Bootstrap replicates.
    seed : int, default 0
        64-bit key of the stream of draws.
    clusters : array-like of shape (n_rows,), optional
        Rows with one label (a patient) are drawn together.
    strata : array-like of shape (n_rows,), optional
        From each stratum as many units are drawn as it holds.
    weights : array-like of float, shape (n_rows,), optional
        Inverse probabilities of selection: how many cases each row stands for.

    Raises
    ------
    ValueError
        If there is no replicate or the seed does not fit; later, in use, if a label is missing,
        a length is wrong, a cluster spans two strata, or a weight is not positive.
    """

    replicates: int = 10_000
    seed: int = 0
    clusters: ArrayLike | None = None
    strata: ArrayLike | None = None
    weights: ArrayLike | None = None

    def __post_init__(self) -> None:
        """Refuse what can be judged without the rows."""
        if self.replicates < 1:
            raise ValueError(f"a bootstrap needs at least one replicate, got {self.replicates}")
        as_key(self.seed)

    def of(self, **changes) -> "Resampling":
        """Return the same resampling with other clusters, strata or weights.

        >>> Resampling().of(clusters=["ann", "bob", "ann"]).units(3).n_units
        2
        """
        return replace(self, **changes)

    def units(self, n_rows: int) -> ResamplingUnits:
        """Group rows into the units that are drawn together."""
        return resampling_units(n_rows, self.clusters, self.strata)

    def drawn(self, n_rows: int) -> np.ndarray:
        """Count how often each unit is drawn: uint8, shape (replicates, n_units).

        >>> Resampling(2, seed=0).drawn(5)
        array([[0, 1, 0, 2, 2],
               [2, 2, 0, 1, 0]], dtype=uint8)
        """
        return draw_weights(self.units(n_rows), self.replicates, as_key(self.seed), 0)

    def drawn_rows(self, n_rows: int) -> np.ndarray:
        """Count how often each row is drawn, for methods that know neither groups nor weights."""
        if any(part is not None for part in (self.clusters, self.strata, self.weights)):
            raise ValueError("this method draws single rows: no clusters, strata or weights")
        return self.drawn(n_rows)

    def row_weights(self, n_rows: int) -> np.ndarray | None:
        """Return the checked weights of the rows: float64, or None where there are none."""
        if self.weights is None:
            return None
        weights = np.asarray(self.weights, np.float64)
        if weights.shape != (n_rows,) or not np.all(np.isfinite(weights) & (weights > 0)):
            raise ValueError(
                f"weights must be {n_rows} positive finite numbers, one per row; "
                "drop rows of weight zero"
            )
        return weights


DEFAULT_RESAMPLING = Resampling()
"""10,000 replicates of single rows."""


def resampling_units(n_rows: int, clusters=None, strata=None) -> ResamplingUnits:
    """Group rows into units: single rows, or the rows of one cluster."""
    if n_rows < 1:
        raise ValueError("no rows to resample")
    cluster = np.arange(n_rows) if clusters is None else _codes(clusters, n_rows, "clusters")
    stratum = np.zeros(n_rows, int) if strata is None else _codes(strata, n_rows, "strata")
    first_row = np.unique(cluster, return_index=True)[1]
    stratum_of_cluster = stratum[first_row]
    if np.any(stratum_of_cluster[cluster] != stratum):
        raise ValueError("a cluster spans two strata; strata must be constant within clusters")
    # Clusters are numbered anew, so that those of one stratum are neighbours.
    order = np.argsort(stratum_of_cluster, kind="stable")
    unit_of_cluster = np.empty_like(order)
    unit_of_cluster[order] = np.arange(order.size)
    sizes = np.bincount(stratum_of_cluster)
    starts = np.cumsum(sizes) - sizes
    return ResamplingUnits(
        unit_of_row=unit_of_cluster[cluster].astype(np.int64),
        stratum_sizes=tuple(int(size) for size in sizes),
        start=np.repeat(starts, sizes).astype(np.uint64),
        size=np.repeat(sizes, sizes).astype(np.uint64),
    )


def _codes(labels, n_rows: int, name: str) -> np.ndarray:
    values = pd.Series(np.asarray(labels))
    if len(values) != n_rows:
        raise ValueError(f"{name} has {len(values)} entries for {n_rows} rows")
    if values.isna().any():
        raise ValueError(f"{name} has missing entries; give every row a label")
    return pd.factorize(values)[0]
