"""Google's labels of NIH images: radiologists who read the image and settled their differences."""

from dataclasses import dataclass
from functools import cache

import pandas as pd

from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError

NAME = "google_adjudicated_labels"
FILE = "data/google2019_nih-chest-xray-labels.csv.gz"
FINDINGS: tuple[str, ...] = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
SETS: dict[str, str] = {"test": "test", "val": "validation"}
"""Set names in the file and in words."""


@dataclass(frozen=True, eq=False)
class GoogleLabels:
    """Adjudicated labels of both sets, kept apart because they were sampled differently.

    Attributes
    ----------
    labels : dict of str to DataFrame of float
        ``test`` (1,962 images) and ``validation`` (2,414): 1 and 0 for the four findings,
        indexed by NIH image name.
    """

    labels: dict[str, pd.DataFrame]


@cache
def load_google() -> GoogleLabels:
    """Load the labels of both sets.

    Returns
    -------
    GoogleLabels

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        See `cxrstudy.data.registry`.
    LabelTableError
        If a set or an answer has an unknown name.
    """
    table = pd.read_csv(dataset(NAME).path(FILE), index_col="Image Index").rename_axis("image")
    return read_google(table)


def read_google(table: pd.DataFrame) -> GoogleLabels:
    """Check and split the released table.

    Parameters
    ----------
    table : DataFrame
        Columns ``Set Id`` and the four findings with ``YES`` and ``NO``.

    Returns
    -------
    GoogleLabels

    Raises
    ------
    LabelTableError
        If a set or an answer has an unknown name.
    """
    answers = table[list(FINDINGS)]
    strange = set(answers.stack()) - {"YES", "NO"} | set(table["Set Id"]) - set(SETS)
    if strange:
        raise LabelTableError(f"Google's table: unknown answer or set {sorted(strange)[0]!r}")
    labels = (answers == "YES").astype(float)
    return GoogleLabels({name: labels[table["Set Id"] == key] for key, name in SETS.items()})
