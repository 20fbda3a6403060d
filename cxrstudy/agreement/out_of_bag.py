"""Intervals for learned mappings: refitted in every replicate, never scored on what they saw.

Why cross-fitting inside each replicate
---------------------------------------
A mapping learned on the very rows that judge it looks too good, and a bootstrap that keeps the
fitted mapping hides how much it would change with other rows.  Refitting on each resample and
scoring the rows left out of it mends both, but scores only ``exp(-1) = 0.368`` of the rows: such
replicates scatter about ``1 / sqrt(0.368) = 1.6`` times too widely, and their percentiles cover
far more than they claim.

Here each resample is treated as the sample was.  The sample's estimate is a cross-fitted one:
studies are dealt into folds, and each fold is predicted by a mapping fitted on the others.  In a
replicate the *drawn* studies are dealt anew and every draw is predicted by a mapping fitted
without its fold; all copies of a study share a fold, so no mapping sees a study that it is scored
on, and all ``n`` draws are scored.  A resample holds fewer distinct studies than the sample, so
its mappings are a little worse; that offset is bootstrap bias, estimated by the mean of the
replicates, and the replicates are shifted to the estimate before quantiles are taken.  BCa's
acceleration comes from leaving one study out of the sample's cross-fitted predictions.

The interval is for the expected performance of the learning procedure at this sample size.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from .compare import agree
from .counts import evaluate_weighted
from .inputs import read_cells
from .metrics import COUNT_METRICS
from .philox import as_key
from .result import MACRO_AVERAGE, WEIGHTED_AVERAGE, Agreement, Estimate
from .units import ResamplingUnits, resampling_units, unit_multiplicities

FitPredict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``fit_predict(train_weights, score_rows)``: fit on rows with weights (float64, shape
(n_rows,), 0 for rows not to be seen) and return 0, 1 or NaN for ``score_rows`` (int64
positions), shape (len(score_rows), n_observations)."""

_SAMPLE = 0


def _folds(units: ResamplingUnits, drawn: np.ndarray, n_folds: int, seed: int, stream: int):
    """Deal the drawn units into folds; return the fold of every row, -1 where not drawn."""
    members = np.flatnonzero(drawn)
    if members.size < 2:
        raise ValueError("cross-fitting needs at least two studies in every resample")
    fold = np.full(units.n_units, -1)
    dealt = np.random.default_rng([seed, stream]).permutation(members)
    fold[dealt] = np.arange(members.size) % n_folds
    return fold[units.unit_of_row]


def _cross_fit(learners, row_weights, fold_of_row, shape) -> np.ndarray:
    """Predict every drawn row by mappings fitted without its fold."""
    predicted = np.full((len(learners), *shape), np.nan)
    for fold in range(fold_of_row.max() + 1):
        score_rows = np.flatnonzero(fold_of_row == fold)
        train_weights = np.where(fold_of_row == fold, 0.0, row_weights)
        for i, fit_predict in enumerate(learners.values()):
            predicted[i, score_rows] = fit_predict(train_weights, score_rows)
    return predicted


