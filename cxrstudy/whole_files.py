"""Files that are whole or absent, whatever happens while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside a file; what lies there takes its place at the end.

    After an error nothing is left, and an earlier file stays as it was. The name has the file's
    ending, which some writers go by; the file's folder must exist.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_table_path(path: Path, error: type[ValueError]) -> None:
    """Refuse a path to which no CSV table can be written, before its rows are computed."""
    if path.is_dir():
        raise error(f"{path}: is a folder. Name the table to write.")
    if path.suffix.lower() != ".csv":
        raise error(f"{path}: tables are written as CSV. End the name in .csv.")
    if not path.parent.is_dir():
        raise error(f"{path.parent}: no such folder. Make it, or name another.")
    if not os.access(path.parent, os.W_OK):
        raise error(f"{path.parent}: not writable. Name another folder.")
