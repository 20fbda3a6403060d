"""A student that reads text learns an image model's scores, beside one that reads labels.

Both learn from the same pairs and are judged on the same held-out ones, which share neither a
patient nor a text with those that they learned from.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import MACRO_AVERAGE, Agreement, Estimate, Resampling, agree
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.image_labels import LUNG_OPACITY, lung_opacity_labels
from cxrstudy.experiments.opacity_scores import VIEWS, ranks_within
from cxrstudy.studies.visualchexbert import mappings
from cxrstudy.studies.visualchexbert.text_pairs import TextPairs
from cxrstudy.text.reports import PRESENT
from cxrstudy.text.students import StudentConfig, StudentJob
from cxrstudy.trainings.many import train_many

TEXT, LABELS, EXCHANGED = "text_student", "label_student", "text_student_exchanged"
GAIN = f"{TEXT} - {LABELS}"
CHANCE = 0.5
CLAIMS: Mapping[str, str] = {
    "visualchexbert.text_student_matched": GAIN,
    "visualchexbert.text_student_shuffled": f"{EXCHANGED} - chance",
}
"""Claim to the difference that decides it, averaged over the findings."""


def student_config(pretrained: str, epochs: int) -> StudentConfig:
    """Say how a student learns: from soft targets alone, so that it tends to their mean.

    Without the name of a pretrained encoder it is a tiny one from random weights.
    """
    shared = {"epochs": epochs, "alpha": 1.0, "temperature": 1.0, "max_tokens": 64}
    if pretrained:
        return StudentConfig(pretrained=pretrained, learning_rate=3e-4, **shared)
    return StudentConfig("bert", "tiny", learning_rate=1e-2, dropout=0.0, **shared)


def text_students(
    pairs: Mapping[str, TextPairs],
    teacher: pd.DataFrame,
    config: StudentConfig,
    folder: str | Path,
) -> dict[str, pd.DataFrame]:
    """Train a student of the image model in each fold, and let it read the held-out texts.

    Parameters
    ----------
    pairs : mapping of str to TextPairs
        By the student's name.
    teacher : DataFrame, shape (n_images, n_findings)
        Ranks from 0 to 1, as `nih_block.teacher_ranks` returns them.
    config : StudentConfig
    folder : path
        Keeps every finished training.

    Returns
    -------
    dict of str to DataFrame, shape (n_pairs, n_findings)
        Ranks of the outputs within the fold, NaN where a pair is not judged. A text is learned
        once, with the mean rank of the images that carry it.
    """
    jobs, places = [], []
    for name, each in pairs.items():
        for training, held_out in each.folds:
            targets = teacher.loc[each.texts.index[training]].groupby(each.texts[training]).mean()
            present = targets.to_numpy(np.float32)
            classes = np.stack([1 - present, present, np.zeros_like(present)], axis=-1)
            read = sorted(set(each.texts[held_out]))
            jobs.append(StudentJob(config, list(targets.index), classes, read))
            places.append((name, held_out))
    outputs = {name: _empty(each, teacher) for name, each in pairs.items()}
    for (name, held_out), job, kept in zip(places, jobs, train_many(jobs, folder), strict=True):
        said = pd.DataFrame(kept.arrays["probabilities"][:, :, PRESENT], job.held_out_texts)
        outputs[name][held_out] = said.loc[pairs[name].texts[held_out]].to_numpy()
    return {name: _ranks(table, pairs[name], teacher) for name, table in outputs.items()}


def label_students(pairs: TextPairs, teacher: pd.DataFrame) -> pd.DataFrame:
    """Fit a ridge regression from the pairs' labels in each fold; the rest is `text_students`'.

    Parameters
    ----------
    pairs : TextPairs
    teacher : DataFrame, shape (n_images, n_findings)

    Returns
    -------
    DataFrame, shape (n_pairs, n_findings)
    """
    design = mappings.with_intercept(pairs.labels.to_numpy())
    scores = teacher.loc[pairs.texts.index].to_numpy()
    outputs = _empty(pairs, teacher)
    for training, held_out in pairs.folds:
        weights = np.ones((1, training.sum()))
        sums = mappings.student_sums(design[training], scores[training], weights)
        outputs[held_out] = design[held_out] @ mappings.students(sums)[0]
    return _ranks(outputs, pairs, teacher)


def truth_of_findings(
    teacher: pd.DataFrame, targets: pd.DataFrame, experts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Say who is positive: by experts, within view, or else by the image model.

    Parameters
    ----------
    teacher : DataFrame, shape (n_images, n_findings)
    targets : DataFrame, shape (n_images, n_findings)
        What the image model learned. It calls as many images positive, those with its highest
        ranks.
    experts : DataFrame, optional
        Columns expert and view, of the images that experts read for opacity.

    Returns
    -------
    DataFrame, shape (n_images, n_judged)
        1, 0 and NaN; with experts, opacity stands there once for each view.
    """
    truth = (teacher > 1 - targets.mean()).astype(float)
    if experts is None:
        return truth
    truth = truth.drop(columns=LUNG_OPACITY)
    for view in VIEWS:
        seen = experts.loc[experts["view"] == view, "expert"]
        truth[f"{LUNG_OPACITY}, {view}"] = seen.reindex(truth.index)
    return truth


