"""Choosing a model on a small validation set, and what the choice is worth on new studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.experiments.splits import SortedCells, score_splits, sort_cells
from cxrstudy.experiments.thresholds import RULES, THRESHOLD_METRICS, threshold_scores

OUTCOMES: tuple[str, ...] = (
    "gain over a random choice",
    "regret",
    "regret of a random choice",
    "chance of the best",
    "optimism",
    "rank correlation",
)
"""What a split shows about a choice; see `selection_outcomes`."""

# Limits that an outcome cannot leave.
_UNBOUNDED = (-np.inf, np.inf)
_BOUNDS = {
    "regret": (0.0, np.inf),
    "regret of a random choice": (0.0, np.inf),
    "chance of the best": (0.0, 1.0),
    "rank correlation": (-1.0, 1.0),
}
_FULL_RESAMPLES = 1000
_THRESHOLD_SPLITS = 2


@dataclass(frozen=True, eq=False)
class SplitEstimates:
    """Expected outcomes over random splits, by size of the validation part."""

    estimates: dict[tuple[int, str], Estimate]  # by size and outcome; see `nested_estimate`
    # Size, outcome, median, low and high: the central 95 % of single splits of the sample, which
    # is what one team with one validation set may see.
    spread: pd.DataFrame
    without_class: pd.Series  # by size: observations per split that lack a class in validation

    def table(self) -> pd.DataFrame:
        """Tidy table of the estimates by size and outcome."""
        rows = [
            {"size": size, "outcome": outcome} | estimate.row()
            for (size, outcome), estimate in self.estimates.items()
        ]
        return pd.DataFrame(rows, columns=["size", "outcome", *LIMITS, "n"])


def nested_estimate(
    splits: np.ndarray,
    resampled: np.ndarray,
    n_studies: int,
    bounds: tuple[float, float] = _UNBOUNDED,
) -> Estimate:
    """Average over splits, and give the average the error of the sample of studies.

    The value is the mean over many splits of the sample. Each bootstrap resample is split a few
    times; the spread of their means, (n_replicates, n_splits), holds the error of the sample and a
    share of the splits' own, estimated within resamples and taken out (Sun, Apley and Staum 2011,
    Operations Research 59:998-1007). Copies of a study never straddle a split, which shifts a
    resample's mean: replicates are moved to the value, and kept within the outcome's bounds.
    """
    value = _mean(splits)
    means, variance_of_mean = _means_and_their_variance(resampled)
    deviations = means - _mean(means)
    total = _mean(deviations**2)
    from_sample = max(total - _mean(variance_of_mean), 0.0)
    shrink = np.sqrt(from_sample / total) if total > 0 else 0.0
    return Estimate(
        value=value,
        replicates=np.clip(value + shrink * deviations, *bounds),
        n=n_studies,
    )


def _mean(values: np.ndarray) -> float:
    """Mean of the defined values; NaN, and no warning, where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _means_and_their_variance(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each resample's splits, and the variance of this mean; NaN from too few splits."""
    known = ~np.isnan(resampled)
    count = known.sum(axis=1)
    means = np.where(known, resampled, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)
    squares = np.where(known, resampled - means[:, None], 0.0) ** 2
    freedom = np.where(count > 1, count - 1.0, np.nan)
    return means, squares.sum(axis=1) / freedom / np.maximum(count, 1)


def selection_outcomes(validation: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Judge the choice of the model with the highest validation score.

    Scores have shape (..., n_models); models that tie for the highest share the choice. Both
    regrets include the luck of the best model.
    """
    leading = validation == validation.max(axis=-1, keepdims=True)
    share = leading / leading.sum(axis=-1, keepdims=True)
    chosen, average, best = (test * share).sum(axis=-1), test.mean(axis=-1), test.max(axis=-1)
    values = (
        chosen - average,
        best - chosen,
        best - average,
        (share * (test == best[..., None])).sum(axis=-1),  # whether the chosen is the best
        validation.max(axis=-1) - chosen,
        rank_correlation(validation, test),  # over the models; NaN where a score does not vary
    )
    return dict(zip(OUTCOMES, values, strict=True))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation along the last axis; NaN where one of the two does not vary."""
    ranks = (rankdata(values, axis=-1) for values in (first, second))
    one, other = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    scale = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        return (one * other).sum(axis=-1) / scale


def choose_on_validation(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    sizes: Sequence[int],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> SplitEstimates:
    """Choose the model with the best mean AUROC on part of the studies, and test it on the rest.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores : mapping of str to DataFrame
        Each model's scores, complete, with the same index and columns.
    sizes : sequence of int
        Studies in the validation part, rising.
    resampling : Resampling
        Its seed also draws the splits.

    Returns
    -------
    SplitEstimates
        Of `OUTCOMES`.
    """
    by_truth = choose_by_criteria(truth, scores, sizes, {"truth": truth}, resampling=resampling)
    return by_truth["truth"]


def choose_by_criteria(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    sizes: Sequence[int],
    criteria: Mapping[str, pd.DataFrame | pd.Series],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> dict[str, SplitEstimates]:
    """Choose a model by each of several criteria on the same splits, and let the truth judge.

    A criterion is a table of labels of the same studies, by which the validation part is scored;
    or one number for each model, the highest being best, such as a training loss with its sign
    changed. Optimism compares the criterion's own score with the test score.
    """
    cells, seed = sort_cells(truth, scores), resampling.seed
    sorted_by = {
        name: cells if labels is truth else sort_cells(labels, scores)
        for name, labels in criteria.items()
        if isinstance(labels, pd.DataFrame)
    }
    outcomes: dict[str, list] = {name: [] for name in criteria}
    without_class: dict[str, np.ndarray] = {}
    for weights in _sample_and_resamples(cells, resampling):
        tested = score_splits(cells, weights, sizes, seed)
        for name, criterion in criteria.items():
            if name not in sorted_by:
                fixed = criterion.loc[list(scores)].to_numpy()
                chooser, validation = tested, np.broadcast_to(fixed, tested.test.shape)
            else:
                same = sorted_by[name] is cells
                chooser = tested if same else score_splits(sorted_by[name], weights, sizes, seed)
                validation = chooser.validation
            outcomes[name].append(selection_outcomes(validation, tested.test))
            # The first pass is the sample itself.
            missing = truth.shape[1] - chooser.defined.mean(axis=(0, 2))
            without_class.setdefault(name, missing)
    return {
        name: _split_estimates(*found, sizes, without_class[name], len(truth))
        for name, found in outcomes.items()
    }


def set_thresholds(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    sizes: Sequence[int],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> SplitEstimates:
    """Set thresholds on part of the studies by each rule, and score them on the rest.

    Parameters
    ----------
    truth, scores, sizes, resampling
        As for `choose_on_validation`.

    Returns
    -------
    SplitEstimates
        Outcomes are named by `threshold_outcome`; for each metric also the difference of every
        other rule from *at the prevalence*.
    """
    cells = sort_cells(truth, scores)
    full, resampled = (
        threshold_scores(cells, weights, sizes, _THRESHOLD_SPLITS, resampling.seed)
        for weights in _sample_and_resamples(cells, resampling)
    )
    return _split_estimates(
        _threshold_outcomes(full[0]),
        _threshold_outcomes(resampled[0]),
        sizes,
        full[1].mean(axis=(0, 2)),
        len(truth),
    )


def threshold_outcome(metric: str, rule: str, minus: str | None = None) -> str:
    """Name an outcome of `set_thresholds`: a rule's score, or its difference from another rule.

    >>> threshold_outcome("f1", "at 0.5", minus="at the prevalence")
    'f1, at 0.5 - at the prevalence'
    """
    return f"{metric}, {rule}" if minus is None else f"{metric}, {rule} - {minus}"


def _central_range(values: np.ndarray) -> np.ndarray:
    """Median and limits of the central 95 % of the defined values."""
    defined = values[~np.isnan(values)]
    return np.quantile(defined, [0.5, 0.025, 0.975]) if defined.size else np.full(3, np.nan)


def _sample_and_resamples(cells: SortedCells, resampling: Resampling):
    n = cells.positive.shape[1]
    yield np.ones((_FULL_RESAMPLES, n), np.uint8)
    yield resampling.drawn_rows(n)


def _threshold_outcomes(scores: np.ndarray) -> dict[str, np.ndarray]:
    outcomes = {}
    reference = RULES[-1]
    for j, metric in enumerate(THRESHOLD_METRICS):
        by_rule = {rule: scores[..., i, j] for i, rule in enumerate(RULES)}
        outcomes |= {threshold_outcome(metric, rule): by_rule[rule] for rule in RULES}
        outcomes |= {
            threshold_outcome(metric, rule, reference): by_rule[rule] - by_rule[reference]
            for rule in RULES[:-1]
        }
    return outcomes


def _split_estimates(full, resampled, sizes, without_class, n_studies: int) -> SplitEstimates:
    estimates, spread = {}, []
    for k, size in enumerate(sizes):
        for outcome, values in full.items():
            single = values[:, k].ravel()
            estimates[size, outcome] = nested_estimate(
                single, resampled[outcome][:, k], n_studies, _BOUNDS.get(outcome, _UNBOUNDED)
            )
            spread.append((size, outcome, *_central_range(single)))
    return SplitEstimates(
        estimates=estimates,
        spread=pd.DataFrame(spread, columns=["size", "outcome", "median", "low", "high"]),
        without_class=pd.Series(without_class, index=pd.Index(sizes, name="size")),
    )
