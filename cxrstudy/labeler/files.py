"""Read files of reports piece by piece, with errors that say what to do."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("id", "report")  # of a table of reports, in any case; other columns are ignored

_Place = int | str  # row of a table (a CSV file's header is row 1), or name of a text file
_Row = tuple[_Place, str, str]  # place, id, report

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ReportFileError(ValueError):
    """A file of reports cannot be used; the message names file, row, column and remedy."""


def read_reports(path: str | Path, chunk_rows: int = 4096) -> Iterator[pd.DataFrame]:
    """Read the columns id and report in pieces, so that a file may be larger than memory.

    The path is a table (``.csv``, ``.csv.gz``, ``.parquet``) with these columns, or a folder of
    ``.txt`` files named by their ids. Nothing in a report is interpreted: ``NA`` is text, and an id
    keeps its leading zeros. An unknown kind of path is refused at once, a wrong row when its piece
    is read. Only the ids stay in memory.
    """
    path = Path(path)
    return _chunks(path, _rows(path), chunk_rows)


def _rows(path: Path) -> Iterator[_Row]:
    """Choose how a path is read by its kind."""
    if path.is_dir():
        return _folder_rows(path)
    if not path.exists():
        raise ReportFileError(
            f"{path}: no such file. Give the path of a CSV or Parquet table or of a folder."
        )
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return _csv_rows(path)
    if name.endswith((".parquet", ".pq")):
        return _parquet_rows(path)
    raise ReportFileError(
        f"{path}: unknown kind of file {path.suffix!r}. Give a .csv, .csv.gz or .parquet table, or "
        "a folder of .txt files."
    )


def _chunks(path: Path, rows: Iterator[_Row], chunk_rows: int) -> Iterator[pd.DataFrame]:
    seen: dict[str, _Place] = {}
    while batch := list(islice(rows, chunk_rows)):
        places, ids, reports = zip(*batch, strict=True)
        ids = [name.strip() for name in ids]
        for place, name in zip(places, ids, strict=True):
            if not name:
                raise ReportFileError(
                    f"{_where(path, place, 'id')}: the id is missing. Give every report an id."
                )
            if name in seen:
                raise ReportFileError(
                    f"{_where(path, place, 'id')}: id {name!r} stands in "
                    f"{_where(path, seen[name])} already. Keep one row for each report."
                )
            seen[name] = place
        yield pd.DataFrame({"id": ids, "report": reports}, dtype="str")


def _folder_rows(folder: Path) -> Iterator[_Row]:
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".txt")
    if not names:
        raise ReportFileError(
            f"{folder}: no .txt file in this folder (folders inside it are not read). Put one "
            "report into each file, named by its id."
        )
    for name in names:
        path = folder / name
        yield name, path.stem, "".join(_lines(path))


def _csv_rows(path: Path) -> Iterator[_Row]:
    rows = _split_rows(path)
    header = next(rows, None)
    if header is None:
        raise ReportFileError(f"{path}: the file is empty. It needs a header and reports.")
    names = [name.strip() for name in header[1]]
    id_column, report_column = (_column(path, names, name) for name in COLUMNS)
    number = None
    for number, row in rows:
        if len(row) != len(names):
            raise ReportFileError(
                f"{path}, row {number}: {len(row)} cells where the header has {len(names)}. "
                "Put quotes around cells that contain commas or line breaks."
            )
        yield number, row[id_column], row[report_column]
    if number is None:
        raise ReportFileError(f"{path}: no report below the header. Add a row for each report.")


def _lines(path: Path) -> Iterator[str]:
    """Decode line by line, so that an error can name its line, and drop a byte order mark."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield line.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReportFileError(
            f"{path}, line {number}: byte {error.object[error.start]:#04x} is not UTF-8. The file "
            "mixes or uses another encoding; save it again as UTF-8."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise ReportFileError(
            f"{path}, line {number + 1}: not readable ({error}). If it is damaged, copy it anew."
        ) from error


def _split_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give each row its number; rows without any character count but are left out."""
    number = 0
    try:
        for number, row in enumerate(csv.reader(_lines(path), strict=True), start=1):
            if row:
                yield number, row
    except csv.Error as error:
        raise ReportFileError(
            f"{path}, row {number + 1}: not readable as CSV ({error}). Close the quote that opens "
            "there, or double quotes inside a quoted cell."
        ) from error


def _column(path: Path, names: list[str], wanted: str) -> int:
    """Find the one column of a name."""
    places = [place for place, name in enumerate(names) if name.lower() == wanted]
    if len(places) != 1:
        found = f"stands there {len(places)} times" if places else "is missing"
        shown = ", ".join(repr(name) for name in names[:5])
        raise ReportFileError(
            f"{path}, header: column {wanted!r} {found}; the columns are {shown}"
            f"{' and more' if len(names) > 5 else ''}. A table of reports has one column 'id' and "
            "one column 'report', separated by commas."
        )
    return places[0]


def _parquet_rows(path: Path) -> Iterator[_Row]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = [names[_column(path, names, name)] for name in COLUMNS]
            _check_types(path, file.schema_arrow, columns)
            if not file.metadata.num_rows:
                raise ReportFileError(f"{path}: the table has no rows. Add a row for each report.")
            number = 1
            for batch in file.iter_batches(1024, columns=columns, use_threads=False):
                ids, reports = (_texts(path, batch[name], number) for name in columns)
                yield from zip(range(number, number + len(ids)), ids, reports, strict=True)
                number += len(ids)
    except (pa.ArrowException, OSError) as error:
        raise ReportFileError(f"{path}: not a readable Parquet file ({error}).") from error


def _check_types(path: Path, schema: pa.Schema, columns: list[str]) -> None:
    """Refuse columns that are no text; ids may be whole numbers."""
    for wanted, name in zip(COLUMNS, columns, strict=True):
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        text |= pa.types.is_string_view(kind) or pa.types.is_null(kind)
        if not text and not (wanted == "id" and pa.types.is_integer(kind)):
            raise ReportFileError(
                f"{path}, column {name!r}: holds {kind}, not text. Write the column as strings."
            )


def _texts(path: Path, column: pa.Array, first_row: int) -> list[str]:
    """Return a column as text, empty where it has no value."""
    text = column.cast(pa.large_string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        rows = f"{first_row} to {first_row + len(text) - 1}"
        raise ReportFileError(
            f"{path}, rows {rows}: text that is not UTF-8 ({error}). Write the column as UTF-8."
        ) from error
    return text.fill_null("").to_pylist()


def _where(path: Path, place: _Place, column: str = "") -> str:
    """Name a place in a table, or a file of a folder."""
    if isinstance(place, str):
        return str(path / place)
    return f"{path}, row {place}" + (f", column {column!r}" if column else "")
