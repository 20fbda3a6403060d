"""Evidence that two rows of label tables describe one study rather than two.

The score of reference row i with table row j is a log-likelihood ratio summed over the shared
observations o, ``sum_o log P_o(x_i, y_j) / (P_o(x_i) P_o(y_j))``. Label values, blank included, are
unordered categories, so the score needs no uncertainty policy.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.compiled import numba

# Agreement (a kappa, scaled to its maximum) assumed before any rows are seen, and its weight in
# rows. It lets the search start on tables whose rows are misaligned from first to last.
_ASSUMED_AGREEMENT = 0.4
_ASSUMED_ROWS = 20.0
# A column with more distinct values than this (probabilities, say) is cut at its quantiles.
_MAX_CATEGORIES = 10
_QUANTILE_BINS = 5
_SMOOTHING = 0.5


@dataclass(frozen=True)
class PairedObservation:
    """One observation in two tables, as category codes in one id order."""

    name: str
    reference: NDArray[np.intp]  # (n_rows,)
    table: NDArray[np.intp]  # (n_rows,)
    # Joint probabilities before any rows are seen, reference categories by table categories: from
    # the marginals and _ASSUMED_AGREEMENT, and if the tables were independent.
    assumed: NDArray[np.float64]
    independent: NDArray[np.float64]


def pair_observations(reference: pd.DataFrame, table: pd.DataFrame) -> list[PairedObservation]:
    """Encode the observations that two tables in one id order share: codes or numbers."""
    shared = [column for column in reference.columns if column in table.columns]
    if not shared:
        raise ValueError(
            "the tables share no column, so their rows cannot be compared; "
            "rename the observations of one table to those of the other"
        )
    return [_pair(name, reference[name], table[name]) for name in shared]


@dataclass(frozen=True)
class Association:
    """Log-likelihood ratios of the label values of two tables in one id order."""

    reference: NDArray[np.int8]  # category codes, shape (n_rows, n_observations)
    table: NDArray[np.int8]  # likewise
    # Nats by observation, reference category and table category, padded with zeros.
    ratios: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        observations: list[PairedObservation],
        reference_rows: NDArray[np.intp],
        table_rows: NDArray[np.intp],
    ) -> "Association":
        """Fit on the pairs of ``reference_rows[k]`` and ``table_rows[k]``, taken to be one study.

        Without pairs, the scores rest on the assumed association alone.
        """
        ratios = np.zeros((len(observations), *_largest_shape(observations)))
        for ratio, observation in zip(ratios, observations, strict=True):
            joint = _ASSUMED_ROWS * observation.assumed + _SMOOTHING * observation.independent
            pairs = observation.reference[reference_rows], observation.table[table_rows]
            np.add.at(joint, pairs, 1.0)
            joint /= joint.sum()
            expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
            ratio[: joint.shape[0], : joint.shape[1]] = np.log(joint / expected)
        codes = ([getattr(each, side) for each in observations] for side in ("reference", "table"))
        return cls(*(np.column_stack(side).astype(np.int8) for side in codes), ratios)

    def scores(
        self, reference_rows: NDArray[np.intp], table_rows: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Score pairs of rows in nats; the two arrays of rows are broadcast."""
        shape = np.broadcast_shapes(reference_rows.shape, table_rows.shape)
        scores = np.zeros(shape)
        for o, ratio in enumerate(self.ratios):
            scores += ratio[self.reference[reference_rows, o], self.table[table_rows, o]]
        return scores

    def matrix(
        self, reference_rows: NDArray[np.intp], table_rows: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Score every row of the one with every row of the other."""
        return self.scores(reference_rows[:, None], table_rows[None, :])


@numba.njit(cache=True)
def score_change(reference, table, ratios, row, source):
    """Return what a row's score gains when it is given the values of another row."""
    change = 0.0
    for o in range(ratios.shape[0]):
        ratio = ratios[o, reference[row, o]]
        change += ratio[table[source, o]] - ratio[table[row, o]]
    return change


def _largest_shape(observations: list[PairedObservation]) -> tuple[int, ...]:
    shapes = np.array([each.assumed.shape for each in observations])
    return tuple(shapes.max(axis=0).tolist())


def _pair(name: str, reference: pd.Series, table: pd.Series) -> PairedObservation:
    reference_codes, reference_positive = _categorise(reference)
    table_codes, table_positive = _categorise(table)
    p = np.bincount(reference_codes) / len(reference_codes)
    q = np.bincount(table_codes) / len(table_codes)
    independent = np.outer(p, q)
    assumed = independent.copy()
    if reference_positive is not None and table_positive is not None:
        a, b = p[reference_positive], q[table_positive]
        # Moving this mass from the discordant to the concordant cells keeps both marginals.
        excess = _ASSUMED_AGREEMENT * (min(a, b) - a * b)
        toward_p = _contrast(p, reference_positive)
        toward_q = _contrast(q, table_positive)
        assumed += excess * np.outer(toward_p, toward_q)
    return PairedObservation(name, reference_codes, table_codes, assumed, independent)


def _categorise(values: pd.Series) -> tuple[NDArray[np.intp], int | None]:
    """Return codes 0..k-1 and the code of the positive category, if there is one."""
    if values.nunique() > _MAX_CATEGORIES and pd.api.types.is_numeric_dtype(values):
        values = pd.qcut(values, _QUANTILE_BINS, labels=False, duplicates="drop")
        positive_value = values.max()
    else:
        positive_value = 1
    codes, categories = pd.factorize(values, use_na_sentinel=False)
    positive = np.flatnonzero(categories == positive_value)
    has_positive = len(positive) == 1 and len(categories) > 1
    return codes, int(positive[0]) if has_positive else None


def _contrast(marginal: NDArray[np.float64], positive: int) -> NDArray[np.float64]:
    """One for the positive category, minus one shared among the others by their frequency."""
    contrast = -marginal / (1.0 - marginal[positive])
    contrast[positive] = 1.0
    return contrast
