"""What study 02 shows of the two mappings of `cxrstudy.experiments.label_mapping`."""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.label_mapping import DIFFERENCE, METHODS, compare_mappings

__all__ = [
    "DIFFERENCE",
    "METHODS",
    "compare_mappings",
    "f1_by_alignment",
    "fewest_events",
    "scores_beside_floor",
]


def scores_beside_floor(intervals: pd.DataFrame, floor: pd.Series) -> pd.DataFrame:
    """Put the F1 of always answering positive beside the scores of both mappings."""
    floors = floor.rename("estimate").rename_axis("observation").reset_index()
    scores = intervals[intervals["method"].isin(METHODS)]
    return pd.concat([floors.assign(metric="f1", method="always positive"), scores])


def fewest_events(truth: pd.DataFrame) -> int:
    """Count the rarest class of all observations.

    >>> fewest_events(pd.DataFrame({"Edema": [1, 0, 0], "Fracture": [1, 1, 1]}))
    0
    """
    return int(min(truth.sum().min(), (1 - truth).sum().min()))


def f1_by_alignment(
    truth: pd.DataFrame, tables: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Score both mappings by F1 on several alignments of one label table."""
    found = pd.concat(
        compare_mappings(truth, table, resampling).intervals(("f1",)).assign(alignment=name)
        for name, table in tables.items()
    )
    return found[found["method"].isin(METHODS)]
