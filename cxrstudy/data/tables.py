"""Read a label table (study id by observations) strictly, with errors that say what to do."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.observations import LABEL_CODES, OBSERVATIONS

_ID_COLUMNS: tuple[str, ...] = ("study", "study_id", "id")  # in any case

# In small letters, what stands for no value.
BLANKS = {"", "nan", "na", "n/a", "null", "none"}
_CODES = {code for code in LABEL_CODES if code is not None}


class LabelTableError(ValueError):
    """A label table breaks the schema; the message names file, row, column and remedy."""


def read_label_table(
    path: str | Path, codes: frozenset[int] | None = None, *, keep_column_order: bool = False
) -> pd.DataFrame:
    """Read a CSV or Parquet table with an id column and any of the 14 observations.

    The result is indexed by study id (text), columns in CheXpert's order unless the file's is kept,
    blank as NaN. ``codes`` are allowed besides blank: 1, 0 and -1 unless told otherwise. One wrong
    cell in a label table shifts every figure that is computed from it, so nothing is guessed: the
    first thing that is not understood stops the reading, with its place.
    """
    path = Path(path)
    cells = _read_cells(path)
    id_column = _find_id_column(path, cells.columns)
    ids = cells[id_column].str.strip()
    _check_ids(path, ids)
    labels = cells.drop(columns=id_column).apply(_parse_column, args=(path, codes or _CODES))
    labels.index = pd.Index(ids, dtype="str", name="study")
    return labels if keep_column_order else labels[[n for n in OBSERVATIONS if n in labels]]


def match_studies(
    truth: pd.DataFrame, labels: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Keep what two tables share, in the truth's order, and list what only one of them holds."""
    studies = truth.index.intersection(labels.index, sort=False)
    columns = [name for name in OBSERVATIONS if name in truth and name in labels]
    if studies.empty:
        raise LabelTableError(
            "the two tables share no study id: truth has ids like "
            f"{_examples(truth.index)}, labels has {_examples(labels.index)}. "
            "Write the ids of both tables in the same way."
        )
    if not columns:
        raise LabelTableError(
            f"the two tables share no observation: truth has {_examples(truth.columns)}, "
            f"labels has {_examples(labels.columns)}."
        )
    only = [
        ("studies", "truth", truth.index.difference(studies, sort=False)),
        ("studies", "labels", labels.index.difference(studies, sort=False)),
        ("observations", "truth", truth.columns.difference(columns, sort=False)),
        ("observations", "labels", labels.columns.difference(columns, sort=False)),
    ]
    left_out = pd.DataFrame(
        [
            {"what": what, "table": table, "count": len(names), "examples": _examples(names)}
            for what, table, names in only
            if len(names)
        ],
        columns=["what", "table", "count", "examples"],
    )
    return truth.loc[studies, columns], labels.loc[studies, columns], left_out


def _read_cells(path: Path) -> pd.DataFrame:
    """Return every cell as text, whatever the format."""
    if not path.is_file():
        raise LabelTableError(f"{path}: no such file. Give the path of a CSV or Parquet table.")
    if path.suffix.lower() in {".parquet", ".pq"}:
        return read_parquet(path)
    return _read_csv(path)


def read_parquet(path: Path) -> pd.DataFrame:
    """Return every cell of a Parquet table as text."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise LabelTableError(f"{path}: not a readable Parquet file ({error}).") from error
    if table.index.name is not None:
        table = table.reset_index()
    if table.empty:
        raise LabelTableError(f"{path}: the table has no rows.")
    return table.astype(object).where(table.notna(), "").map(str)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LabelTableError(
            f"{path}, row {line}: byte {error.object[error.start]:#04x} is not UTF-8. The file "
            "mixes or uses another encoding; save it again as UTF-8."
        ) from error
    return parse_csv(path, text)


def parse_csv(path: Path, text: str, separator: str = ",") -> pd.DataFrame:
    """Return every cell of a CSV file as text; what is no table is an error with its place."""
    rows = _split_rows(path, text, separator)
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if len(rows) < 2:
        raise LabelTableError(
            f"{path}: the file is empty. It needs a header row and at least one study."
        )
    header = [name.strip() for name in rows[0]]
    if len(header) == 1:
        raise LabelTableError(
            f"{path}, row 1: only one column found ({header[0]!r}). Separate columns by commas."
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise LabelTableError(
                f"{path}, row {number}: {len(row)} cells where the header has {len(header)}. "
                "Put quotes around cells that contain commas."
            )
    return pd.DataFrame(rows[1:], columns=header, dtype=object)


def _split_rows(path: Path, text: str, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise LabelTableError(
            f"{path}, row {len(rows) + 1}: not readable as CSV ({error}). Close the quote that "
            "opens there, or double quotes inside a quoted cell."
        ) from error
    return rows


def _find_id_column(path: Path, columns: pd.Index) -> str:
    repeated = columns[columns.duplicated()]
    if len(repeated):
        raise LabelTableError(f"{path}, row 1: column {repeated[0]!r} stands there twice.")
    id_columns = [name for name in columns if name.lower() in _ID_COLUMNS]
    if len(id_columns) != 1:
        found = f"{len(id_columns)} of them" if id_columns else "none of them"
        raise LabelTableError(
            f"{path}, row 1: needs exactly one id column ({', '.join(_ID_COLUMNS)}); "
            f"found {found} among {_examples(columns)}."
        )
    unknown = [name for name in columns if name not in (*OBSERVATIONS, id_columns[0])]
    if unknown:
        raise LabelTableError(
            f"{path}, row 1: unknown column {unknown[0]!r}. Columns besides the id are the "
            f"observations {', '.join(OBSERVATIONS)}; rename or drop the others."
        )
    if len(columns) == 1:
        raise LabelTableError(f"{path}, row 1: no observation column beside the id.")
    return id_columns[0]


def _check_ids(path: Path, ids: pd.Series) -> None:
    empty = np.flatnonzero(ids == "")
    if empty.size:
        raise LabelTableError(
            f"{path}, row {empty[0] + 2}, column {ids.name!r}: the id is missing "
            f"({empty.size} such rows). Give every study an id."
        )
    repeated = np.flatnonzero(ids.duplicated())
    if repeated.size:
        row, first = repeated[0], np.flatnonzero(ids == ids.iloc[repeated[0]])[0]
        raise LabelTableError(
            f"{path}, row {row + 2}, column {ids.name!r}: id {ids.iloc[row]!r} stands in row "
            f"{first + 2} already ({repeated.size} repeated ids). Keep one row for each study."
        )


def _parse_column(column: pd.Series, path: Path, codes: frozenset[int]) -> pd.Series:
    text = column.str.strip()
    blank = text.str.lower().isin(BLANKS)
    values = pd.to_numeric(text.mask(blank, "nan"), errors="coerce").astype(float)
    wrong = np.flatnonzero(~(blank | values.isin(list(codes))))
    if wrong.size:
        row = wrong[0]
        allowed = ", ".join(str(code) for code in sorted(codes, reverse=True))
        raise LabelTableError(
            f"{path}, row {row + 2}, column {column.name!r}: {text.iloc[row]!r} is no label code "
            f"({wrong.size} such cells in this column). Use {allowed} or leave the cell blank."
        )
    return values


def _examples(names: pd.Index, limit: int = 3) -> str:
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
