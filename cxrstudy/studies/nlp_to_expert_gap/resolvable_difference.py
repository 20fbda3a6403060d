"""The smallest difference between two models that a test set of a given size can show."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.intervals import bca_interval
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import MACRO_AVERAGE, Agreement, Estimate

QUANTILES: dict[str, float] = {
    "most alike": 0.0,
    "lower quartile": 0.25,
    "median": 0.5,
    "upper quartile": 0.75,
    "least alike": 1.0,
}
"""Points of the distribution over pairs, from the most alike pair to the least alike one."""


def mean_auroc_influence(truth: pd.DataFrame, scores: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Share of each study in the error of each model's mean AUROC over all observations.

    DeLong's placement values, centred within class and observation and added over the
    observations. Products summed over studies are DeLong's covariance, extended to a mean over
    observations that share their studies; with one observation they are DeLong's exactly.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores : mapping of str to DataFrame
        Each model's scores, complete, with the same index and columns.

    Returns
    -------
    numpy.ndarray of float64, shape (n_studies, n_models)

    Raises
    ------
    ValueError
        If an observation has fewer than two positives or negatives.
    """
    influence = np.zeros((len(truth), len(scores)))
    for observation in truth:
        values = np.column_stack([table[observation].to_numpy() for table in scores.values()])
        influence += _centred_placements(truth[observation].to_numpy() == 1, values)
    return influence / truth.shape[1]


def _centred_placements(positive: np.ndarray, values: np.ndarray) -> np.ndarray:
    counts = {True: int(positive.sum()), False: int((~positive).sum())}
    if min(counts.values()) < 2:
        raise ValueError("DeLong's variance needs two positives and two negatives")
    midrank = rankdata(values, axis=0)
    centred = np.empty(values.shape)
    for side, rows in ((True, positive), (False, ~positive)):
        own, other = counts[side], counts[not side]
        placement = (midrank[rows] - rankdata(values[rows], axis=0)) / other
        direction = 1.0 if side else -1.0
        centred[rows] = direction * (placement - placement.mean(axis=0)) / np.sqrt(own * (own - 1))
    return centred


