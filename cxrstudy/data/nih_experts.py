"""NIH images that radiologists read again: text-mined labels and two expert sources.

NIH ChestX-ray14: 112,120 images whose findings software read from the reports. Google: 4,376 of
them, read by radiologists who settled their differences. RSNA: the classes of its 2018 challenge
for 26,585 of them, drawn by text-mined label.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError

GOOGLE = "google_adjudicated_labels"  # in the registry
NO_FINDING = "No Finding"
NIH_FINDINGS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip
# The NIH terms by which the RSNA challenge was sampled.
PNEUMONIA_LIKE: tuple[str, ...] = ("Pneumonia", "Consolidation", "Infiltration")
# Every NIH term that the crosswalk puts below Lung Opacity, lesions apart.
AIRSPACE: tuple[str, ...] = (*PNEUMONIA_LIKE, "Atelectasis", "Edema")

GOOGLE_FINDINGS: tuple[str, ...] = (
    "Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass",
)  # fmt: skip
_GOOGLE_SETS = {"test": "test", "val": "validation"}  # in the file and in words

LUNG_OPACITY = "Lung Opacity"
_RSNA_CLASSES: tuple[str, ...] = (LUNG_OPACITY, "No Lung Opacity / Not Normal", "Normal")
# RSNA renamed its images. Each was compared with every NIH image; a mean squared error below this
# is a match, as far larger errors follow after a gap.
_LARGEST_MATCH_ERROR = 10.0

# Strata of RSNA's draw.
STRATA: tuple[str, ...] = ("pneumonia-like term", "other finding", "no finding")


@dataclass(frozen=True, eq=False)
class NihLabels:
    """Text-mined labels of all NIH images, and who and how was imaged."""

    labels: pd.DataFrame  # (112120, 15): 1 and 0, fourteen findings and No Finding, by image name
    images: pd.DataFrame  # patient, view ("AP", "PA"), sex ("F", "M"), age in years; same index

    def any_of(self, terms: tuple[str, ...]) -> pd.Series:
        """Mark the images with at least one of these terms by 1, others by 0."""
        return self.labels[list(terms)].max(axis=1)


@dataclass(frozen=True, eq=False)
class RsnaLabels:
    """RSNA's classes under the NIH's image names."""

    labels: pd.DataFrame  # (26585, 3): 1 for the one class that holds, else 0, by NIH image name
    headers: pd.DataFrame  # view and sex of RSNA's own file headers: a check of the match
    matching: dict[str, int]  # how many images each step of the matching keeps


def nih_file() -> Path:
    """Return the path of the NIH's table."""
    return dataset("nih_text_mined_labels").path("data/Data_Entry_2017_v2020.csv.gz")


def google_file() -> Path:
    """Return the path of Google's table."""
    return dataset(GOOGLE).path("data/google2019_nih-chest-xray-labels.csv.gz")


@cache
def load_nih() -> NihLabels:
    """Load the NIH's corrected table of 2020, in which no age is above 95.

    Returns
    -------
    NihLabels
        ``labels``: 1 and 0 for fourteen findings and ``No Finding``; ``images``: patient, view,
        sex and age in years. Both are indexed by image name.

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        If a file is nowhere, or its bytes are not the pinned ones.
    LabelTableError
        If the table holds an unknown finding.
    """
    columns = {
        "Patient ID": "patient",
        "View Position": "view",
        "Patient Gender": "sex",
        "Patient Age": "age",
    }
    path = nih_file()
    read = ["Image Index", "Finding Labels", *columns]
    table = pd.read_csv(path, usecols=read, index_col="Image Index").rename_axis("image")
    images = table.rename(columns=columns)[list(columns.values())]
    return NihLabels(read_findings(table["Finding Labels"]), images)


def read_findings(text: pd.Series) -> pd.DataFrame:
    """Spread findings that are joined by bars, such as ``"Effusion|Mass"``, over 15 columns."""
    combinations = pd.Index(text.unique())
    dummies = combinations.to_series().str.get_dummies("|")
    unknown = dummies.columns.difference([*NIH_FINDINGS, NO_FINDING])
    if len(unknown):
        raise LabelTableError(f"NIH table: unknown finding {unknown[0]!r}; it knows {NIH_FINDINGS}")
    labels = dummies.reindex(columns=[*NIH_FINDINGS, NO_FINDING], fill_value=0).astype(float)
    contradictory = (labels[NO_FINDING] == 1) & (labels[list(NIH_FINDINGS)].max(axis=1) == 1)
    if contradictory.any():
        raise LabelTableError(
            f"NIH table: {contradictory.idxmax()!r} names a finding and {NO_FINDING!r}"
        )
    return labels.loc[text].set_axis(text.index)


