"""ROC curves of several models, and the readers' operating points beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.intervals import bca_interval
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import Agreement, Estimate
from cxrstudy.compiled import numba

_TOLERANCE = 1e-9


@numba.njit(cache=True, error_model="numpy")
def _sensitivity_at(rows, closes, positive, weights, targets, fp, tp, out):
    """Add one curve's sensitivity at each target to ``out``.

    ``rows`` fall in score and ``closes`` marks the last row of each tie. A target between two
    thresholds lies on the line that joins them; at a vertical step the curve takes its upper end.
    """
    steps = 0
    found = missed = fp[0] = tp[0] = 0.0
    for i in range(rows.size):
        weight = float(weights[rows[i]])
        if positive[rows[i]]:
            found += weight
        else:
            missed += weight
        if closes[i]:
            steps += 1
            fp[steps] = missed
            tp[steps] = found
    at = targets * missed + _TOLERANCE
    out += np.interp(at, fp[: steps + 1], tp[: steps + 1]) / found


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _mean_sensitivity_kernel(rows, closes, positive, weights, targets, out):
    n_models, n_rows = rows.shape
    for replicate in numba.prange(weights.shape[0]):
        fp, tp = np.empty(n_rows + 1), np.empty(n_rows + 1)
        for model in range(n_models):
            _sensitivity_at(
                rows[model], closes[model], positive, weights[replicate], targets[replicate],
                fp, tp, out[replicate],
            )  # fmt: skip
        out[replicate] /= n_models


def mean_sensitivity(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Mean sensitivity of several models at given false-positive rates, for each set of weights.

    ``scores`` are (n_models, n_rows) and complete; ``weights`` (n_resamples, n_rows) say how often
    each row counts; ``targets`` (n_resamples, n_targets) are false-positive rates.  The result has
    the shape of ``targets`` and is NaN where a resample has no positive or no negative.
    """
    rows = np.argsort(-scores, axis=1, kind="stable")
    falling = np.take_along_axis(scores, rows, axis=1)
    closes = np.ones(rows.shape, bool)
    closes[:, :-1] = falling[:, :-1] != falling[:, 1:]
    out = np.zeros(targets.shape)
    _mean_sensitivity_kernel(rows, closes, positive, weights, targets, out)
    drawn = weights.astype(float)
    one_class = np.minimum(drawn @ positive, drawn @ ~positive) == 0
    out[one_class] = np.nan
    return out


def mean_roc(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    *,
    rates: Sequence[float] = tuple(np.linspace(0, 1, 51)),
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Average the models' ROC curves at fixed false-positive rates, with pointwise intervals.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores : mapping of str to DataFrame
        Each model's scores, complete, with the same index and columns.
    rates : sequence of float
        False-positive rates.
    resampling : Resampling
        Also groups and weights of the studies.

    Returns
    -------
    DataFrame
        Columns observation, false_positive_rate, estimate (mean sensitivity), low, high and n.
    """
    weights = _weights(len(truth), resampling)
    strata = resampling.units(len(truth)).stratum_sizes
    targets = np.broadcast_to(np.asarray(rates, float), (len(weights), len(rates)))
    parts = []
    for observation in truth:
        values = mean_sensitivity(*_arrays(truth, scores, observation), weights, targets)
        full, replicates, jackknife = _split(values, resampling.replicates)
        low, high = bca_interval(full, replicates.T, jackknife.T, stratum_sizes=strata)
        parts.append(
            pd.DataFrame(
                {"observation": observation, "false_positive_rate": rates, "estimate": full,
                 "low": low, "high": high, "n": len(truth)}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def rater_points(
    truth: pd.DataFrame,
    raters: Mapping[str, pd.DataFrame],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Place raters who answer yes or no on the ROC plane.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1.
    raters : mapping of str to DataFrame
        Each rater's 0 and 1.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns rater, observation, false_positive_rate and sensitivity, both with ``_low`` and
        ``_high``, and n.
    """
    found = _rates(truth, raters, resampling)
    rows = []
    for rater in raters:
        for observation in truth:
            specificity = found.estimate(rater, observation, "specificity")
            sensitivity = found.estimate(rater, observation, "recall")
            low, high = specificity.interval()
            rows.append(
                (rater, observation, 1 - specificity.value, 1 - high, 1 - low,
                 sensitivity.value, *sensitivity.interval(), sensitivity.n)
            )  # fmt: skip
    rate, hit = "false_positive_rate", "sensitivity"
    names = ["rater", "observation", rate, f"{rate}_low", f"{rate}_high"]
    return pd.DataFrame(rows, columns=[*names, hit, f"{hit}_low", f"{hit}_high", "n"])


def sensitivity_beyond_raters(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    raters: Mapping[str, pd.DataFrame],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Mean sensitivity of the models at each rater's false-positive rate, minus the rater's own.

    Rater and models see the same resamples; the rater's false-positive rate moves with them.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores, raters : mapping of str to DataFrame
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns rater, observation, estimate, low, high, n and positives.
    """
    found = _rates(truth, raters, resampling)
    weights = _weights(len(truth), resampling)
    rows = []
    for observation in truth:
        specificities = [found.estimate(rater, observation, "specificity") for rater in raters]
        targets = np.column_stack([1 - _joined(specificity) for specificity in specificities])
        arrays = _arrays(truth, scores, observation)
        values = mean_sensitivity(*arrays, weights, np.nan_to_num(targets))
        for rater, models in zip(raters, values.T, strict=True):
            own = found.estimate(rater, observation, "recall")
            beyond = Estimate.like(own, *_split(models, resampling.replicates)) - own
            rows.append({"rater": rater, "observation": observation} | beyond.row())
    return pd.DataFrame(rows)


def _rates(truth, raters, resampling: Resampling) -> Agreement:
    return agree(truth, raters, metrics=("recall", "specificity"), resampling=resampling)


def _arrays(truth, scores, observation: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([table[observation].to_numpy(float) for table in scores.values()])
    return truth[observation].to_numpy() == 1, values


def _weights(n: int, resampling: Resampling) -> np.ndarray:
    """Weights of the rows in the sample, in each resample, and without each unit in turn."""
    units = resampling.units(n)
    ones = np.ones((1, units.n_units), np.uint8)
    left_out = 1 - np.eye(units.n_units, dtype=np.uint8)
    counts = np.concatenate([ones, resampling.drawn(n), left_out])[:, units.unit_of_row]
    row_weights = resampling.row_weights(n)
    return counts if row_weights is None else counts * row_weights


def _split(values: np.ndarray, n_replicates: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return values[0], values[1 : n_replicates + 1], values[n_replicates + 1 :]


def _joined(estimate: Estimate) -> np.ndarray:
    return np.concatenate([[estimate.value], estimate.replicates, estimate.jackknife])
