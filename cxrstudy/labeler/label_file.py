"""Label a file of reports of any size, piece by piece, and write a table of labels."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxrstudy.labeler.files import ReportFileError, count_reports, read_reports
from cxrstudy.observations import LABEL_CODES, OBSERVATIONS
from cxrstudy.whole_files import written_whole

LabelTexts = Callable[[list[str]], pd.DataFrame]
"""A labeler: a row for each text, a column for each observation, codes 1, 0, -1 and NaN."""

_CODES = [code for code in LABEL_CODES if code is not None]
_CELLS = np.array([str(code) for code in _CODES] + [""], dtype=object)


@dataclass(frozen=True, eq=False)
class LabeledFile:
    """What was labeled, and how often each code was given.

    Attributes
    ----------
    destination : Path
        The table of labels.
    n_reports, n_without_text : int
        All reports, and those that hold nothing but white space.
    counts : DataFrame of int, shape (14, 4)
        For each observation the numbers of positive, negative, uncertain and blank labels.
    """

    destination: Path
    n_reports: int
    n_without_text: int
    counts: pd.DataFrame


def label_file(
    source: str | Path, destination: str | Path, label_texts: LabelTexts, chunk_rows: int = 4096
) -> LabeledFile:
    """Label every report of a file.

    The whole source is checked before the first report is labeled. The destination appears when
    it is complete; a run that fails or is stopped leaves an older one as it was. Only one piece
    of the source is in memory at a time.

    Parameters
    ----------
    source : str or Path
        Reports, as `cxrstudy.labeler.files.read_reports` reads them.
    destination : str or Path
        A ``.csv`` file with the columns id and the 14 observations; cells are 1, 0, -1 or blank.
        `cxrstudy.data.tables.read_label_table` reads it.
    label_texts : callable
        From a list of n texts to a DataFrame of shape (n, 14).
    chunk_rows : int
        Reports that are labeled at once.

    Returns
    -------
    LabeledFile

    Raises
    ------
    ReportFileError
        If the source breaks a rule of `read_reports`, or the destination cannot be written.
    ValueError
        If the labeler returns another shape, other columns or other codes.
    """
    source, destination = Path(source), Path(destination)
    _check_destination(source, destination)
    total = count_reports(source)
    counts = np.zeros((len(OBSERVATIONS), len(_CELLS)), dtype=np.int64)
    without_text = 0
    with (
        written_whole(destination) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
        tqdm(total=total, unit=" reports", desc=source.name) as progress,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *OBSERVATIONS])
        for chunk in read_reports(source, chunk_rows):
            places = _code_places(label_texts(chunk["report"].tolist()), len(chunk))
            writer.writerows(zip(chunk["id"], *_CELLS[places.T].tolist(), strict=True))
            counts += [np.bincount(column, minlength=len(_CELLS)) for column in places.T]
            without_text += int((chunk["report"].str.strip() == "").sum())
            progress.update(len(chunk))
    names = list(LABEL_CODES.values())
    table = pd.DataFrame(counts, index=pd.Index(OBSERVATIONS, name="observation"), columns=names)
    return LabeledFile(destination, total, without_text, table)


def _check_destination(source: Path, destination: Path) -> None:
    if destination.is_dir():
        raise ReportFileError(f"{destination}: is a folder. Name the file of labels to write.")
    if destination.suffix.lower() != ".csv":
        raise ReportFileError(f"{destination}: labels are written as CSV. End the name in .csv.")
    if not destination.parent.is_dir():
        raise ReportFileError(f"{destination.parent}: no such folder. Make it, or name another.")
    if destination.exists() and source.exists() and destination.samefile(source):
        raise ReportFileError(
            f"{destination}: is the file of reports itself. Name another file for the labels."
        )


def _code_places(labels: pd.DataFrame, n_reports: int) -> np.ndarray:
    """Return for each label the place of its code in `_CELLS`; the last one is blank."""
    if tuple(labels.columns) != OBSERVATIONS or len(labels) != n_reports:
        raise ValueError(
            f"the labeler returned {labels.shape} with columns {list(labels.columns)}; "
            f"{n_reports} reports need as many rows and the columns {list(OBSERVATIONS)}"
        )
    codes = labels.to_numpy(dtype=float)
    places = np.full(codes.shape, len(_CODES))
    for place, code in enumerate(_CODES):
        places[codes == code] = place
    unknown = codes[(places == len(_CODES)) & ~np.isnan(codes)]
    if unknown.size:
        raise ValueError(f"the labeler returned the code {unknown[0]:g}; codes are {_CODES}")
    return places
