"""What image supervision is worth in expert labels: F1 by number of labeled studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import Estimate, Resampling, count_metric
from cxrstudy.agreement.result import LIMITS
from cxrstudy.observations import POSITIVE, UNCERTAIN
from cxrstudy.studies.visualchexbert import mappings
from cxrstudy.studies.visualchexbert.label_space import MEAN_RANK, Cohort

METHODS = ("zero_one", "logreg", "image_threshold", "image_regression")
SPLITS_OF_SAMPLE, SPLITS_OF_RESAMPLE = 500, 8
# Splits that are held in memory at one time.
_CHUNK = 250


@dataclass(frozen=True, eq=False)
class LabelCurves:
    """Mean F1 on the other studies, by method and number of labeled studies."""

    scores: Mapping[tuple[str, int], Estimate]
    # Of each image-supervised method, minus "logreg" on the same splits.
    differences: Mapping[tuple[str, int], Estimate]

    def table(self) -> pd.DataFrame:
        """Tabulate F1: columns method, size and the estimate's."""
        return _tidy(self.scores)

    def gains(self) -> pd.DataFrame:
        """Tabulate the differences from the mapping that experts supervise."""
        return _tidy(self.differences)

    def worth(self, method: str, size: int) -> pd.Series:
        """Say how many labels the mapping that experts supervise needs to do as well.

        Read off its curve on a logarithmic axis, in each resample too. Infinite where the curve
        does not get there: more labels than there are.
        """
        sizes = sorted({number for _, number in self.scores})
        curve = [self.scores["logreg", number] for number in sizes]
        goal = self.scores[method, size]
        value = _reach(sizes, np.array([[each.value for each in curve]]), np.array([goal.value]))[0]
        drawn = np.stack([each.replicates for each in curve], axis=1)
        reached = _reach(sizes, drawn, goal.replicates)
        low, high = np.quantile(reached, [0.025, 0.975], method="nearest")
        return pd.Series([method, size, value, low, high], ["method", "size", *LIMITS])

    def worth_table(self) -> pd.DataFrame:
        """Tabulate `worth` of every image-supervised method and size."""
        return pd.DataFrame([self.worth(*key) for key in self.differences]).reset_index(drop=True)


def label_curves(cohort: Cohort, sizes: Sequence[int], resampling: Resampling) -> LabelCurves:
    """Fit every mapping on part of the expert labels and score it on the other studies.

    Parameters
    ----------
    cohort : Cohort
    sizes : sequence of int
        Studies with expert labels, rising.
    resampling : Resampling
        Each resample of the studies is split anew; copies of a study stay on one side. Its seed
        also draws the splits.

    Returns
    -------
    LabelCurves
        The image model's scores are known for all studies; the student that scores a study saw no
        copy of it. Where the labeled part lacks a class, learned mappings call nobody positive.
    """
    n = len(cohort.truth)
    rising = list(sizes) == sorted(set(sizes)) and min(sizes) > 0 and max(sizes) < n
    if not rising:
        raise ValueError(f"sizes must rise and stay below the {n} studies; got {list(sizes)}")
    rng = np.random.default_rng(resampling.seed)
    ones = np.ones((SPLITS_OF_SAMPLE, n))
    drawn = np.repeat(resampling.drawn_rows(n).astype(np.float64), SPLITS_OF_RESAMPLE, axis=0)
    sample, resampled = (_split_scores(cohort, weights, sizes, rng) for weights in (ones, drawn))
    resampled = resampled.reshape(-1, SPLITS_OF_RESAMPLE, *resampled.shape[1:])

    def estimate(select) -> Estimate:
        # The mean of a few splits keeps some of their luck: the interval is rather too wide.
        value, drawn = select(sample).mean(), select(resampled).mean(axis=1)
        return Estimate(float(value), drawn - drawn.mean() + value, n)

    scores, differences = {}, {}
    for m, method in enumerate(METHODS):
        for k, size in enumerate(sizes):
            scores[method, size] = estimate(lambda f1, m=m, k=k: f1[..., k, m])
            if method.startswith("image"):
                differences[method, size] = estimate(
                    lambda f1, m=m, k=k: f1[..., k, m] - f1[..., k, METHODS.index("logreg")]
                )
    return LabelCurves(scores, differences)


