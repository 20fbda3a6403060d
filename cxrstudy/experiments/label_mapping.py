"""Map a report labeler's codes to image labels: Zero-One against logistic regression.

Both baselines of VisualCheXbert's Table 4 choose something on the test set itself: Zero-One
chooses a policy for each observation, the regression learns weights. Their difference is
therefore resampled with every choice made anew: in each replicate the policy is re-chosen and
the regression refitted, and every study is scored by a choice made without any copy of it.

References
----------
Jain et al. 2021, sections 4.4.1 and 4.5.1, Table 4. Leaving a study out of a ridge-penalised
regression by one Newton step: Rad and Maleki 2020, "A scalable estimate of the out-of-sample
prediction error via approximate leave-one-out cross-validation".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import (
    DEFAULT_RESAMPLING,
    MACRO_AVERAGE,
    WEIGHTED_AVERAGE,
    Estimate,
    Resampling,
    count_metric,
)
from cxrstudy.agreement.result import LIMITS
from cxrstudy.compiled import numba
from cxrstudy.experiments import one_hot_logistic
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

METHODS: tuple[str, str] = ("zero_one", "logreg")
"""The two mappings, in the column order of Table 4."""

DIFFERENCE = "logreg - zero_one"
"""Name of the paired difference among a comparison's methods."""

CONTRASTS = (("logreg", "zero_one"),)

METRICS = ("f1", "kappa", "mcc")


@dataclass(frozen=True)
class MappingComparison:
    """Scores of both mappings and of their paired difference, with intervals."""

    # By method (`METHODS` and `DIFFERENCE`), observation (and both averages) and metric.
    scores: dict[tuple[str, str, str], Estimate]

    def intervals(self, metrics: tuple[str, ...] = METRICS) -> pd.DataFrame:
        """Tabulate scores and differences with percentile intervals, one row each."""
        rows = [
            {"observation": observation, "method": method, "metric": metric} | estimate.row()
            for (method, observation, metric), estimate in self.scores.items()
            if metric in metrics
        ]
        return pd.DataFrame(rows, columns=["observation", "method", "metric", *LIMITS])

    def average_gains(self) -> tuple[Estimate, Estimate]:
        """Return the average difference of the mappings in F1 and in kappa."""
        f1, kappa = (self.scores[DIFFERENCE, MACRO_AVERAGE, metric] for metric in ("f1", "kappa"))
        return f1, kappa

    def table4(self) -> pd.DataFrame:
        """Lay F1 out as VisualCheXbert's Table 4: observation by zero_one and logreg."""
        scores = self.intervals(("f1",)).query("method in @METHODS")
        wide = scores.pivot(index="observation", columns="method", values="estimate")
        order = list(dict.fromkeys(scores["observation"]))
        return wide.loc[order, list(METHODS)].rename_axis(columns=None)


def one_hot_codes(labels: pd.DataFrame) -> pd.DataFrame:
    """Spread codes over positive, negative and uncertain columns; a blank has none.

    >>> one_hot_codes(pd.DataFrame({"Edema": [1, -1, None]})).astype(int)
       Edema positive  Edema negative  Edema uncertain
    0               1               0                0
    1               0               0                1
    2               0               0                0
    """
    words = {"positive": POSITIVE, "negative": NEGATIVE, "uncertain": UNCERTAIN}
    return pd.DataFrame(
        {f"{name} {word}": labels[name] == code for name in labels for word, code in words.items()},
        index=labels.index,
    )


def compare_mappings(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    resampling: Resampling = DEFAULT_RESAMPLING,
    penalty: float = 1.0,
) -> MappingComparison:
    """Score Zero-One and leave-one-out regression on the same studies, with intervals.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_scored)
        Image labels 1 and 0 of the observations to score; both classes in every column.
    labels : DataFrame, shape (n_studies, n_observations)
        The labeler's codes 1, 0, -1 and NaN; every observation is an input of the regression.
    resampling : Resampling
    penalty : float
        scikit-learn's C; the intercept is not penalised, the classes are balanced.

    Returns
    -------
    MappingComparison
        The point values use the paper's procedures: Zero-One's policy chosen on all studies,
        exact leave-one-out for the regression. Replicates are centred at the point value: a
        resample holds only 63 % of the studies, so whatever is learned on it is worse by
        construction, and that part of the shift says nothing about the data.

    Raises
    ------
    ValueError
        If the tables differ in studies, or a column of `truth` is not 1 and 0 in both classes.
    """
    _check_tables(truth, labels)
    active = one_hot_logistic.active_columns(one_hot_codes(labels).to_numpy())
    image = truth.to_numpy(np.int8).T.copy()
    report = labels[truth.columns]
    zeros = (report == POSITIVE).to_numpy(np.int8).T.copy()
    ones = report.isin([POSITIVE, UNCERTAIN]).to_numpy(np.int8).T.copy()
    everyone = np.ones(len(truth))
    start = np.zeros((len(image), 3 * labels.shape[1] + 1))
    for k, y in enumerate(image):
        start[k] = one_hot_logistic.fit(active, y, everyone, penalty, start[k])[0]
    left_out = [
        one_hot_logistic.leave_one_out_classes(active, y, penalty, start[k])
        for k, y in enumerate(image)
    ]
    chosen = np.where(_ones_is_better(zeros, ones, image)[:, None], ones, zeros)
    point = np.stack([_counts(image, classes) for classes in (chosen, np.stack(left_out))])
    weights = resampling.drawn_rows(len(truth))
    replicates = _count_replicates(weights, active, image, zeros, ones, penalty, start)
    scores = mapping_estimates(METHODS, point, replicates, truth, resampling, CONTRASTS)
    return MappingComparison(scores)


