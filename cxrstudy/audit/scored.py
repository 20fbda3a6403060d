"""What an audit scores: studies, observations and their rows of every other table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling
from cxrstudy.audit.checks import groups_of, patients_of
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair, check_blocks
from cxrstudy.audit.suppression import counted
from cxrstudy.audit.tables import GivenTables
from cxrstudy.data.tables import LabelTableError
from cxrstudy.observations import (
    NEGATIVE,
    OBSERVATIONS,
    POSITIVE,
    UNCERTAIN,
    apply_uncertainty_policy,
)

GIVEN, REPAIRED = "as given", "repaired"
_BLOCKS = {"displaced_block", "reversed_block"}
_AGE_BANDS = {0: "under 18", 18: "18 to 39", 40: "40 to 59", 60: "60 to 79", 80: "80 and over"}


@dataclass(frozen=True, eq=False)
class Scored:
    """Tables of the same studies, rows in one order; observations with enough cases to score."""

    truth: pd.DataFrame  # 1 and 0, NaN without an answer: (n_studies, n_scored)
    labels: pd.DataFrame  # codes of all observations: 1, 0, -1, NaN
    mended: pd.DataFrame | None  # labels with displaced blocks put back, if there are any
    counts: pd.DataFrame  # of every shared observation, scored or not; of `latest`
    left_out: pd.DataFrame  # what is not scored and why: what, count
    readers: dict[str, pd.DataFrame]  # 1 and 0 of `truth`'s observations
    scores: pd.DataFrame | None
    groups: pd.DataFrame  # text
    resampling: Resampling
    minimum_events: int
    suppress_below: int

    @property
    def binary(self) -> pd.DataFrame:
        """The latest labels of the scored observations, 1 and 0; uncertain and blank as 0."""
        return apply_uncertainty_policy(self.latest[self.truth.columns], "zeros")

    @property
    def methods(self) -> dict[str, pd.DataFrame]:
        """Labels as given and, if a block of rows is displaced, as mended: 1 and 0."""
        given = apply_uncertainty_policy(self.labels[self.truth.columns], "zeros")
        return {GIVEN: given} if self.mended is None else {GIVEN: given, REPAIRED: self.binary}

    @property
    def latest(self) -> pd.DataFrame:
        """Labels with displaced blocks put back, or as given where there are none."""
        return self.labels if self.mended is None else self.mended

    @property
    def method(self) -> str:
        """Name the latest labels among `methods`."""
        return GIVEN if self.mended is None else REPAIRED

    @property
    def basis(self) -> str:
        """Say which labels stand behind every table that does not show both."""
        return "labels as given" if self.mended is None else "displaced rows put back"

    def in_words(self) -> str:
        """Say how many studies and observations are scored."""
        return f"{len(self.truth):,} studies, {self.truth.shape[1]} findings"


def prepare(
    given: GivenTables,
    findings: list[Finding],
    *,
    minimum_events: int = 10,
    suppress_below: int = 0,
    replicates: int = 1000,
    seed: int = 0,
) -> Scored:
    """Join the tables by id and choose what can be scored.

    Parameters
    ----------
    given : GivenTables
    findings : list of Finding
        Of `check_all`; a displaced block among them is put back beside the labels as given.
    minimum_events : int
        Studies with and without a finding that its scores need.
    suppress_below : int
        With K, observations whose table of truth and label has a cell below K are not scored.
    replicates, seed : int
        Of the bootstrap; patients, where they are known, are drawn whole.

    Returns
    -------
    Scored
    """
    pair = Pair.of(given.truth, given.labels)
    if pair.given.empty:
        raise LabelTableError(
            f"{given.names()}: no study is in both tables, or no finding; nothing can be compared. "
            "Write ids and columns of both in one way, or name the id column with --id."
        )
    expected, labels = pair.expected, pair.given.rename_axis(None)
    uncertain = expected == UNCERTAIN
    expected = expected.mask(uncertain).rename_axis(None)
    blocked = any(each.kind in _BLOCKS and each.table in {"truth", "labels"} for each in findings)
    mended = check_blocks(pair)[0].given.rename_axis(None) if blocked else None
    by_labels = [_counts(expected, each) for each in (labels, mended) if each is not None]
    counts = by_labels[-1]
    minimum = max(minimum_events, suppress_below, 1)
    enough = counts[["image_positive", "image_negative"]].min(axis=1) >= minimum
    for each in by_labels:
        cells = each[["both", "image_only", "report_only", "neither"]]
        enough &= cells.min(axis=1) >= suppress_below
    scored = counts.index[enough]
    places = pair.positions(given.labels)
    patients = patients_of(given, given.labels)
    left_out = {
        f"studies of {given.truth.name} that {given.labels.name} lacks": _absent(given, False),
        f"studies of {given.labels.name} that {given.truth.name} lacks": _absent(given, True),
        "cells of the truth that are uncertain": int(uncertain.to_numpy().sum()),
        "cells of the truth that are blank": int(pair.expected.isna().to_numpy().sum()),
    }
    reasons = [
        {"what": what, "count": counted(count, suppress_below)}
        for what, count in left_out.items()
        if count
    ]
    reasons += [
        {"what": f"{name}: too few studies with or without it", "count": ""}
        for name in counts.index[~enough]
    ]
    clusters = None if patients is None else patients.to_numpy()[places]
    return Scored(
        truth=expected[scored],
        labels=labels,
        mended=mended,
        counts=counts,
        left_out=pd.DataFrame(reasons, columns=["what", "count"]),
        readers={
            reader.name: _aligned(reader, expected[scored])
            for reader in given.readers
            if not any(reader.by_id().equals(twin.by_id()) for twin in (given.truth, given.labels))
        },
        scores=None if given.scores is None else _aligned(given.scores, expected[scored], False),
        groups=_groups(given, places, expected.index),
        resampling=Resampling(replicates, seed, clusters=clusters),
        minimum_events=minimum,
        suppress_below=suppress_below,
    )


def given_table(given: GivenTables) -> pd.DataFrame:
    """Say which tables were given and how they were read."""
    rows = [
        {
            "table": table.name,
            "file": Path(table.path).name,
            "rows": len(table.ids),
            "columns": table.values.shape[1],
            "blank": _blank_share(table.values),
            "read_as": "; ".join(_readings(table)),
            "other_columns": ", ".join(map(str, table.others.columns)),
        }
        for table in given.all()
    ]
    return pd.DataFrame(rows)


def _readings(table: GivenTable) -> Iterator[str]:
    """Say which columns were read under another name, and which are none of the 14."""
    for name in table.values:
        own = table.spelling.get(name, name)
        if name not in OBSERVATIONS:
            yield f"{own} as an observation of its own"
        elif own != name:
            yield f"{own} as {name}"


def _blank_share(values: pd.DataFrame) -> str:
    return f"{values.isna().to_numpy().mean():.0%} of cells" if values.size else ""


def _counts(truth: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    yes, no, said = truth == POSITIVE, truth == NEGATIVE, labels == POSITIVE
    found = {
        "image_positive": yes,
        "image_negative": no,
        "image_unknown": ~yes & ~no,
        "both": yes & said,
        "image_only": yes & ~said,
        "report_only": no & said,
        "neither": no & ~said,
        "report_positive": said,
        "report_negative": labels == NEGATIVE,
        "report_uncertain": labels == UNCERTAIN,
        "report_blank": labels.isna(),
    }
    columns = {name: marks.sum() for name, marks in found.items()}
    return pd.DataFrame(columns).astype(int).rename_axis("observation")


def _absent(given: GivenTables, of_labels: bool) -> int:
    one, other = given.truth.by_id().index, given.labels.by_id().index
    return int((~other.isin(one)).sum() if of_labels else (~one.isin(other)).sum())


def _aligned(table: GivenTable, truth: pd.DataFrame, binary: bool = True) -> pd.DataFrame:
    """Return another table's values of the scored rows and columns; NaN where it has none."""
    found = table.by_id().reindex(index=truth.index, columns=truth.columns)
    if not binary:
        return found
    known = pd.Series(truth.index.isin(table.ids), truth.index)
    return apply_uncertainty_policy(found, "zeros").mask(~known)


def _groups(given: GivenTables, places: np.ndarray, index: pd.Index) -> pd.DataFrame:
    found = {
        name: column.iloc[places].set_axis(index)
        for name, column in groups_of(given, given.labels).items()
    }
    for table in given.all():
        for name in table.others:
            if name not in found and str(name).lower().startswith("age"):
                kept = ~table.ids.duplicated()
                years = pd.to_numeric(table.others[name], errors="coerce")
                years = years[kept].set_axis(table.ids[kept]).reindex(index)
                bands = pd.cut(years, [*_AGE_BANDS, np.inf], right=False, labels=False)
                words = dict(enumerate(_AGE_BANDS.values()))
                found[name] = bands.map(words).fillna("")
    return pd.DataFrame(found, index=index)
