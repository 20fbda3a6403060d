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
_TRUTH_FILE = "groundtruth.csv"
LABELER_FILES = ("labeler/chexpert_labels.csv", "labeler/chexbert_labels.csv")
TRUTH_READERS = ("bc1", "bc2", "bc3", "bc5", "bc7")
BENCHMARK_READERS = ("bc4", "bc6", "bc8")
_READER_FILES = {
    **{name: f"radiologists/groundtruth/{name}_gt.csv" for name in TRUTH_READERS},
    **{name: f"radiologists/benchmark_radiologists/{name}.csv" for name in BENCHMARK_READERS},
}

# Where the labeler file's ids are displaced: joined by id, labels stand one row too early.
RELEASED_DEFECT = Block.rotation(400, 500, shift=-1)

_BINARY = frozenset({POSITIVE, NEGATIVE})


@dataclass(frozen=True)
class ChexpertTestLabels:
    """All label tables of the 500 studies, on one index and in one column order."""

    truth: pd.DataFrame  # (500, 14): 1 and 0, the majority of the five truth readers
    readers: dict[str, pd.DataFrame]  # each (500, 14): 1 and 0 of radiologists bc1 to bc8
    labeler: pd.DataFrame  # (500, 14): the report labeler's codes 1, 0, -1 and NaN
    model_scores: dict[str, pd.DataFrame]  # each (500, 5): leaderboard models' scores


@cache
def load(labeler_alignment: Literal["repaired", "as released"] = "repaired") -> ChexpertTestLabels:
    """Load and check all label tables of the CheXpert test set.

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
        If a file is nowhere, or its bytes are not the pinned ones.
    LabelTableError
        If a file is not what its schema says.
    """
    truth = _read(_TRUTH_FILE, _BINARY)
    readers = {name: _read(_READER_FILES[name], _BINARY) for name in sorted(_READER_FILES)}
    labeler = _read(LABELER_FILES[0]).loc[truth.index]
    if labeler_alignment == "repaired":
        order = RELEASED_DEFECT.permutation(len(labeler))
        labeler = labeler.iloc[order].set_axis(labeler.index)
        logger.info(
            "%s: rows %d to %d moved by one row to undo the displaced ids of the released file",
            LABELER_FILES[0], RELEASED_DEFECT.start, RELEASED_DEFECT.stop - 1,
        )  # fmt: skip
    return ChexpertTestLabels(
        truth=truth,
        readers={name: table.loc[truth.index] for name, table in readers.items()},
        labeler=labeler,
        model_scores={name: read_scores(name).loc[truth.index] for name in model_names()},
    )


def released_tables() -> tuple[dict[str, pd.DataFrame], list[Path]]:
    """Read truth, "labels" and readers as released, and all paths, the second labeler's last."""
    named = {"truth": _TRUTH_FILE, "labels": LABELER_FILES[0], **_READER_FILES}
    tables = {name: _read(file, keep_column_order=True) for name, file in named.items()}
    return tables, [dataset(NAME).path(file) for file in (*named.values(), LABELER_FILES[1])]


def model_names() -> list[str]:
    """List the leaderboard models whose scores were released."""
    folder = "example_models/predictions/standard/"
    files = [file for file in dataset(NAME).files if file.startswith(folder)]
    return [file.removeprefix(folder).removesuffix("_predictions.csv") for file in files]


def read_scores(model: str) -> pd.DataFrame:
    """Read one leaderboard model's scores of the five findings, in file order."""
    path = dataset(NAME).path(f"example_models/predictions/standard/{model}_predictions.csv")
    scores = pd.read_csv(path, index_col="Study").rename_axis("study")
    if set(scores) != set(COMPETITION_OBSERVATIONS) or scores.isna().any(axis=None):
        raise LabelTableError(f"{path}: needs a score for each of the five findings in every row")
    return scores[list(COMPETITION_OBSERVATIONS)].astype(float)


def _read(file: str, codes: frozenset[int] | None = None, **options) -> pd.DataFrame:
    return read_label_table(dataset(NAME).path(file), codes, **options)
