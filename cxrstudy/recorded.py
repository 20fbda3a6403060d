"""What is recorded in the repository: tables of benchmarks with their provenance, and runs.

A heavy study is built in minutes with a small parameter set; the page of a longer run lies beside
the book and is shown in place of the smaller one.
"""

import json
from pathlib import Path

import pandas as pd

from cxrstudy.paths import recorded_folder

SETS_BY_SIZE: tuple[str, ...] = ("test", "quick", "cpu", "full")
"""Parameter sets from the smallest to the one for publication."""

PROVENANCE: tuple[str, ...] = ("set", "hardware", "versions", "date", "data", "commit")
"""Columns that say where a recorded row comes from; the same in every row of a file."""


def recorded_path(name: str) -> Path:
    """Return where a recorded table lies, whether or not there is one."""
    return recorded_folder() / f"{name}.csv"


def load_recorded(name: str) -> pd.DataFrame | None:
    """Read a recorded table with the columns of `PROVENANCE`; None if there is none."""
    path = recorded_path(name)
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
    """Name the hardware of each recorded table and run, sorted."""
    tables, stamps = (sorted(recorded_folder().glob(name)) for name in ("*.csv", "*/stamp.json"))
    return {path.stem: sorted(pd.read_csv(path)["hardware"].unique()) for path in tables} | {
        path.parent.name: [json.loads(path.read_text("utf-8"))["hardware"]] for path in stamps
    }