@cache
def load_google() -> dict[str, pd.DataFrame]:
    """Load Google's labels of two sets, kept apart because they were sampled differently.

    Returns
    -------
    dict of str to DataFrame of float
        ``test`` (1,962 images) and ``validation`` (2,414): 1 and 0 for the four findings,
        indexed by NIH image name.

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        If a file is nowhere, or its bytes are not the pinned ones.
    LabelTableError
        If a set or an answer has an unknown name.
    """
    path = google_file()
    return read_google(pd.read_csv(path, index_col="Image Index").rename_axis("image"))


def read_google(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Check and split Google's table: ``Set Id``, and YES or NO for the four findings."""
    answers = table[list(GOOGLE_FINDINGS)]
    strange = set(answers.stack()) - {"YES", "NO"} | set(table["Set Id"]) - set(_GOOGLE_SETS)
    if strange:
        raise LabelTableError(f"Google's table: unknown answer or set {sorted(strange)[0]!r}")
    labels = (answers == "YES").astype(float)
    return {name: labels[table["Set Id"] == key] for key, name in _GOOGLE_SETS.items()}


@cache
def load_rsna() -> RsnaLabels:
    """Load RSNA's labels, joined to the NIH's image names by their pixels, and check them.

    Returns
    -------
    RsnaLabels

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        If a file is nowhere, or its bytes are not the pinned ones.
    LabelTableError
        If an image's class contradicts the challenge's target.
    """
    candidates = pd.read_parquet(dataset("rsna_nih_matches").path("rsna_nih_matches.parquet"))
    _check_targets(candidates)
    close = candidates[candidates["error"] < _LARGEST_MATCH_ERROR]
    matched = keep_one_for_each_image(close)
    headers = pd.read_csv(
        dataset("rsna_2018_labels").path("data/kaggle_stage_2_train_images_dicom_headers.csv.gz"),
        index_col="PatientID",
    ).rename(columns={"ViewPosition": "view", "PatientSex": "sex"})
    classes = pd.get_dummies(matched["class"]).reindex(columns=list(_RSNA_CLASSES)).astype(float)
    return RsnaLabels(
        labels=classes.set_axis(pd.Index(matched["image"], name="image")),
        headers=headers.loc[matched.index, ["view", "sex"]].set_axis(matched["image"]),
        matching={
            "RSNA images": len(candidates),
            f"match error below {_LARGEST_MATCH_ERROR:g}": len(close),
            "one for each NIH image": len(matched),
        },
    )


def keep_one_for_each_image(candidates: pd.DataFrame) -> pd.DataFrame:
    """Keep the closest RSNA image of each NIH image, sorted by NIH image name."""
    closest = candidates.sort_values(["image", "error"], kind="stable")
    return closest.drop_duplicates("image")


def _check_targets(candidates: pd.DataFrame) -> None:
    path = dataset("rsna_2018_labels").path("data/kaggle_stage_2_train_labels.csv.zip")
    targets = pd.read_csv(path).groupby("patientId")["Target"].max()
    opacity = (candidates["class"] == LUNG_OPACITY).astype(int)
    if not targets.sort_index().equals(
        opacity.sort_index().rename("Target").rename_axis("patientId")
    ):
        raise LabelTableError("RSNA's classes in the match file contradict the challenge's targets")


def sampling_strata(nih: NihLabels) -> pd.Series:
    """Sort every NIH image into one of the three strata of RSNA's draw.

    Parameters
    ----------
    nih : NihLabels

    Returns
    -------
    Series of str
        "pneumonia-like term", "other finding" or "no finding" for each image.
    """
    chosen = [nih.any_of(PNEUMONIA_LIKE) == 1, nih.labels[NO_FINDING] == 0]
    strata = np.select(chosen, STRATA[:2], STRATA[2])
    return pd.Series(strata, nih.labels.index, name="stratum")


def inverse_sampling_weights(strata: pd.Series, drawn: pd.Index) -> pd.Series:
    """Weight each drawn image by the number of NIH images that it stands for.

    The draw depended on the very labels that are under test. Sensitivity and specificity computed
    on the drawn images are those of the drawn mixture; weighted, they are those of the whole NIH
    table.

    Parameters
    ----------
    strata : Series of str
        Stratum of every image that could be drawn.
    drawn : Index
        Names of the drawn images.

    Returns
    -------
    Series of float
        Indexed by `drawn`; within each stratum they sum to its size.
    """
    of_drawn = strata.loc[drawn]
    return 1 / of_drawn.map(of_drawn.value_counts() / strata.value_counts())
