"""RSNA's 2018 challenge labels of NIH images, joined to the NIH names by their pixels.

The challenge renamed its images. Each was compared with every NIH image; a mean squared error
below 10 is a match, as far larger errors follow after a gap.
"""

from dataclasses import dataclass
from functools import cache

import pandas as pd

from cxrstudy.data.registry import dataset
from cxrstudy.data.restricted_pickle import load_restricted_pickle
from cxrstudy.data.tables import LabelTableError

LABELS = "rsna_2018_labels"
MATCHES = "rsna_nih_matches"
TARGET_FILE = "data/kaggle_stage_2_train_labels.csv.zip"
HEADER_FILE = "data/kaggle_stage_2_train_images_dicom_headers.csv.gz"
MATCH_FILE = "rsnamatches.pkl"
LUNG_OPACITY = "Lung Opacity"
CLASSES: tuple[str, ...] = (LUNG_OPACITY, "No Lung Opacity / Not Normal", "Normal")
LARGEST_MATCH_ERROR = 10.0


@dataclass(frozen=True, eq=False)
class RsnaLabels:
    """RSNA's classes under the NIH's image names.

    Attributes
    ----------
    labels : DataFrame of float, shape (26585, 3)
        1 and 0 for the three classes, exactly one of which holds; indexed by NIH image name.
    headers : DataFrame
        View and sex of RSNA's own file headers, on the same index: a check of the match.
    matching : dict of str to int
        How many images each step of the matching keeps.
    """

    labels: pd.DataFrame
    headers: pd.DataFrame
    matching: dict[str, int]


@cache
def load_rsna() -> RsnaLabels:
    """Load, join and check RSNA's labels.

    Returns
    -------
    RsnaLabels

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        See `cxrstudy.data.registry`.
    UnsafePickleError
        If the match file names anything but numbers and text.
    LabelTableError
        If an image has two classes, or its class contradicts the challenge's target.
    """
    candidates = read_candidates(load_restricted_pickle(dataset(MATCHES).path(MATCH_FILE)))
    _check_targets(candidates)
    close = candidates[candidates["error"] < LARGEST_MATCH_ERROR]
    matched = keep_one_for_each_image(close)
    headers = pd.read_csv(dataset(LABELS).path(HEADER_FILE), index_col="PatientID")
    headers = headers.rename(columns={"ViewPosition": "view", "PatientSex": "sex"})
    classes = pd.get_dummies(matched["class"]).reindex(columns=list(CLASSES)).astype(float)
    return RsnaLabels(
        labels=classes.set_axis(pd.Index(matched["image"], name="image")),
        headers=headers.loc[matched.index, ["view", "sex"]].set_axis(matched["image"]),
        matching={
            "RSNA images": len(candidates),
            f"match error below {LARGEST_MATCH_ERROR:g}": len(close),
            "one for each NIH image": len(matched),
        },
    )


def read_candidates(matches: dict[str, dict]) -> pd.DataFrame:
    """Tabulate the match file.

    Parameters
    ----------
    matches : dict
        RSNA id to ``info`` (the class, once for each box), ``mse`` and ``cxr_match``.

    Returns
    -------
    DataFrame
        Columns class, error and image; indexed by RSNA id.

    Raises
    ------
    LabelTableError
        If an image does not have exactly one known class.
    """
    for name, match in matches.items():
        if len(set(match["info"])) != 1 or match["info"][0] not in CLASSES:
            raise LabelTableError(f"RSNA image {name}: needs one class, has {match['info']}")
    rows = [(m["info"][0], float(m["mse"]), m["cxr_match"]) for m in matches.values()]
    index = pd.Index(matches, name="rsna_image")
    return pd.DataFrame(rows, index=index, columns=["class", "error", "image"])


def keep_one_for_each_image(candidates: pd.DataFrame) -> pd.DataFrame:
    """Keep the closest RSNA image of each NIH image.

    Parameters
    ----------
    candidates : DataFrame
        As `read_candidates` returns it.

    Returns
    -------
    DataFrame
        Sorted by NIH image name, each of which occurs once.
    """
    closest = candidates.sort_values(["image", "error"], kind="stable")
    return closest.drop_duplicates("image")


def _check_targets(candidates: pd.DataFrame) -> None:
    targets = pd.read_csv(dataset(LABELS).path(TARGET_FILE)).groupby("patientId")["Target"].max()
    opacity = (candidates["class"] == LUNG_OPACITY).astype(int)
    if not targets.sort_index().equals(
        opacity.sort_index().rename("Target").rename_axis("patientId")
    ):
        raise LabelTableError("RSNA's classes in the match file contradict the challenge's targets")