def _check_tables(truth: pd.DataFrame, labels: pd.DataFrame) -> None:
    if not truth.index.equals(labels.index):
        raise ValueError("truth and labels must hold the same studies in the same order")
    for name in truth:
        if set(truth[name].unique()) != {0, 1}:
            raise ValueError(f"truth of {name!r} must hold both 1 and 0 and nothing else")


def _counts(image: NDArray, classes: NDArray) -> NDArray:
    """Count studies, positives, predicted positives and true positives of each observation."""
    n = np.full(len(image), image.shape[1])
    return np.stack([n, image.sum(1), classes.sum(1), (image & classes).sum(1)], axis=-1)


def _ones_is_better(zeros: NDArray, ones: NDArray, image: NDArray) -> NDArray[np.bool_]:
    f1 = [count_metric("f1", *_counts(image, classes).T, "zero") for classes in (zeros, ones)]
    return f1[1] > f1[0]


@numba.njit(cache=True)
def _left_out_policy_classes(zeros, ones, y, weight):
    """Label each study by the policy that is better on all other studies."""
    true_zeros, predicted_zeros, true_ones, predicted_ones, positives = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(y.size):
        positives += weight[i] * y[i]
        predicted_zeros += weight[i] * zeros[i]
        predicted_ones += weight[i] * ones[i]
        true_zeros += weight[i] * (zeros[i] & y[i])
        true_ones += weight[i] * (ones[i] & y[i])
    classes = np.empty(y.size, dtype=np.int8)
    for i in range(y.size):
        w = weight[i]
        # F1 of ones > F1 of zeros, with the common factor 2 dropped and no division.
        others = positives - w * y[i]
        gain_ones = (true_ones - w * (ones[i] & y[i])) * (others + predicted_zeros - w * zeros[i])
        gain_zeros = (true_zeros - w * (zeros[i] & y[i])) * (others + predicted_ones - w * ones[i])
        classes[i] = ones[i] if gain_ones > gain_zeros else zeros[i]
    return classes


@numba.njit(cache=True, parallel=True)
def _count_replicates(weights, active, image, zeros, ones, penalty, start):
    """Refit, re-choose and count; int64 [replicate, method, observation, (n, p, q, tp)]."""
    n_observations, n = image.shape
    counts = np.zeros((len(weights), 2, n_observations, 4), dtype=np.int64)
    for b in numba.prange(len(weights)):
        weight = weights[b].astype(np.float64)
        for k in range(n_observations):
            y = image[k]
            beta, hessian, balanced = one_hot_logistic.fit(active, y, weight, penalty, start[k])
            logreg = one_hot_logistic.left_out_classes(
                active, y, weight, beta, hessian, balanced, penalty
            )
            zero_one = _left_out_policy_classes(zeros[k], ones[k], y, weight)
            for i in range(n):
                w = weights[b, i]
                for method, label in enumerate((zero_one[i], logreg[i])):
                    counts[b, method, k, 0] += w
                    counts[b, method, k, 1] += w * y[i]
                    counts[b, method, k, 2] += w * label
                    counts[b, method, k, 3] += w * (y[i] & label)
    return counts


def mapping_estimates(
    methods: Sequence[str],
    point: NDArray,
    replicates: NDArray,
    truth: pd.DataFrame,
    resampling: Resampling,
    contrasts: Sequence[tuple[str, str]] = (),
) -> dict[tuple[str, str, str], Estimate]:
    """Turn counts into metrics and averages; replicates are centred at the point value.

    Counts are studies, positives, predicted and true positives, (methods, observations, 4), and of
    replicates (replicates, methods, observations, 4). A contrast ("a", "b") adds method "a - b".
    Estimates of the same studies and resamples can be subtracted.
    """
    names = [*truth.columns, MACRO_AVERAGE, WEIGHTED_AVERAGE]
    positives = [*truth.sum(), truth.sum().sum(), truth.sum().sum()]
    scores = {}
    for metric in METRICS:
        values, drawn = (
            _with_averages(count_metric(metric, *np.moveaxis(counts, -1, 0)), counts[..., 1])
            for counts in (point, replicates)
        )
        for k, name in enumerate(names):
            for m, method in enumerate(methods):
                scores[method, name, metric] = Estimate(
                    value=float(values[m, k]),
                    replicates=drawn[:, m, k] - np.nanmean(drawn[:, m, k]) + values[m, k],
                    n=int(truth[name].count()) if name in truth else len(truth),
                    positives=int(positives[k]),
                    resample_key=("mapping", resampling.seed, len(truth), len(drawn)),
                )
            for first, second in contrasts:
                scores[f"{first} - {second}", name, metric] = (
                    scores[first, name, metric] - scores[second, name, metric]
                )
    return scores


def _with_averages(values: NDArray, positives: NDArray) -> NDArray:
    """Append the plain mean and the mean weighted by positives along the last axis."""
    plain = values.mean(axis=-1, keepdims=True)
    weighted = (values * positives).sum(axis=-1, keepdims=True) / positives.sum(
        axis=-1, keepdims=True
    )
    return np.concatenate([values, plain, weighted], axis=-1)
