"""The pair of tables that an agreement study compares: image truth and report labels."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrstudy.data import chexpert_test
from cxrstudy.data.tables import LabelTableError, match_studies, read_label_table
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN

CHEXPERT_TEST = "chexpert_test"
"""Parameter value that stands for the CheXpert test-set labels instead of a file."""


@dataclass(frozen=True)
class LabelPair:
    """Image truth and report labels of the same studies.

    Attributes
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        1 and 0; NaN where the reader gave no answer.
    labels : DataFrame, shape (n_studies, n_observations)
        Codes 1, 0, -1 and NaN on the same studies and observations.
    left_out : DataFrame
        What only one of the tables holds, with counts and examples.
    name : str
        The data in words, for captions and the ledger.
    alignments : dict of str to DataFrame
        The labels under each way of joining them to the truth; the first one is `labels`.
    """

    truth: pd.DataFrame
    labels: pd.DataFrame
    left_out: pd.DataFrame
    name: str
    alignments: dict[str, pd.DataFrame]

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

    def with_complete_truth(self, observations: list[str]) -> "LabelPair":
        """Keep the studies whose truth is known for all of these observations.

        Parameters
        ----------
        observations : list of str
            Observations that will be scored together.

        Returns
        -------
        LabelPair
            Truth of these observations only; all labels; what was dropped joins `left_out`.
        """
        known = self.truth[observations].notna().all(axis=1)
        dropped = pd.DataFrame(
            [{"what": "studies", "table": "truth blank", "count": int((~known).sum()),
              "examples": ", ".join(repr(str(study)) for study in known.index[~known][:3])}]
        )  # fmt: skip
        left_out = self.left_out if known.all() else pd.concat([self.left_out, dropped])
        return LabelPair(
            truth=self.truth.loc[known, observations],
            labels=self.labels.loc[known],
            left_out=left_out,
            name=self.name,
            alignments={name: table.loc[known] for name, table in self.alignments.items()},
        )

    def scored_observations(self, minimum_positives: int) -> list[str]:
        """List the observations with enough image-positive (and image-negative) studies.

        Parameters
        ----------
        minimum_positives : int
            The paper asks for 50 of 500.

        Returns
        -------
        list of str

        Raises
        ------
        LabelTableError
            If no observation qualifies.
        """
        counts = self.counts()
        enough = counts[["image positive", "image negative"]].min(axis=1) >= minimum_positives
        if not enough.any():
            raise LabelTableError(
                f"{self.name}: no observation has {minimum_positives} image-positive and "
                "image-negative studies; lower the parameter minimum_positives."
            )
        return counts.index[enough].tolist()


def load_label_pair(truth: str = CHEXPERT_TEST, labels: str = CHEXPERT_TEST) -> LabelPair:
    """Load the CheXpert test set, or your own two tables.

    Parameters
    ----------
    truth, labels : str
        Paths of CSV or Parquet tables, or ``"chexpert_test"`` for both.

    Returns
    -------
    LabelPair

    Raises
    ------
    LabelTableError
        If only one table is given, or a table breaks the schema.
    """
    if truth == labels == CHEXPERT_TEST:
        released = chexpert_test.load()
        by_id = chexpert_test.load("as released").labeler
        return _pair(
            released.truth,
            {"repaired": released.labeler, "joined by printed id": by_id},
            "CheXpert test set, labeler file repaired",
        )
    if CHEXPERT_TEST in (truth, labels):
        raise LabelTableError(
            "give both tables, truth and labels; one of your own cannot be compared with "
            "the CheXpert test set"
        )
    image = read_label_table(truth, frozenset({POSITIVE, NEGATIVE}))
    report = read_label_table(labels)
    names = f"{Path(truth).name} and {Path(labels).name}"
    return _pair(image, {"as given": report}, names)


def tables_as_given(
    truth: str = CHEXPERT_TEST, labels: str = CHEXPERT_TEST
) -> tuple[dict[str, pd.DataFrame], list[Path]]:
    """Read label tables without any repair or reordering, for the integrity checks.

    Parameters
    ----------
    truth, labels : str
        Paths of your own tables, or ``"chexpert_test"`` for all released label tables.

    Returns
    -------
    tables : dict of str to DataFrame
        ``truth`` first, then ``labels``; of the CheXpert test set also every reader.
    paths : list of Path
        The files behind them, and for CheXpert the second labeler file.
    """
    if truth == labels == CHEXPERT_TEST:
        return chexpert_test.released_tables()
    paths = [Path(truth), Path(labels)]
    tables = (read_label_table(path, keep_column_order=True) for path in paths)
    return dict(zip(("truth", "labels"), tables, strict=True)), paths


def study_orders(
    truth: str = CHEXPERT_TEST, labels: str = CHEXPERT_TEST
) -> dict[str, pd.DataFrame]:
    """Read the order of study ids in every file at hand, models' scores included.

    Parameters
    ----------
    truth, labels : str
        As for `tables_as_given`.

    Returns
    -------
    dict of str to DataFrame
        Tables without columns, indexed by study id in file order.
    """
    tables, _ = tables_as_given(truth, labels)
    if truth == labels == CHEXPERT_TEST:
        tables |= {name: chexpert_test.read_scores(name) for name in chexpert_test.model_names()}
    return {name: table[[]] for name, table in tables.items()}


def _pair(truth: pd.DataFrame, alignments: dict[str, pd.DataFrame], name: str) -> LabelPair:
    first = next(iter(alignments.values()))
    shared_truth, labels, left_out = match_studies(truth, first)
    shared = {how: table.loc[labels.index, labels.columns] for how, table in alignments.items()}
    return LabelPair(shared_truth, labels, left_out, name, shared)
