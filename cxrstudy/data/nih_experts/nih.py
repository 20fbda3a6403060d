"""The NIH ChestX-ray14 table: findings that software read from the reports."""

from dataclasses import dataclass
from functools import cache

import pandas as pd

from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError

NAME = "nih_text_mined_labels"
FILE = "data/Data_Entry_2017_v2020.csv.gz"
NO_FINDING = "No Finding"
FINDINGS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip

_COLUMNS = {
    "Patient ID": "patient",
    "View Position": "view",
    "Patient Gender": "sex",
    "Patient Age": "age",
}


@dataclass(frozen=True, eq=False)
class NihLabels:
    """Text-mined labels of all images, and who and how was imaged.

    Attributes
    ----------
    labels : DataFrame of float, shape (112120, 15)
        1 and 0 for the fourteen findings and ``No Finding``, indexed by image name.
    images : DataFrame
        Columns patient, view (``AP``, ``PA``), sex (``F``, ``M``) and age in years; same index.
    """

    labels: pd.DataFrame
    images: pd.DataFrame

    def any_of(self, terms: tuple[str, ...]) -> pd.Series:
        """Mark the images with at least one of these terms.

        Parameters
        ----------
        terms : tuple of str

        Returns
        -------
        Series of float
        """
        return self.labels[list(terms)].max(axis=1)


@cache
def load_nih() -> NihLabels:
    """Load the corrected table of 2020, in which no age is above 95.

    Returns
    -------
    NihLabels

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        See `cxrstudy.data.registry`.
    LabelTableError
        If the table holds an unknown finding.
    """
    columns = ["Image Index", "Finding Labels", *_COLUMNS]
    table = pd.read_csv(dataset(NAME).path(FILE), usecols=columns, index_col="Image Index")
    table = table.rename_axis("image").rename(columns=_COLUMNS)
    return NihLabels(read_findings(table["Finding Labels"]), table[list(_COLUMNS.values())])


def read_findings(text: pd.Series) -> pd.DataFrame:
    """Spread findings that are joined by bars over columns.

    Parameters
    ----------
    text : Series of str
        Such as ``"Effusion|Mass"`` or ``"No Finding"``.

    Returns
    -------
    DataFrame of float, shape (n_images, 15)

    Raises
    ------
    LabelTableError
        If a finding is unknown, or stands beside ``No Finding``.
    """
    combinations = pd.Index(text.unique())
    dummies = combinations.to_series().str.get_dummies("|")
    unknown = dummies.columns.difference([*FINDINGS, NO_FINDING])
    if len(unknown):
        raise LabelTableError(f"NIH table: unknown finding {unknown[0]!r}; it knows {FINDINGS}")
    labels = dummies.reindex(columns=[*FINDINGS, NO_FINDING], fill_value=0).astype(float)
    contradictory = (labels[NO_FINDING] == 1) & (labels[list(FINDINGS)].max(axis=1) == 1)
    if contradictory.any():
        raise LabelTableError(
            f"NIH table: {contradictory.idxmax()!r} names a finding and {NO_FINDING!r}"
        )
    return labels.loc[text].set_axis(text.index)
