"""Report codes in place of report texts: students of image models against experts' supervision."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS
from cxrstudy.data import chexpert_test
from cxrstudy.experiments.label_mapping import (
    METRICS,
    compare_mappings,
    mapping_estimates,
    one_hot_codes,
)
from cxrstudy.experiments.model_selection import rank_correlation
from cxrstudy.observations import COMPETITION_OBSERVATIONS
from cxrstudy.studies.visualchexbert import mappings

IMAGE_METHODS = ("image_threshold", "image_regression", "image_model")
"""What an image model supervises, by thresholds and by regression; and the image model itself."""

MEAN_RANK = "mean rank"

GAINS: tuple[tuple[str, str], ...] = (
    ("image_regression", "zero_one"),
    ("image_regression", "logreg"),
    ("image_regression", "image_threshold"),
    ("image_threshold", "zero_one"),
    ("image_threshold", "logreg"),
)

CLAIMS: Mapping[str, str] = {
    "visualchexbert.image_supervision": "image_regression - zero_one",
    "visualchexbert.beats_expert_supervision": "image_regression - logreg",
    "visualchexbert.learned_threshold": "image_regression - image_threshold",
    "visualchexbert.thresholds_beat_zero_one": "image_threshold - zero_one",
    "visualchexbert.thresholds_below_regression": "image_threshold - logreg",
}
"""Claim to the difference that decides it, averaged over the findings."""

CLAIMS_BY_FINDING: Mapping[str, tuple[str, ...]] = {
    "visualchexbert.gains_where_printed": ("Atelectasis", "Cardiomegaly"),
    "visualchexbert.no_gain_where_printed": ("Edema", "Pleural Effusion"),
}
"""Claim to the findings on which the first of `GAINS` decides it."""

# Resamples that are held in memory at one time.
_CHUNK = 250


@dataclass(frozen=True, eq=False)
class Cohort:
    """Report codes, experts' labels and image models' scores of the same studies."""

    labels: pd.DataFrame  # (n_studies, 14): the labeler's codes
    truth: pd.DataFrame  # (n_studies, n_scored): experts, findings with enough positives
    # By name, (n_studies, n_findings): percentile of each image model's score among the studies;
    # the last is `MEAN_RANK`. Findings too rare to be scored are inputs, as in the paper.
    teachers: Mapping[str, pd.DataFrame]

    @property
    def design(self) -> NDArray[np.float64]:
        """Codes that occur, each in a column, and an intercept."""
        codes = one_hot_codes(self.labels)
        return mappings.with_intercept(codes.loc[:, codes.any()].to_numpy())


def load_cohort(minimum_positives: int = 50) -> Cohort:
    """Load the CheXpert test set, its labeler file repaired.

    Parameters
    ----------
    minimum_positives : int
        Studies positive by the experts that a finding needs to be scored.

    Returns
    -------
    Cohort
    """
    released = chexpert_test.load()
    findings = list(COMPETITION_OBSERVATIONS)
    scored = [name for name in findings if released.truth[name].sum() >= minimum_positives]
    ranks = {name: table[findings].rank(pct=True) for name, table in released.model_scores.items()}
    mean = sum(ranks.values()).rank(pct=True)
    return Cohort(released.labeler, released.truth[scored], ranks | {MEAN_RANK: mean})


def compare(cohort: Cohort, resampling: Resampling) -> dict[tuple[str, str, str], Estimate]:
    """Score Zero-One and every learned mapping of the report codes on the same resamples.

    Parameters
    ----------
    cohort : Cohort
    resampling : Resampling

    Returns
    -------
    dict of (str, str, str) to Estimate
        By method (or difference, of `GAINS`), finding (or average) and metric. In each resample
        students, thresholds and regressions are fitted anew, and each study is scored by those
        that saw no copy of it. Replicates are centred as in `compare_mappings`.
    """
    scores = dict(compare_mappings(cohort.truth, cohort.labels, resampling).scores)
    scores |= image_supervised(cohort, cohort.teachers[MEAN_RANK], resampling)
    for first, second in GAINS:
        for name in (*cohort.truth, MACRO_AVERAGE):
            for metric in METRICS:
                difference = scores[first, name, metric] - scores[second, name, metric]
                scores[f"{first} - {second}", name, metric] = difference
    return scores


def image_supervised(
    cohort: Cohort, teacher: pd.DataFrame, resampling: Resampling
) -> dict[tuple[str, str, str], Estimate]:
    """Score the students of one image model, and the image model itself: `IMAGE_METHODS`."""
    truth, design = cohort.truth.to_numpy(np.float64), cohort.design
    everyone = np.ones((1, len(truth)))
    classes = image_supervised_classes(design, teacher, cohort.truth, everyone)
    outputs = mappings.with_intercept(_outputs(design, teacher, everyone)[0])
    for k in range(truth.shape[1]):
        classes[0, 1, k] = mappings.exact_left_out_regression_classes(outputs, truth[:, k])
    drawn = resampling.drawn_rows(len(truth)).astype(np.float64)
    counts = [
        _counts(image_supervised_classes(design, teacher, cohort.truth, part), truth, part)
        for part in np.array_split(drawn, -(-len(drawn) // _CHUNK))
    ]
    point = _counts(classes, truth, everyone)[0]
    return mapping_estimates(IMAGE_METHODS, point, np.concatenate(counts), cohort.truth, resampling)


def image_supervised_classes(
    design: NDArray,
    teacher: pd.DataFrame,
    truth: pd.DataFrame,
    weights: NDArray,
) -> NDArray[np.bool_]:
    """Call each study in each resample without its copies; (n_resamples, 3, n_scored, n_rows).

    No student sees an expert's label; thresholds and regressions are set by those of `truth`.
    """
    outputs = _outputs(design, teacher, weights)
    inputs = mappings.with_intercept(outputs)
    classes = np.empty((len(weights), len(IMAGE_METHODS), truth.shape[1], len(truth)), bool)
    for k, name in enumerate(truth):
        labels, column = truth[name].to_numpy(np.float64), teacher.columns.get_loc(name)
        own = np.broadcast_to(teacher[name].to_numpy(), weights.shape)
        called = (
            mappings.left_out_threshold_classes(outputs[:, :, column], labels, weights),
            mappings.left_out_regression_classes(inputs, labels, weights),
            mappings.left_out_threshold_classes(own, labels, weights),
        )
        classes[:, :, k] = np.stack(called, axis=1)
    return classes


def _outputs(design: NDArray, teacher: pd.DataFrame, weights: NDArray) -> NDArray:
    return mappings.left_out_students(design, teacher.to_numpy(), weights)


def _counts(classes: NDArray, truth: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Count studies, positives, predicted and true positives; (n_resamples, methods, scored, 4)."""
    n, positives = weights.sum(axis=1), weights @ truth
    predicted = np.einsum("bmkn,bn->bmk", classes, weights)
    hits = np.einsum("bmkn,nk,bn->bmk", classes, truth, weights)
    return np.stack(np.broadcast_arrays(n[:, None, None], positives[:, None], predicted, hits), -1)


