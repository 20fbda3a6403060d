"""Text-mined labels of real images, an image model of the same images, and experts who read them.

Everything is held out by patient: the image model, its students, thresholds and regressions. A
student learns from all images of the block, which needs no expert; the rest is set and scored
within view on those that experts read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import NIH_FINDINGS
from cxrstudy.experiments.cross_fitting import FIXED_INVERSE_PENALTY
from cxrstudy.experiments.image_labels import (
    LUNG_OPACITY,
    lung_opacity_labels,
    text_mined_targets,
)
from cxrstudy.experiments.label_mapping import mapping_estimates
from cxrstudy.experiments.opacity_scores import (
    POOLED,
    VIEWS,
    ranks_within,
    rsna_sampling_weights,
)
from cxrstudy.studies.visualchexbert import mappings
from cxrstudy.vision.probes import cross_fit

METHODS = ("report_label", "logreg", "image_threshold", "image_regression", "image_model")
GAINS = (
    ("image_regression", "report_label"),
    ("image_regression", "logreg"),
    ("image_threshold", "report_label"),
)

CLAIMS: Mapping[str, str] = {
    "visualchexbert.nih_image_supervision": "image_regression - report_label",
    "visualchexbert.nih_beats_expert_supervision": "image_regression - logreg",
}
"""Claim to the difference that decides it, averaged over the views."""

TEACHER_FOLDS, STUDENT_FOLDS = 5, 5
_CHUNK = 100


def teacher_ranks(image_set: ImageSet, features: NDArray) -> pd.DataFrame:
    """Train linear heads on frozen features by report labels, and rank all images out of fold.

    Returns
    -------
    DataFrame, shape (n_images, n_findings)
        Percentile among the images of the same fold, for every finding that is common enough.
    """
    return ranks_of_heads(image_set, features, text_mined_targets(image_set.labels["nlp"]))


def ranks_of_heads(image_set: ImageSet, features: NDArray, targets: pd.DataFrame) -> pd.DataFrame:
    """Do what `teacher_ranks` does with any labels of the images.

    Parameters
    ----------
    image_set : ImageSet
    features : ndarray, shape (n_images, n_features)
    targets : DataFrame, shape (n_images, n_findings)

    Returns
    -------
    DataFrame, shape (n_images, n_findings)
    """
    folds = image_set.folds(TEACHER_FOLDS)
    fitted = cross_fit(features, targets.to_numpy(), folds, FIXED_INVERSE_PENALTY, tolerance=1e-4)
    return pd.DataFrame(ranks_within(folds, fitted.logits.T).T, targets.index, targets.columns)


def block_scores(
    image_set: ImageSet,
    teacher: pd.DataFrame,
    resampling: Resampling,
    experts: str = "rsna",
    *,
    weighted: bool = False,
) -> dict[tuple[str, str, str], Estimate]:
    """Score report labels and every mapping of them against experts, drawing whole patients.

    Parameters
    ----------
    image_set : ImageSet
    teacher : DataFrame
        As `teacher_ranks` returns it.
    resampling : Resampling
    experts : {"rsna", "google"}
        RSNA's by view, and the mean of both views; Google's, who read few, over all images.
    weighted : bool
        Weight each image that RSNA drew by the number of NIH images that it stands for.

    Returns
    -------
    dict of (str, str, str) to Estimate
        By method (or difference, of `GAINS`), view (or average) and metric. In each resample
        everything but the image model is fitted anew; replicates are centred at the point value.
    """
    labels = lung_opacity_labels(image_set, experts)
    views = VIEWS if experts == "rsna" else (POOLED,)
    scale = rsna_sampling_weights(labels.index) if weighted else np.ones(len(labels))
    truth = pd.DataFrame(
        {
            view: labels["expert"].where((labels["view"] == view) | (view == POOLED))
            for view in views
        }
    )
    problem = _Problem(
        codes=mappings.with_intercept(image_set.labels["nlp"][list(NIH_FINDINGS)].to_numpy()),
        teacher=teacher.to_numpy(),
        opacity=teacher.columns.get_loc(LUNG_OPACITY),
        folds=image_set.folds(STUDENT_FOLDS, "students"),
        rows=image_set.images.index.get_indexer(labels.index),
        truth=truth.to_numpy(np.float64),
        report=labels["report"].to_numpy() == 1,
        scale=scale / scale.mean(),
    )
    by_patient = resampling.of(clusters=image_set.images["patient"])
    units, drawn = by_patient.units(len(image_set)), by_patient.drawn(len(image_set))
    parts = np.array_split(drawn, -(-len(drawn) // _CHUNK))
    replicates = np.concatenate([problem.counts(part[:, units.unit_of_row]) for part in parts])
    point = problem.counts(np.ones((1, len(image_set))))[0]
    return mapping_estimates(METHODS, point, replicates, truth, resampling, GAINS)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Codes and image model's ranks of all images, and experts' labels of those that they read."""

    codes: NDArray  # (n_images, p), the intercept last
    teacher: NDArray  # (n_images, n_findings)
    opacity: int  # column of the teacher
    folds: NDArray  # of patients, (n_images,)
    rows: NDArray  # places of the read images among all, (n_read,)
    truth: NDArray  # (n_read, n_views); NaN in other views
    report: NDArray  # (n_read,)
    scale: NDArray  # sampling weights, (n_read,)

    def counts(self, weights: NDArray) -> NDArray[np.float64]:
        """Count as `label_mapping` does: (n_resamples, methods, views, 4)."""
        weights = weights.astype(np.float64)
        outputs = self._outputs(weights)
        read = weights[:, self.rows] * self.scale
        found = np.empty((len(weights), len(METHODS), self.truth.shape[1], 4))
        for v, truth in enumerate(self.truth.T):
            known = ~np.isnan(truth)
            weight, own = read[:, known], truth[known]
            part = outputs[:, known], weight, own, self.rows[known], self.report[known]
            predicted = self.calls(*part) * weight
            totals = weight.sum(axis=1), weight @ own, predicted.sum(axis=2), predicted @ own
            found[:, :, v] = np.stack(np.broadcast_arrays(*totals), axis=-1).swapaxes(0, 1)
        return found

    def _outputs(self, weights: NDArray) -> NDArray[np.float64]:
        """Students' outputs for the read images, (n_resamples, n_read, n_findings)."""
        parts = {
            fold: mappings.student_sums(self.codes[rows], self.teacher[rows], weights[:, rows])
            for fold in np.unique(self.folds)
            for rows in [self.folds == fold]
        }
        total = sum(parts.values())
        outputs = np.empty((len(weights), len(self.rows), self.teacher.shape[1]))
        for fold, part in parts.items():
            judged = self.folds[self.rows] == fold
            student = mappings.students(total - part)
            outputs[:, judged] = np.matmul(self.codes[self.rows[judged]], student)
        return outputs

    def calls(self, outputs, weights, truth, rows, report) -> NDArray[np.bool_]:
        """Call the images of one view by each method; (methods, n_resamples, n_images)."""
        codes, folds = self.codes[rows], self.folds[rows]
        inputs = mappings.with_intercept(outputs)
        own = outputs[:, :, self.opacity]
        image = np.broadcast_to(self.teacher[rows, self.opacity], weights.shape)
        called = np.empty((len(METHODS), *weights.shape), bool)
        called[0] = report
        for fold in np.unique(folds):
            out, training = folds == fold, weights * (folds != fold)
            beta = mappings.fit_regressions(codes, truth, training)
            called[1][:, out] = mappings.regression_classes(codes[out], beta)
            threshold = mappings.youden_thresholds(own, truth, training)
            called[2][:, out] = own[:, out] >= threshold[:, None]
            beta = mappings.fit_regressions(inputs, truth, training)
            called[3][:, out] = mappings.regression_classes(inputs[:, out], beta)
            threshold = mappings.youden_thresholds(image, truth, training)
            called[4][:, out] = image[:, out] >= threshold[:, None]
        return called


def differences_by_judge(variants: Mapping[str, Mapping]) -> pd.DataFrame:
    """Tabulate the differences in F1 and kappa, averaged over views where there are two."""
    rows = []
    for judge, scores in variants.items():
        place = MACRO_AVERAGE if ("logreg", VIEWS[0], "f1") in scores else POOLED
        for first, second in GAINS:
            for metric in ("f1", "kappa"):
                key = {"method": f"{first} - {second}", "metric": metric}
                estimate = scores[key["method"], place, metric]
                rows.append({"judge": judge} | key | estimate.row())
    return pd.DataFrame(rows)


def is_policy_dependent(judged: pd.DataFrame, difference: str) -> bool:
    """Whether another weighting or judge shows a significant F1 difference of opposite sign."""
    first, *others = judged[
        (judged["method"] == difference) & (judged["metric"] == "f1")
    ].itertuples()
    return any(row.low * row.high > 0 and row.estimate * first.estimate < 0 for row in others)
