"""Recorded runs: aggregate results of the best run at hand, kept in the repository.

A heavy study is built in minutes with a small parameter set. What a longer run found lies beside
the book, keys and numbers with their provenance, and is shown apart from the reader's own run.
"""

from pathlib import Path

import pandas as pd

from cxrstudy.paths import recorded_folder

SETS_BY_SIZE: tuple[str, ...] = ("test", "quick", "cpu", "full")
"""Parameter sets from the smallest to the one for publication."""

PROVENANCE: tuple[str, ...] = ("set", "hardware", "versions", "date", "data", "commit")
"""Columns that say where a recorded row comes from; the same in every row of a file."""


def recorded_path(study: str) -> Path:
    """Return where a study's recorded table lies, whether or not there is one."""
    return recorded_folder() / f"{study}.csv"


def load_recorded(study: str) -> pd.DataFrame | None:
    """Read a study's recorded table with the columns of `PROVENANCE`; None if there is none."""
    path = recorded_path(study)
    return pd.read_csv(path) if path.exists() else None


def provenance_in_words(recorded: pd.DataFrame) -> str:
    """Say where a recorded table comes from: set, date, hardware and number of cases."""
    row = recorded.iloc[0]
    words = f"Recorded run: set {row['set']}, {row['date']}, {row['hardware']}"
    if "n" not in recorded:
        return f"{words}."
    fewest, most = recorded["n"].min(), recorded["n"].max()
    n = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"{words}; n = {n}."


def provenance_in_full(recorded: pd.DataFrame) -> str:
    """List what one needs to repeat a recorded run: versions, data with their hashes, commit."""
    row = recorded.iloc[0].fillna("")
    parts = {"Versions": row["versions"], "Data": row["data"], "Commit": row["commit"]}
    return " ".join(f"{name}: {value}." for name, value in parts.items() if value)


def recorded_hardware() -> dict[str, list[str]]:
    """Name by study the hardware that its recorded rows name, sorted."""
    return {
        path.stem: sorted(pd.read_csv(path)["hardware"].unique())
        for path in sorted(recorded_folder().glob("*.csv"))
    }
