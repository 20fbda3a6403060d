"""The papers' printed numbers, each with the place where it is printed."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

PAPERS: tuple[str, ...] = (
    "visualchexbert",
    "nlp_expert_gap",
    "deberta_rad",
    "chexagent",
    "chexreason",
    "chexpert",
)
"""Keys of the papers whose numbers ship with the package; the first five make the claims."""


@dataclass(frozen=True)
class PublishedTable:
    """A printed table.

    Attributes
    ----------
    values : DataFrame
        The printed cells, rows and columns named as in the paper.
    where, metric : str
        Place in the paper; what the cells measure.
    decimals : int or None
        Printed decimals, which set how closely a reproduction can be judged.
    """

    values: pd.DataFrame
    where: str
    metric: str
    decimals: int | None

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit: the rounding error of a printed cell."""
        if self.decimals is None:
            raise ValueError(f"{self.where}: cells are printed with unlike numbers of decimals")
        return 0.5 * 10.0**-self.decimals


@cache
def paper(key: str) -> dict:
    """Load everything noted of one paper.

    Parameters
    ----------
    key : str
        One of `PAPERS`.

    Returns
    -------
    dict
        Keys paper (title, citation, link), facts, tables, inconsistencies.
    """
    if key not in PAPERS:
        raise KeyError(f"no paper {key!r}; the package holds: {', '.join(PAPERS)}")
    return yaml.safe_load(files(__package__).joinpath(f"{key}.yaml").read_text("utf-8"))


def published_table(paper_key: str, table: str) -> PublishedTable:
    """Look one printed table up.

    Parameters
    ----------
    paper_key, table : str
        Such as ``"visualchexbert"``, ``"table4"``.

    Returns
    -------
    PublishedTable
    """
    entry = paper(paper_key)["tables"][table]
    values = pd.DataFrame.from_dict(entry["rows"], orient="index", columns=entry["columns"])
    return PublishedTable(values, entry["where"], entry["metric"], entry["decimals"])


def published_value(paper_key: str, fact: str) -> float:
    """Look one printed number up.

    Parameters
    ----------
    paper_key, fact : str
        Such as ``"nlp_expert_gap"``, ``"final_auroc"``.

    Returns
    -------
    float
    """
    return paper(paper_key)["facts"][fact]["value"]


def inconsistencies() -> pd.DataFrame:
    """List what does not add up within the papers themselves.

    Returns
    -------
    DataFrame
        Columns paper, where, text.
    """
    rows = [
        {"paper": paper(key)["paper"]["title"], **row}
        for key in PAPERS
        for row in paper(key)["inconsistencies"]
    ]
    return pd.DataFrame(rows)


def inconsistencies_of(key: str) -> pd.DataFrame:
    """List what does not fit together within a paper.

    Parameters
    ----------
    key : str
        One of `PAPERS`.

    Returns
    -------
    DataFrame
        Columns place and inconsistency.
    """
    rows = paper(key)["inconsistencies"]
    return pd.DataFrame(rows).rename(columns={"where": "place", "text": "inconsistency"})