def permuted_kappa(cohort: Cohort, n_permutations: int, seed: int) -> pd.DataFrame:
    """Score mappings whose fitting labels were exchanged between studies: the control.

    Columns are method, fitting labels and the mean kappa; low and high are the central 95 % of
    the permutations.
    """
    rng = np.random.default_rng(seed)
    truth, design, teacher = cohort.truth, cohort.design, cohort.teachers[MEAN_RANK]
    everyone = np.ones((1, len(truth)))
    found = []
    for number in range(n_permutations + 1):
        order = np.arange(len(truth)) if number == 0 else rng.permutation(len(truth))
        fitting = truth.iloc[order]
        image = image_supervised_classes(design, teacher, fitting, everyone)[0, :2]
        labels = fitting.to_numpy(np.float64).T
        expert = [
            mappings.left_out_regression_classes(design[None], column, everyone)[0]
            for column in labels
        ]
        for method, classes in zip(("logreg", *IMAGE_METHODS), [expert, *image], strict=False):
            predicted = pd.DataFrame(
                np.transpose(classes).astype(float), truth.index, truth.columns
            )
            scores = agree(truth, {"": predicted}, metrics=("kappa",), resampling=Resampling(1))
            found.append((method, number, scores.estimate("", MACRO_AVERAGE, "kappa").value))
    table = pd.DataFrame(found, columns=["method", "number", "kappa"])
    rows = []
    for method, part in table.groupby("method", sort=False):
        permuted = part.loc[part["number"] > 0, "kappa"]
        true = part["kappa"].iloc[0]
        limits = (permuted.mean(), *permuted.quantile([0.025, 0.975]))
        rows += [(method, "as given", true, np.nan, np.nan), (method, "permuted", *limits)]
    return pd.DataFrame(rows, columns=["method", "fitting_labels", *LIMITS])


def teachers_table(cohort: Cohort, resampling: Resampling) -> tuple[pd.DataFrame, Estimate]:
    """Score every image model, and its students by F1, best model first; and their correlation.

    Returns
    -------
    table : DataFrame
        Columns teacher, quantity (``teacher_auroc`` or one of `IMAGE_METHODS`) and the
        estimate's. `MEAN_RANK` is a row like the others.
    correlation : Estimate
        Of the ranks of the single models' AUROC and of their students' F1 (regression).
    """
    findings = list(cohort.truth)
    models = {name: table[findings] for name, table in cohort.teachers.items()}
    ranked = agree(cohort.truth, models, metrics=("auroc",), resampling=resampling)
    aurocs = {name: ranked.estimate(name, MACRO_AVERAGE, "auroc") for name in models}
    students = {
        name: image_supervised(cohort, table, resampling) for name, table in cohort.teachers.items()
    }
    order = sorted(models, key=lambda name: -aurocs[name].value)
    rows = []
    for name in order:
        rows.append({"teacher": name, "quantity": "teacher_auroc"} | aurocs[name].row())
        for method in IMAGE_METHODS:
            estimate = students[name][method, MACRO_AVERAGE, "f1"]
            rows.append({"teacher": name, "quantity": method} | estimate.row())
    single = [name for name in order if name != MEAN_RANK]
    f1 = [students[name]["image_regression", MACRO_AVERAGE, "f1"] for name in single]
    pair = [[aurocs[name] for name in single], f1]
    values = [np.array([estimate.value for estimate in side]) for side in pair]
    drawn = [np.stack([estimate.replicates for estimate in side], axis=-1) for side in pair]
    correlation = Estimate.like(f1[0], rank_correlation(*values), rank_correlation(*drawn))
    return pd.DataFrame(rows), correlation
