"""What every auditing program does: read tables, flag what is odd, write the flags and the times.

Programs of other environments import it too: only pandas and NumPy, of any version.

The tools know no ids, no codes and no truth, so a careful user brings the tables into a form that
they can read; what is made here is the same for all of them.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

BLANK = "blank"
STATED = ["0", "1"]
KNOWN = {"0", "1", "-1", BLANK}
FEWEST = 20  # rows or cells below which nothing is asked


@dataclass
class Case:
    """A truth and labels by study, their groups, and what was flagged in them."""

    folder: Path
    flags: list[dict] = field(default_factory=list)

    def flag(self, check: str, kind: str = "", columns=(), rows=None, table: str = "labels"):
        """Add one flag; `rows` are numbers counted from 0 below the header, if a check has them."""
        rows = None if rows is None else [int(row) for row in rows]
        columns = [str(column) for column in columns]
        flagged = {"check": check, "kind": kind, "table": table, "columns": columns, "rows": rows}
        self.flags.append(flagged)

    def read(self, name: str, **options) -> pd.DataFrame:
        """Read a table as pandas does by itself, the ids as text."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype={"study": str}, **options)

    @cached_property
    def raw(self) -> pd.DataFrame:
        return self.read("labels")

    @cached_property
    def groups(self) -> pd.DataFrame:
        return self.read("groups")

    @cached_property
    def ids(self) -> dict[str, pd.Series]:
        return {name: self.read(name)["study"] for name in ("truth", "labels")}

    @cached_property
    def columns(self) -> list[str]:
        return [column for column in self.raw if column != "study"]

    @cached_property
    def labels(self) -> pd.DataFrame:
        """The codes of the labels as words, one for blank cells."""
        return _codes(self.read("labels", keep_default_na=False))[self.columns]

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The codes of the truth in the rows of the labels; blank where no study has the id."""
        truth = _codes(self.read("truth", keep_default_na=False)).set_index("study")[self.columns]
        return truth.reindex(self.ids["labels"]).fillna(BLANK).reset_index(drop=True)

    @cached_property
    def matched(self) -> np.ndarray:
        """Which rows of the labels have an id of the truth."""
        return self.ids["labels"].isin(self.ids["truth"]).to_numpy()

    @cached_property
    def stated(self) -> pd.DataFrame:
        """Where both tables state a finding as present or absent."""
        return self.truth.isin(STATED) & self.labels.isin(STATED)

    @cached_property
    def agreement(self) -> pd.Series:
        """The share of a row's stated cells that agree; the mean where a row has none."""
        share = self.correct.mean(axis=1)
        return share.fillna(share.mean()).fillna(1.0)

    @cached_property
    def site(self) -> pd.Series:
        sites = self.groups.drop_duplicates("study").set_index("study")["site"]
        return sites.reindex(self.ids["labels"]).fillna("none").reset_index(drop=True)

    @cached_property
    def third(self) -> np.ndarray:
        """The third of the file, from 0, that each row is in."""
        return np.arange(len(self.raw)) * 3 // len(self.raw)

    @cached_property
    def correct(self) -> pd.DataFrame:
        """Whether each cell agrees with the truth, as 1 and 0, where both are stated; else NaN."""
        return (self.truth == self.labels).astype(float).where(self.stated)

    def parts(self) -> Iterator[tuple[str, np.ndarray]]:
        """Give the thirds of the file and the sites, each to be compared with the rest."""
        for number, name in enumerate(("first", "second", "last")):
            yield f"{name} third", self.third == number
        for site in sorted(set(self.site)):
            inside = (self.site == site).to_numpy()
            if FEWEST <= inside.sum() < len(inside):
                yield f"site {site}", inside


def _codes(table: pd.DataFrame) -> pd.DataFrame:
    codes = table.astype(str)
    for column in codes.columns.drop("study"):
        numbers = pd.to_numeric(codes[column], errors="coerce")
        words = codes[column].str.strip().replace("", BLANK)
        codes[column] = words.where(numbers.isna(), numbers.map("{:g}".format))
    return codes


def run(audit: Callable[[Case], None]) -> None:
    """Audit every folder in the one that the command line names; write ``{folder}/flags.json``.

    The processor seconds are those of reading and auditing; the first folder is audited twice, so
    that what is set up once does not count.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="of folders with truth, labels, groups as CSV")
    folders = sorted(path.parent for path in parser.parse_args().folder.glob("*/labels.csv"))
    found = {}
    for folder in [folders[0], *folders]:
        case, start = Case(folder), time.process_time()
        audit(case)
        found[folder.name] = {"flags": case.flags, "seconds": time.process_time() - start}
    (folders[0].parent / "flags.json").write_text(json.dumps(found))
