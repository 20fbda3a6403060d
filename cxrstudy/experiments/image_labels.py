"""Images of the NIH block and their labels: which a study uses, and what models learn from them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import PNEUMONIA_LIKE

# The target that RSNA's experts judge; its text-mined counterpart is any pneumonia-like term.
LUNG_OPACITY = "Lung Opacity"

# Observation to the NIH terms of which any one counts; see the crosswalk for how close they are.
# The NIH has no term for enlarged cardiomediastinum, fractures and devices.
NIH_TERMS: Mapping[str, tuple[str, ...]] = {
    "No Finding": ("No Finding",),
    "Cardiomegaly": ("Cardiomegaly",),
    LUNG_OPACITY: PNEUMONIA_LIKE,
    "Lung Lesion": ("Mass", "Nodule"),
    "Edema": ("Edema",),
    "Consolidation": ("Consolidation",),
    "Pneumonia": ("Pneumonia",),
    "Atelectasis": ("Atelectasis",),
    "Pneumothorax": ("Pneumothorax",),
    "Pleural Effusion": ("Effusion",),
    "Pleural Other": ("Pleural_Thickening",),
}

# Expert source to the term that stands for Lung Opacity.
EXPERT_TERMS: Mapping[str, str] = {"rsna": "Lung Opacity", "google": "Airspace opacity"}

# Whose labels a head learns: the reports', or those of RSNA's experts.
REPORTS, EXPERTS = "report", "expert"
# A model's input that holds no image, see `metadata_features`.
NO_IMAGE = "view, sex and age"


def study_images(image_set: ImageSet, n_images: int, size: int) -> ImageSet:
    """Choose images of the NIH block by need and then by a hash, never by label.

    Parameters
    ----------
    image_set : ImageSet
        The NIH block.
    n_images : int
        How many; all that experts read are among them. 0 for all there are.
    size : int
        Edge in pixels.

    Returns
    -------
    ImageSet
        In the order of the block.

    Raises
    ------
    ValueError
        If experts read more images than that.
    """
    names = image_set.images.index
    read = read_by_experts(image_set)
    if n_images:
        if n_images < read.sum():
            raise ValueError(
                f"experts read {read.sum()} of these images, so n_images cannot be {n_images}"
            )
        hashes = pd.util.hash_array(names.to_numpy(object))
        order = pd.DataFrame({"unread": ~read, "hash": hashes}, names)
        order = order.sort_values(["unread", "hash"])
        names = names[names.isin(order.index[:n_images])]
    return image_set.subset(names).resized(size)


def read_by_experts(image_set: ImageSet) -> pd.Series:
    """Mark the images that any expert source labels."""
    tables = [image_set.labels[source] for source in EXPERT_TERMS]
    return pd.concat([table.notna().any(axis=1) for table in tables], axis=1).any(axis=1)


def text_mined_targets(labels: pd.DataFrame, minimum_positives: int = 50) -> pd.DataFrame:
    """Turn the NIH's columns into float32 targets, all with positives and negatives enough."""
    targets = pd.DataFrame(
        {name: labels[list(terms)].max(axis=1) for name, terms in NIH_TERMS.items()}
    )
    positives = targets.sum()
    enough = np.minimum(positives, targets.count() - positives) >= minimum_positives
    return targets.loc[:, enough].astype(np.float32)


def with_label_noise(targets: pd.DataFrame, rate: float, seed: int = 0) -> pd.DataFrame:
    """Flip each label with a probability from 0 to 0.5, whatever the image shows.

    The flips of a lower rate are among those of a higher one, so that a dose is added and not
    exchanged.
    """
    if not 0 <= rate <= 0.5:
        raise ValueError(f"rate must be from 0 to 0.5, not {rate}")
    drawn = np.random.default_rng(seed).random(targets.shape)
    return targets.where(drawn >= rate, 1 - targets)


def report_labels(image_set: ImageSet) -> pd.Series:
    """Return the report's label of opacity of every image: any pneumonia-like term."""
    return image_set.labels["nlp"][list(NIH_TERMS[LUNG_OPACITY])].max(axis=1)


def lung_opacity_labels(image_set: ImageSet, experts: str) -> pd.DataFrame:
    """Put the opacity of "rsna" or "google" beside the report's, with view and patient."""
    expert = image_set.labels[experts][EXPERT_TERMS[experts]].dropna()
    labels = pd.DataFrame({"expert": expert, "report": report_labels(image_set)[expert.index]})
    return labels.join(image_set.images[["view", "patient"]])


def training_labels(image_set: ImageSet) -> pd.DataFrame:
    """Lay out what a head can learn: `REPORTS` and `EXPERTS`, NaN where a source says nothing."""
    experts = lung_opacity_labels(image_set, "rsna")["expert"]
    return pd.DataFrame(
        {REPORTS: report_labels(image_set), EXPERTS: experts.reindex(image_set.images.index)}
    )


def label_counts(image_set: ImageSet) -> pd.DataFrame:
    """Count the images that experts read by report label and expert label of opacity.

    Parameters
    ----------
    image_set : ImageSet

    Returns
    -------
    DataFrame
        Columns experts (rsna, google), view, images, patients, both_positive, experts_only,
        report_only, both_negative and report_label_wrong (share).
    """
    rows = []
    for experts in EXPERT_TERMS:
        labels = lung_opacity_labels(image_set, experts)
        for view in ("AP", "PA", "all"):
            part = labels if view == "all" else labels[labels["view"] == view]
            expert, report = part["expert"] == 1, part["report"] == 1
            rows.append(
                {
                    "experts": experts,
                    "view": view,
                    "images": len(part),
                    "patients": part["patient"].nunique(),
                    "both_positive": int((expert & report).sum()),
                    "experts_only": int((expert & ~report).sum()),
                    "report_only": int((~expert & report).sum()),
                    "both_negative": int((~expert & ~report).sum()),
                    "report_label_wrong": (expert != report).mean(),
                }
            )
    return pd.DataFrame(rows)


def metadata_features(images: pd.DataFrame) -> np.ndarray:
    """Describe images by view, sex and age alone: seven columns, for a model without the image.

    Such a model is the floor of every image model: sicker patients are imaged at the bedside, so
    the view alone predicts what a report says. Columns are AP, female, decades of age and their
    square by ten, and the last three once more for AP images alone. A missing age counts as the
    median.

    >>> table = pd.DataFrame({"view": ["AP", "PA"], "sex": ["M", "F"], "age": [50.0, 20.0]})
    >>> metadata_features(table)
    array([[1. , 0. , 5. , 2.5, 0. , 5. , 2.5],
           [0. , 1. , 2. , 0.4, 0. , 0. , 0. ]])
    """
    ap = (images["view"] == "AP").to_numpy(float)
    female = (images["sex"] == "F").to_numpy(float)
    decades = (images["age"].fillna(images["age"].median()) / 10).to_numpy(float)
    plain = np.column_stack([female, decades, decades**2 / 10])
    return np.column_stack([ap, plain, plain * ap[:, None]])
