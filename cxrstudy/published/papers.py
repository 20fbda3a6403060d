"""The papers' printed numbers, each with the place where it is printed."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

# Keys of the papers; the first five make the claims.
PAPERS: tuple[str, ...] = (
    "visualchexbert",
    "nlp_expert_gap",
    "deberta_rad",
    "chexagent",
    "chexreason",
    "chexpert",
)


@dataclass(frozen=True)
class PublishedTable:
    """A printed table."""

    values: pd.DataFrame  # rows and columns named as in the paper
    where: str
    metric: str
    decimals: int | None  # printed ones, which set how closely a reproduction can be judged

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit: the rounding error of a printed cell."""
        if self.decimals is None:
            raise ValueError(f"{self.where}: cells are printed with unlike numbers of decimals")
        return 0.5 * 10.0**-self.decimals


@cache
def paper(key: str) -> dict:
    """Load everything noted of one paper of `PAPERS`.

    Returns
    -------
    dict
        Keys paper (title, citation, link), facts, tables, inconsistencies.
    """
    if key not in PAPERS:
        raise KeyError(f"no paper {key!r}; the package holds: {', '.join(PAPERS)}")
    return yaml.safe_load(files(__package__).joinpath(f"{key}.yaml").read_text("utf-8"))


def published_table(paper_key: str, table: str) -> PublishedTable:
    """Look one printed table up, such as ``published_table("visualchexbert", "table4")``."""
    entry = paper(paper_key)["tables"][table]
    values = pd.DataFrame.from_dict(entry["rows"], orient="index", columns=entry["columns"])
    return PublishedTable(values, entry["where"], entry["metric"], entry["decimals"])


def published_value(paper_key: str, fact: str) -> float:
    """Look one printed number up, such as ``published_value("nlp_expert_gap", "final_auroc")``."""
    return paper(paper_key)["facts"][fact]["value"]


def compare_cells(measured: pd.DataFrame, published: PublishedTable) -> pd.DataFrame:
    """Line measured cells up with a published table.

    Parameters
    ----------
    measured : DataFrame
        Rows and columns named as in the publication; any subset of them.
    published : PublishedTable

    Returns
    -------
    DataFrame
        One row for each shared cell: row, column, published, measured, and ``agrees``, whether
        the two differ by at most half a unit of the last printed digit.
    """
    rows = [name for name in published.values.index if name in measured.index]
    columns = [name for name in published.values.columns if name in measured.columns]
    cells = pd.DataFrame(
        [
            (row, column, published.values.loc[row, column], measured.loc[row, column])
            for row in rows
            for column in columns
        ],
        columns=["row", "column", "published", "measured"],
    )
    # The tolerance of 1e-9 only absorbs the binary form of the printed decimals.
    difference = (cells["measured"] - cells["published"]).abs()
    return cells.assign(agrees=difference <= published.half_unit + 1e-9)


def inconsistencies() -> pd.DataFrame:
    """List by paper, where and text what does not add up within the papers themselves."""
    return pd.DataFrame(
        {"paper": paper(key)["paper"]["title"], **row}
        for key in PAPERS
        for row in paper(key)["inconsistencies"]
    )


def inconsistencies_of(key: str) -> pd.DataFrame:
    """List by place what does not fit together within one paper."""
    rows = paper(key)["inconsistencies"]
    return pd.DataFrame(rows).rename(columns={"where": "place", "text": "inconsistency"})
