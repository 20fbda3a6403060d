"""Recorded runs: aggregate results of the best run at hand, kept in the repository.

A heavy study is built in minutes with a small parameter set. What a longer run found is kept
beside the book, with its provenance, and shown apart from the reader's own run.
"""

from pathlib import Path

import pandas as pd

from cxrstudy.paths import in_project

SETS_BY_SIZE: tuple[str, ...] = ("test", "quick", "cpu", "full")
"""Parameter sets from the smallest to the one for publication."""

PROVENANCE: tuple[str, ...] = ("set", "hardware", "versions", "date", "data", "commit")
"""Columns that say where a recorded row comes from; the same in every row of a file."""


def recorded_folder() -> Path:
    """Return the folder of the recorded runs."""
    return in_project("book/recorded")


def recorded_path(study: str) -> Path:
    """Return where a study's recorded table lies, whether or not there is one.

    Parameters
    ----------
    study : str
        Name of a study.

    Returns
    -------
    Path
    """
    return recorded_folder() / f"{study}.csv"


def load_recorded(study: str) -> pd.DataFrame | None:
    """Read a study's recorded table.

    Parameters
    ----------
    study : str
        Name of a study.

    Returns
    -------
    DataFrame or None
        The table with the columns of `PROVENANCE`; None if no run was recorded.
    """
    path = recorded_path(study)
    return pd.read_csv(path) if path.exists() else None


def provenance_in_words(recorded: pd.DataFrame) -> str:
    """Say in one sentence where a recorded table comes from.

    Parameters
    ----------
    recorded : DataFrame
        From `load_recorded`.

    Returns
    -------
    str
    """
    row = recorded.iloc[0]
    return (
        f"Recorded run, set {row['set']}, of {row['date']} on {row['hardware']} "
        f"({row['versions']}); data {row['data']}."
    )
