"""Label a file of reports of any size, piece by piece, and write a table of labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxrstudy.labeler.files import ReportFileError, read_reports
from cxrstudy.observations import LABEL_CODES, OBSERVATIONS
from cxrstudy.whole_files import check_table_path, written_whole

_CODES = [code for code in LABEL_CODES if code is not None]


def label_file(
    source: str | Path,
    destination: str | Path,
    label_texts: Callable[[list[str]], pd.DataFrame],
    chunk_rows: int = 4096,
) -> int:
    """Label every report of a file, as `read_reports` reads it, and count them.

    The labeler makes of n texts a table (n, 14) of codes. The destination, a ``.csv`` file, appears
    when it is complete; a run that fails leaves an older one as it was.
    """
    source, destination = Path(source), Path(destination)
    check_table_path(destination, ReportFileError)
    if destination.exists() and source.exists() and destination.samefile(source):
        raise ReportFileError(
            f"{destination}: is the file of reports itself. Name another file for the labels."
        )
    chunks = read_reports(source, chunk_rows)
    n_reports = 0
    with (
        written_whole(destination) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
        tqdm(unit=" reports", desc=source.name, disable=None, delay=1) as progress,
    ):
        for chunk in chunks:
            labels = _checked(label_texts(chunk["report"].tolist()), len(chunk))
            labels.insert(0, "id", chunk["id"].to_numpy())
            labels.to_csv(file, header=n_reports == 0, index=False, lineterminator="\n")
            progress.update(len(chunk))
            n_reports += len(chunk)
    return n_reports


def _checked(labels: pd.DataFrame, n_reports: int) -> pd.DataFrame:
    """Hold a labeler to its contract, so that no label moves to another report."""
    if tuple(labels.columns) != OBSERVATIONS or len(labels) != n_reports:
        raise ValueError(
            f"the labeler returned {labels.shape} with columns {list(labels.columns)}; "
            f"{n_reports} reports need as many rows and the columns {list(OBSERVATIONS)}"
        )
    codes = labels.to_numpy(dtype=float)
    unknown = codes[~np.isnan(codes) & ~np.isin(codes, _CODES)]
    if unknown.size:
        raise ValueError(f"the labeler returned the code {unknown[0]:g}; codes are {_CODES}")
    return labels.astype("Int8")
