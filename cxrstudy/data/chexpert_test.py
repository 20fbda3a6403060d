"""The CheXpert test-set labels: image readers, report labeler and leaderboard models.

500 studies, one patient each. Eight radiologists read the images; the majority of five of them
is the truth, the other three are the benchmark readers. The released labeler file carries its
study ids one row off in a block of 100 rows; `load` repairs that openly, and study 01 shows how
it is found and why the repair is right.
"""

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd

from cxrstudy.data.integrity import Block
from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError, read_label_table
from cxrstudy.observations import COMPETITION_OBSERVATIONS, NEGATIVE, POSITIVE

logger = logging.getLogger(__name__)

NAME = "chexpert_test_set_labels"
TRUTH_FILE = "groundtruth.csv"
LABELER_FILES = ("labeler/chexpert_labels.csv", "labeler/chexbert_labels.csv")
TRUTH_READERS = ("bc1", "bc2", "bc3", "bc5", "bc7")
BENCHMARK_READERS = ("bc4", "bc6", "bc8")
READER_FILES = {
    **{name: f"radiologists/groundtruth/{name}_gt.csv" for name in TRUTH_READERS},
    **{name: f"radiologists/benchmark_radiologists/{name}.csv" for name in BENCHMARK_READERS},
}

RELEASED_DEFECT = Block.rotation(400, 500, shift=-1)
"""Where the labeler file's ids are displaced: joined by id, labels stand one row too early."""

_BINARY = frozenset({POSITIVE, NEGATIVE})


@dataclass(frozen=True)
class ChexpertTestLabels:
    """All label tables of the 500 studies, on one index and in one column order.

    Attributes
    ----------
    truth : DataFrame of float, shape (500, 14)
        Majority of the five truth readers.
    readers : dict of str to DataFrame, each (500, 14)
        Each radiologist's labels, ``bc1`` to ``bc8``.
    labeler : DataFrame of float, shape (500, 14)
        The report labeler's codes 1, 0, -1 and NaN.
    model_scores : dict of str to DataFrame, each (500, 5)
        Leaderboard models' scores for the five competition findings.
    """

    truth: pd.DataFrame
    readers: dict[str, pd.DataFrame]
    labeler: pd.DataFrame
    model_scores: dict[str, pd.DataFrame]

    def tidy(self) -> pd.DataFrame:
        """Stack every table: columns source, study, observation, value (blanks left out)."""
        tables = {"truth": self.truth, **self.readers, "labeler": self.labeler, **self.model_scores}
        stacked = pd.concat(
            {name: table.stack().dropna() for name, table in tables.items()},
            names=["source", "study", "observation"],
        )
        return stacked.rename("value").reset_index()


@cache
def load(labeler_alignment: Literal["repaired", "as released"] = "repaired") -> ChexpertTestLabels:
    """Load and check all tables.

    Parameters
    ----------
    labeler_alignment : {"repaired", "as released"}
        ``as released`` joins the labeler's rows by their printed ids, which misplaces 100
        studies; it is there to show what the defect costs.

    Returns
    -------
    ChexpertTestLabels

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        See `cxrstudy.data.registry`.
    LabelTableError
        If a file is not what its schema says.
    """
    truth = read(TRUTH_FILE, _BINARY)
    readers = {name: read(file, _BINARY) for name, file in READER_FILES.items()}
    labeler = read(LABELER_FILES[0]).loc[truth.index]
    if labeler_alignment == "repaired":
        order = RELEASED_DEFECT.permutation(len(labeler))
        labeler = labeler.iloc[order].set_axis(labeler.index)
        logger.info(
            "%s: rows %d to %d moved by one row to undo the displaced ids of the released file",
            LABELER_FILES[0], RELEASED_DEFECT.start, RELEASED_DEFECT.stop - 1,
        )  # fmt: skip
    return ChexpertTestLabels(
        truth=truth,
        readers={name: readers[name].loc[truth.index] for name in sorted(readers)},
        labeler=labeler,
        model_scores={name: read_scores(name).loc[truth.index] for name in model_names()},
    )


def read(file: str, codes: frozenset[int] | None = None, **options) -> pd.DataFrame:
    """Read one released label table as it is, indexed by its printed study ids.

    Parameters
    ----------
    file : str
        Path inside the data set.
    codes : frozenset of int, optional
        Codes that are allowed besides blank.
    **options
        Passed on to `cxrstudy.data.tables.read_label_table`.

    Returns
    -------
    DataFrame of float
    """
    return read_label_table(dataset(NAME).path(file), codes, **options)


def released_tables() -> tuple[dict[str, pd.DataFrame], list[Path]]:
    """Read every released label table without repair, for the integrity checks.

    Returns
    -------
    tables : dict of str to DataFrame
        ``truth``, ``labels`` (the labeler) and the eight readers, rows and columns in file order.
    paths : list of Path
        The files behind them and the second labeler file.
    """
    named = {"truth": TRUTH_FILE, "labels": LABELER_FILES[0], **READER_FILES}
    tables = {name: read(file, keep_column_order=True) for name, file in named.items()}
    return tables, [dataset(NAME).path(file) for file in (*named.values(), LABELER_FILES[1])]


def model_names() -> list[str]:
    """Names of the leaderboard models whose scores were released."""
    folder = "example_models/predictions/standard/"
    files = [file for file in dataset(NAME).files if file.startswith(folder)]
    return [file.removeprefix(folder).removesuffix("_predictions.csv") for file in files]


def read_scores(model: str) -> pd.DataFrame:
    """Read one leaderboard model's scores, in file order.

    Parameters
    ----------
    model : str
        One of `model_names`.

    Returns
    -------
    DataFrame of float, shape (500, 5)

    Raises
    ------
    LabelTableError
        If a finding or a score is missing.
    """
    path = dataset(NAME).path(f"example_models/predictions/standard/{model}_predictions.csv")
    scores = pd.read_csv(path, index_col="Study").rename_axis("study")
    if set(scores) != set(COMPETITION_OBSERVATIONS) or scores.isna().any(axis=None):
        raise LabelTableError(f"{path}: needs a score for each of the five findings in every row")
    return scores[list(COMPETITION_OBSERVATIONS)].astype(float)
