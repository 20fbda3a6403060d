"""The pair of tables that an agreement study compares: image truth and report labels."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from cxrstudy.data import chexpert_test
from cxrstudy.data.tables import LabelTableError, match_studies, read_label_table
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN


@dataclass(frozen=True)
class LabelPair:
    """Image truth and report labels of the same studies and observations."""

    truth: pd.DataFrame  # (n_studies, n_observations): 1 and 0; NaN where there is no answer
    labels: pd.DataFrame  # same index and columns: 1, 0, -1 and NaN
    left_out: pd.DataFrame  # what only one of the tables holds, with counts and examples
    name: str  # the data in words, for captions and the ledger
    is_chexpert: bool  # the tables that published numbers speak of, not a user's own

    def counts(self) -> pd.DataFrame:
        """Count, for each observation, the truth's and the labels' codes."""
        labels = self.labels
        return pd.DataFrame(
            {
                "image positive": (self.truth == POSITIVE).sum(),
                "image negative": (self.truth == NEGATIVE).sum(),
                "report positive": (labels == POSITIVE).sum(),
                "report negative": (labels == NEGATIVE).sum(),
                "report uncertain": (labels == UNCERTAIN).sum(),
                "report blank": labels.isna().sum(),
            }
        ).rename_axis("observation")

    def scored_observations(self, minimum_positives: int) -> list[str]:
        """List the observations with enough image-positive and image-negative studies."""
        counts = self.counts()
        enough = counts[["image positive", "image negative"]].min(axis=1) >= minimum_positives
        if not enough.any():
            raise LabelTableError(
                f"{self.name}: no observation has {minimum_positives} image-positive and "
                "image-negative studies; lower the parameter minimum_positives."
            )
        return counts.index[enough].tolist()

    def with_complete_truth(self, observations: list[str]) -> "LabelPair":
        """Keep studies whose truth is known for all these observations, and count the others."""
        known = self.truth[observations].notna().all(axis=1)
        dropped = pd.DataFrame(
            [{"what": "studies", "table": "truth blank", "count": int((~known).sum()),
              "examples": ", ".join(repr(str(study)) for study in known.index[~known][:3])}]
        )  # fmt: skip
        return replace(
            self,
            truth=self.truth.loc[known, observations],
            labels=self.labels.loc[known],
            left_out=self.left_out if known.all() else pd.concat([self.left_out, dropped]),
        )


def load_label_pair(truth: str, labels: str) -> LabelPair:
    """Load the CheXpert test set, its labeler file repaired, or your own two tables.

    Parameters
    ----------
    truth, labels : str
        Paths of CSV or Parquet tables, or ``"chexpert_test_set_labels"`` for both.

    Returns
    -------
    LabelPair

    Raises
    ------
    LabelTableError
        If only one table is given, or a table breaks the schema.
    """
    is_chexpert = is_chexpert_test(truth, labels)
    if is_chexpert:
        released = chexpert_test.load()
        image, report = released.truth, released.labeler
        name = "CheXpert test set, labeler file repaired"
    else:
        image = read_label_table(truth, frozenset({POSITIVE, NEGATIVE}))
        report = read_label_table(labels)
        name = f"{Path(truth).name} and {Path(labels).name}"
    return LabelPair(*match_studies(image, report), name, is_chexpert)


def tables_as_given(truth: str, labels: str) -> tuple[dict[str, pd.DataFrame], list[Path]]:
    """Read label tables without any repair or reordering, for the integrity checks.

    Parameters
    ----------
    truth, labels : str
        Paths of your own tables, or ``"chexpert_test_set_labels"`` for all released label tables.

    Returns
    -------
    tables : dict of str to DataFrame
        ``truth`` first, then ``labels``; of the CheXpert test set also every reader.
    paths : list of Path
        The files behind them, and for CheXpert the second labeler file.
    """
    if is_chexpert_test(truth, labels):
        return chexpert_test.released_tables()
    paths = [Path(truth), Path(labels)]
    tables = (read_label_table(path, keep_column_order=True) for path in paths)
    return dict(zip(("truth", "labels"), tables, strict=True)), paths


def is_chexpert_test(truth: str, labels: str) -> bool:
    """Say whether two parameters stand for the CheXpert test set; half of it is an error."""
    if truth == labels == chexpert_test.NAME:
        return True
    if chexpert_test.NAME in (truth, labels):
        raise LabelTableError(
            "give both tables, truth and labels; one of your own cannot be compared with "
            "the CheXpert test set"
        )
    return False
