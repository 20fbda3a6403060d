"""The text student on real pairs: a reader's own folder of images with their own reports."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling
from cxrstudy.data.images.reported import count_by_reason, load_reported_images
from cxrstudy.studies.visualchexbert.nih_block import ranks_of_heads
from cxrstudy.studies.visualchexbert.text_pairs import real_pairs
from cxrstudy.studies.visualchexbert.text_student import (
    LABELS,
    TEXT,
    label_students,
    score_students,
    text_students,
    truth_of_findings,
)
from cxrstudy.text.students import StudentConfig
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.features import frozen_features


def own_scores(
    folder: str | Path,
    size: int,
    backbone: BackboneName,
    config: StudentConfig,
    kept: str | Path,
    n_folds: int,
    resampling: Resampling,
    minimum_positives: int = 50,
) -> tuple[pd.DataFrame, str]:
    """Train an image model on a folder's reports, students on the image model, and score these.

    Parameters
    ----------
    folder : str or Path
        CheXpert Plus, MIMIC-CXR or OpenI, as `load_reported_images` reads them.
    size : int
        Edge of the images in pixels.
    backbone : BackboneName
    config : StudentConfig
    kept : path
        Keeps features and trainings.
    n_folds : int
    resampling : Resampling
    minimum_positives : int
        Images with and without a finding that the image model needs to learn it.

    Returns
    -------
    DataFrame
        AUROC of both students against the image model's positives, as `agree` tabulates it.
    str
        How many images there are and how many were left out, by reason.

    Raises
    ------
    ValueError
        If no finding is common enough.
    """
    images, reports = load_reported_images(folder, size)
    pairs = real_pairs(images, reports, n_folds)
    own = images.subset(pairs.texts.index)
    positives = pairs.labels.sum()
    enough = np.minimum(positives, len(own) - positives) >= minimum_positives
    if not enough.any():
        raise ValueError(
            f"{folder}: no finding has {minimum_positives} images with and without it among "
            f"{len(own):,}. Name a folder with more images."
        )
    targets = pairs.labels.loc[:, enough].astype(np.float32)
    teacher = ranks_of_heads(own, frozen_features(own, backbone, f"{kept}/features"), targets)
    outputs = text_students({TEXT: pairs}, teacher, config, f"{kept}/students")
    outputs |= {LABELS: label_students(pairs, teacher)}
    truth = truth_of_findings(teacher, targets)
    scores = score_students(truth, outputs, own.images["patient"], resampling)
    left_out = count_by_reason(images.excluded)
    left_out["no impression"] = len(images) - len(own)
    reasons = "; ".join(f"{reason} {n:,}" for reason, n in left_out.items() if n)
    used = (
        f"{images.name}, {len(own):,} images of {own.images['patient'].nunique():,} patients, "
        f"{pairs.judged.sum():,} of them judged. Left out: {reasons or 'none'}"
    )
    return scores.table(), used