def meeting_in_words(gains: pd.DataFrame, method: str) -> str:
    """Say up to how many expert labels an image-supervised method is clearly ahead."""
    part = gains[gains["method"] == method].sort_values("size")
    ahead = part.loc[part["low"] > 0, "size"]
    if ahead.empty:
        return "at no number of labels is it clearly ahead"
    last = int(ahead.max())
    return f"it is clearly ahead with up to {last} labels" + (
        "" if last < part["size"].max() else ", the most that were tried"
    )


def _split_scores(
    cohort: Cohort, weights: NDArray, sizes: Sequence[int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Score `METHODS` on the unlabeled part of a split of each row of weights.

    Returns mean F1, (n_splits, n_sizes, n_methods). A larger labeled part contains the smaller.
    """
    parts = np.array_split(weights, -(-len(weights) // _CHUNK))
    return np.concatenate([_score_part(cohort, part, sizes, rng) for part in parts])


def _score_part(
    cohort: Cohort, weights: NDArray, sizes: Sequence[int], rng: np.random.Generator
) -> NDArray[np.float64]:
    design, teacher = cohort.design, cohort.teachers[MEAN_RANK]
    outputs = mappings.left_out_students(design, teacher.to_numpy(), weights)
    inputs = mappings.with_intercept(outputs)
    order = rng.random(weights.shape).argsort(axis=1)
    before = np.empty_like(weights)
    in_order = np.take_along_axis(weights, order, axis=1)
    np.put_along_axis(before, order, in_order.cumsum(axis=1) - in_order, axis=1)
    f1 = np.empty((len(weights), len(sizes), len(METHODS), cohort.truth.shape[1]))
    for s, size in enumerate(sizes):
        labeled = weights * (before < size)
        rest = weights - labeled
        for k, name in enumerate(cohort.truth):
            truth = cohort.truth[name].to_numpy(np.float64)
            own = outputs[:, :, teacher.columns.get_loc(name)]
            threshold = mappings.youden_thresholds(own, truth, labeled)
            beta = mappings.fit_regressions(inputs, truth, labeled)
            classes = (
                _zero_one_classes(cohort.labels[name], truth, labeled),
                mappings.regression_classes(
                    design, mappings.fit_regressions(design, truth, labeled)
                ),
                own >= threshold[:, None],
                mappings.regression_classes(inputs, beta),
            )
            for m, called in enumerate(classes):
                f1[:, s, m, k] = _f1(called, truth, rest)
    return f1.mean(axis=-1)


def _zero_one_classes(codes: pd.Series, truth: NDArray, labeled: NDArray) -> NDArray[np.bool_]:
    """Call studies by the policy with the higher F1 on the labeled part."""
    zeros, ones = ((codes.isin(part)).to_numpy() for part in ([POSITIVE], [POSITIVE, UNCERTAIN]))
    better = _f1(ones[None], truth, labeled) > _f1(zeros[None], truth, labeled)
    return np.where(better[:, None], ones, zeros)


def _f1(called: NDArray, truth: NDArray, weights: NDArray) -> NDArray[np.float64]:
    predicted = weights * called
    counts = weights.sum(axis=1), weights @ truth, predicted.sum(axis=1), predicted @ truth
    return count_metric("f1", *counts, undefined="zero")


def _reach(sizes: Sequence[int], curves: NDArray, goals: NDArray) -> NDArray[np.float64]:
    """Find where each curve first reaches its goal, between sizes on a logarithmic axis."""
    logs = np.log(sizes)
    found = np.full(len(curves), np.inf)
    for row, (curve, goal) in enumerate(zip(curves, goals, strict=True)):
        at = np.flatnonzero(curve >= goal)
        if at.size and at[0] == 0:
            found[row] = sizes[0]
        elif at.size:
            last, first = at[0] - 1, at[0]
            share = (goal - curve[last]) / (curve[first] - curve[last])
            found[row] = np.exp(logs[last] + share * (logs[first] - logs[last]))
    return found


def _tidy(estimates: Mapping[tuple[str, int], Estimate]) -> pd.DataFrame:
    rows = [
        {"method": method, "size": size} | estimate.row()
        for (method, size), estimate in estimates.items()
    ]
    return pd.DataFrame(rows, columns=["method", "size", *LIMITS, "n"])