def nih_truth(image_set: ImageSet, teacher: pd.DataFrame, targets: pd.DataFrame) -> pd.DataFrame:
    """Judge opacity by RSNA's experts, and the other findings by the image model."""
    return truth_of_findings(teacher, targets, lung_opacity_labels(image_set, "rsna"))


def score_students(
    truth: pd.DataFrame,
    outputs: Mapping[str, pd.DataFrame],
    patients: pd.Series,
    resampling: Resampling,
) -> Agreement:
    """Compare students by AUROC, drawing whole patients; conditional on the students.

    Parameters
    ----------
    truth : DataFrame, shape (n_images, n_judged)
    outputs : mapping of str to DataFrame, shape (n_pairs, n_findings)
        Of `text_students` and `label_students`; the pairs of all are those of the first.
    patients : Series
        Of every image.
    resampling : Resampling

    Returns
    -------
    Agreement
        With the difference `GAIN`, over the pairs that are judged.
    """
    index = outputs[TEXT].dropna(how="all").index
    truth = truth.loc[index]
    finding = {name: name.split(",")[0] for name in truth}
    predictions = {
        name: table.loc[index, list(finding.values())].set_axis(list(truth), axis=1)
        for name, table in outputs.items()
    }
    return agree(
        truth,
        predictions,
        metrics=("auroc",),
        contrasts=[(TEXT, LABELS)],
        resampling=resampling.of(clusters=patients[index]),
    )


def claimed(scores: Agreement) -> dict[str, Estimate]:
    """Return what decides each claim of `CLAIMS`.

    Parameters
    ----------
    scores : Agreement

    Returns
    -------
    dict of str to Estimate
        The mean difference of the two students, and the distance of the mean AUROC from `CHANCE`
        where texts were exchanged.
    """
    gain, chance = (scores.estimate(name, MACRO_AVERAGE, "auroc") for name in (GAIN, EXCHANGED))
    return dict(zip(CLAIMS, (gain, 0 - (CHANCE - chance)), strict=True))


def claims_table(decided: Mapping[str, Estimate]) -> pd.DataFrame:
    """Tabulate `claimed` with the 90 % intervals by which an equivalence is judged.

    Parameters
    ----------
    decided : mapping of str to Estimate

    Returns
    -------
    DataFrame
        Columns method, metric and the estimate's.
    """
    rows = [
        {"method": method, "metric": "auroc"} | decided[claim].row(0.9)
        for claim, method in CLAIMS.items()
    ]
    return pd.DataFrame(rows)


def _empty(pairs: TextPairs, teacher: pd.DataFrame) -> NDArray[np.float64]:
    return np.full((len(pairs.texts), teacher.shape[1]), np.nan)


def _ranks(outputs: NDArray, pairs: TextPairs, teacher: pd.DataFrame) -> pd.DataFrame:
    """Rank outputs within the fold: the students of two folds may differ in scale."""
    ranks = ranks_within(pairs.patient_folds, outputs.T).T
    return pd.DataFrame(ranks, pairs.texts.index, list(teacher))
