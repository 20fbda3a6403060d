"""The 14 observations, their hierarchy, the codes of a label and other sources' terms."""

from functools import cache
from importlib.resources import files

import pandas as pd
import yaml


def _package_data(name: str) -> dict:
    return yaml.safe_load(files(__package__).joinpath(name).read_text("utf-8"))


_DEFINITIONS = _package_data("observations.yaml")
_ROWS = _DEFINITIONS["observations"]

# In CheXpert's column order.
OBSERVATIONS: tuple[str, ...] = tuple(row["name"] for row in _ROWS)

# One plain sentence for each observation.
DEFINITIONS: dict[str, str] = {row["name"]: row["definition"] for row in _ROWS}

# Child to parent in CheXpert's hierarchy (Irvin et al. 2019, Figure 1).
PARENTS: dict[str, str] = {row["name"]: row["parent"] for row in _ROWS if row["parent"]}

# The five findings that the CheXpert leaderboard scores.
COMPETITION_OBSERVATIONS: tuple[str, ...] = tuple(
    row["name"] for row in _ROWS if row["competition"]
)

# Codes of a mention; an observation that is not mentioned is blank (NaN).
POSITIVE, NEGATIVE, UNCERTAIN = 1, 0, -1

# Code to name; None stands for blank.
LABEL_CODES: dict[int | None, str] = {
    row["code"]: row["name"] for row in _DEFINITIONS["label_codes"]
}

# Name of an uncertainty policy to what it does.
UNCERTAINTY_POLICIES: dict[str, str] = _DEFINITIONS["uncertainty_policies"]


def ancestors(observation: str) -> tuple[str, ...]:
    """List the parents of an observation, nearest first.

    >>> ancestors("Pneumonia")
    ('Consolidation', 'Lung Opacity')
    """
    parent = PARENTS.get(observation)
    return () if parent is None else (parent, *ancestors(parent))


@cache
def crosswalk() -> pd.DataFrame:
    """Tabulate every source's terms against the 14 observations, once for all studies.

    The relation is exact, narrower, broader or different construct. Terms that no observation
    covers have an empty observation and relation.
    """
    rows = [
        {"source": source, **term, "citation": entry["citation"]}
        for source, entry in _package_data("crosswalk.yaml")["sources"].items()
        for term in entry["terms"]
    ]
    columns = ["source", "term", "observation", "relation", "note", "citation"]
    return pd.DataFrame(rows, columns=columns).fillna("").astype("str")