def agree_out_of_bag(
    truth: pd.DataFrame,
    learners: Mapping[str, FitPredict],
    predictions: Mapping[str, pd.DataFrame] | None = None,
    *,
    n_folds: int = 10,
    metrics: Sequence[str] = ("f1", "kappa"),
    contrasts: Sequence[tuple[str, str]] = (),
    averages_over: Sequence[str] | None = None,
    clusters=None,
    strata=None,
    sampling_weights=None,
    n_bootstrap: int = 1_000,
    seed: int = 0,
    undefined: str = "drop",
    min_events: int = 10,
) -> Agreement:
    """Compare learned mappings with a truth, refitting them in every bootstrap replicate.

    Parameters
    ----------
    truth : pandas.DataFrame of shape (n_rows, n_observations)
        0, 1 or missing.
    learners : mapping of str to callable
        Per method ``fit_predict(train_weights, score_rows)``, see `FitPredict`.
    predictions : mapping of str to pandas.DataFrame, optional
        Fixed methods, resampled alike, so that contrasts with a learner are paired.
    n_folds : int, default 10
        Folds of studies; the number of studies makes it leave-one-study-out.
    metrics : sequence of str, default ("f1", "kappa")
        Names from `COUNT_METRICS`.
    contrasts, averages_over, clusters, strata, sampling_weights, n_bootstrap, seed, undefined, \
min_events
        As in `agree`.  Clusters are the studies or patients that never straddle a fold.

    Returns
    -------
    Agreement
        Learned methods' values are cross-fitted; their replicates are refitted and centred.

    Raises
    ------
    ValueError
        If a metric is not a count metric, a name is used twice, or as in `agree`.
    """
    fixed = dict(predictions or {})
    _check_learners(learners, fixed, metrics, n_folds)
    units = resampling_units(len(truth), clusters, strata)
    scale = np.ones(len(truth)) if sampling_weights is None else np.asarray(sampling_weights, float)
    labels = truth.to_numpy(np.float64, na_value=np.nan)

    def cross_fit(drawn: np.ndarray, stream: int) -> tuple[np.ndarray, np.ndarray]:
        row_weights = scale * drawn[units.unit_of_row]
        fold_of_row = _folds(units, drawn, n_folds, seed, stream)
        return _cross_fit(learners, row_weights, fold_of_row, labels.shape), row_weights

    sample, _ = cross_fit(np.ones(units.n_units), _SAMPLE)
    tables = {
        name: pd.DataFrame(values, truth.index, truth.columns)
        for name, values in zip(learners, sample, strict=True)
    }
    conditional = agree(
        truth,
        fixed | tables,
        metrics=metrics,
        contrasts=contrasts,
        averages_over=averages_over,
        clusters=clusters,
        strata=strata,
        sampling_weights=sampling_weights,
        n_bootstrap=n_bootstrap,
        seed=seed,
        undefined=undefined,
        min_events=min_events,
    )
    cells = read_cells(truth, fixed | tables, averages_over, sampling_weights, min_events)
    codes = np.array([COUNT_METRICS.index(metric) for metric in metrics])
    values = [
        evaluate_weighted(
            labels, *cross_fit(drawn, replicate + 1), codes, cells.averaged, undefined == "zero"
        )
        for replicate, drawn in enumerate(unit_multiplicities(units, n_bootstrap, as_key(seed)))
    ]
    refitted = _by_key(np.stack(values, axis=-1), metrics, tuple(learners), cells.observations)
    estimates = conditional.estimates | {
        key: _recentred(conditional.estimates[key], replicates)
        for key, replicates in refitted.items()
    }
    return replace(conditional, estimates=estimates)


def _check_learners(learners, fixed, metrics, n_folds: int) -> None:
    others = set(metrics) - set(COUNT_METRICS)
    if others:
        raise ValueError(f"learned mappings give 0/1 labels: {sorted(others)} need scores")
    twice = set(learners) & set(fixed)
    if twice or not learners:
        raise ValueError(f"learners must be named, and not like fixed methods: {sorted(twice)}")
    if n_folds < 2:
        raise ValueError(f"cross-fitting needs at least two folds, got {n_folds}")


def _by_key(values: np.ndarray, metrics, methods, observations) -> dict:
    """Name arrays indexed (metric, method, observation or average, replicate)."""
    names = (*observations, MACRO_AVERAGE, WEIGHTED_AVERAGE)
    return {
        (method, observation, metric): values[a, m, o]
        for a, metric in enumerate(metrics)
        for m, method in enumerate(methods)
        for o, observation in enumerate(names)
    }


def _recentred(estimate: Estimate, replicates: np.ndarray) -> Estimate:
    """Give an estimate refitted replicates, shifted so that their mean is its value."""
    undefined = int(np.isnan(replicates).sum())
    resolved = np.where(np.isnan(replicates), estimate.undefined_as, replicates)
    known = resolved[~np.isnan(resolved)]
    offset = estimate.value - known.mean() if known.size else 0.0
    return replace(estimate, replicates=resolved + offset, undefined=undefined)