@dataclass(frozen=True, eq=False)
class PairedErrors:
    """Standard errors of the difference in mean AUROC for every pair of models.

    Attributes
    ----------
    agreement : Agreement
        Every model's AUROC.
    influence : DataFrame, shape (n_studies, n_models)
        See `mean_auroc_influence`.
    pairs : DataFrame
        One row for each pair: first, second, shared (observations in which both models have
        the same ranking), difference, low, high, bootstrap and delong standard errors,
        correlation of the two errors.
    resampling : Resampling
    """

    agreement: Agreement
    influence: pd.DataFrame
    pairs: pd.DataFrame
    resampling: Resampling

    @property
    def distinct(self) -> pd.DataFrame:
        """Pairs that share no observation's ranking: models that were built apart."""
        return self.pairs[self.pairs["shared"] == 0]

    def resolvable(self, power: float = 0.8, level: float = 0.95) -> pd.DataFrame:
        """Smallest difference that this many studies show with the given power.

        Intervals come from resampling the studies' influences.

        Parameters
        ----------
        power : float
        level : float
            One minus the size of the two-sided test, and the level of the intervals.

        Returns
        -------
        DataFrame
            Columns design, pair (a point of `QUANTILES`), standard_error, estimate, low, high
            and pairs (their number).  ``all pairs`` and ``distinct pairs`` compare models on the
            same studies; ``two samples`` compares models on two samples of this size each.
        """
        factor = norm.ppf(0.5 + level / 2) + norm.ppf(power)
        designs = {
            "all pairs": self._difference_influence(self.pairs),
            "distinct pairs": self._difference_influence(self.distinct),
        }
        squared = {name: values**2 for name, values in designs.items()}
        squared["two samples"] = self._unpaired_squares()
        weights = self.resampling.drawn_rows(len(self.influence))
        rows = []
        for design, squares in squared.items():
            if squares.shape[1] == 0:
                continue
            errors = zip(QUANTILES, *_root_quantiles(squares, weights, level), strict=True)
            rows += [
                (design, pair, error, factor * error, factor * low, factor * high, squares.shape[1])
                for pair, error, low, high in errors
            ]
        names = "design pair standard_error estimate low high pairs"
        return pd.DataFrame(rows, columns=names.split())

    def published_difference(self, difference: float) -> Estimate:
        """Give a printed difference the error that pairs of models show on these studies.

        The replicates are the printed difference plus the bootstrap errors of the distinct
        pairs, each pair taking its turn, since which pair is most like the published one is not
        known. Conditional on errors correlated as those of these models are, and on the same
        studies for both published values.

        Parameters
        ----------
        difference : float

        Returns
        -------
        Estimate
            With a percentile interval.

        Raises
        ------
        ValueError
            If no two models are distinct.
        """
        pairs = self.distinct
        if pairs.empty:
            raise ValueError("every pair of models shares a ranking; no error of distinct models")
        measured = [self._difference(row.first, row.second) for row in pairs.itertuples()]
        errors = np.array([pair.replicates - pair.value for pair in measured])
        replicate = np.arange(errors.shape[1])
        return Estimate(
            value=difference,
            replicates=difference + errors[replicate % len(errors), replicate],
            n=len(self.influence),
            positives=min(pair.positives for pair in measured),
        )

    def designs(self, difference: float) -> pd.DataFrame:
        """Show what a printed difference is worth under each assumption on the correlation.

        Parameters
        ----------
        difference : float

        Returns
        -------
        DataFrame
            Columns design, pair, standard_error, estimate, low, high (95 %, normal theory) and
            p_value.
        """
        table = self.resolvable()[["design", "pair", "standard_error"]].copy()
        half = norm.ppf(0.975) * table["standard_error"]
        return table.assign(
            estimate=difference,
            low=difference - half,
            high=difference + half,
            p_value=2 * norm.sf(abs(difference) / table["standard_error"]),
        )

    def _difference(self, first: str, second: str) -> Estimate:
        one, other = (
            self.agreement.estimate(name, MACRO_AVERAGE, "auroc") for name in (first, second)
        )
        return one - other

    def _difference_influence(self, pairs: pd.DataFrame) -> np.ndarray:
        first, second = (self.influence[list(pairs[side])] for side in ("first", "second"))
        return first.to_numpy() - second.to_numpy()

    def _unpaired_squares(self) -> np.ndarray:
        squares = self.influence.to_numpy() ** 2
        first, second = np.array(list(combinations(range(squares.shape[1]), 2))).T
        return squares[:, first] + squares[:, second]


def paired_errors(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> PairedErrors:
    """Measure the error of the difference in mean AUROC for every pair of models.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores : mapping of str to DataFrame
        At least two models' scores, complete, with the same index and columns.
    resampling : Resampling

    Returns
    -------
    PairedErrors
    """
    agreement = agree(truth, scores, metrics=("auroc",), resampling=resampling)
    influence = pd.DataFrame(
        mean_auroc_influence(truth, scores), index=truth.index, columns=list(scores)
    )
    covariance = influence.T @ influence
    ranks = {name: table.rank() for name, table in scores.items()}
    rows = []
    for first, second in combinations(scores, 2):
        one, other = (agreement.estimate(m, MACRO_AVERAGE, "auroc") for m in (first, second))
        difference = one - other
        variances = covariance.loc[first, first], covariance.loc[second, second]
        shared = covariance.loc[first, second]
        rows.append(
            (first, second, int((ranks[first] == ranks[second]).all().sum()),
             difference.value, *difference.interval(), difference.replicates.std(ddof=1),
             np.sqrt(sum(variances) - 2 * shared), shared / np.sqrt(np.prod(variances)))
        )  # fmt: skip
    names = "first second shared difference low high bootstrap delong correlation"
    pairs = pd.DataFrame(rows, columns=names.split())
    return PairedErrors(agreement, influence, pairs, resampling)


def _root_quantiles(squares: np.ndarray, weights: np.ndarray, level: float) -> np.ndarray:
    """Roots of the `QUANTILES` over columns of their sums over rows, with BCa limits below."""

    def statistic(sums: np.ndarray) -> np.ndarray:
        return np.sqrt(np.quantile(sums, list(QUANTILES.values()), axis=-1))

    values = statistic(squares.sum(axis=0))
    left_out = (squares.sum(axis=0) - squares) * len(squares) / (len(squares) - 1)
    replicates = statistic(weights.astype(float) @ squares)
    return np.array([values, *bca_interval(values, replicates, statistic(left_out), level)])
