"""Which observation each source's term stands for, and how closely."""

from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

RELATIONS: tuple[str, ...] = ("exact", "narrower", "broader", "different construct")
"""How a source's term relates to the observation that it is compared with."""


@cache
def crosswalk() -> pd.DataFrame:
    """Tabulate every source's terms against the 14 observations.

    Comparing two label sources is only as good as the match of their terms. The table states
    the match once, so that no study pools an exact with a merely overlapping term unawares.

    Returns
    -------
    DataFrame
        Columns source, term, observation, relation, note, citation. Terms that no
        observation covers have an empty observation and relation.
    """
    text = files(__package__).joinpath("crosswalk.yaml").read_text("utf-8")
    rows = [
        {"source": source, **term, "citation": entry["citation"]}
        for source, entry in yaml.safe_load(text)["sources"].items()
        for term in entry["terms"]
    ]
    columns = ["source", "term", "observation", "relation", "note", "citation"]
    return pd.DataFrame(rows, columns=columns).fillna("").astype("str")


def terms_for(source: str, observation: str, relations: tuple[str, ...] = ("exact",)) -> list[str]:
    """List the terms of a source that stand for an observation.

    Parameters
    ----------
    source : str
        A source of the crosswalk, such as ``"nih"``.
    observation : str
        One of the 14 observations.
    relations : tuple of str
        Which relations to admit; only exact matches unless told otherwise.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the source is not in the crosswalk.
    """
    table = crosswalk()
    if source not in set(table["source"]):
        known = ", ".join(table["source"].unique())
        raise ValueError(f"unknown source {source!r}; the crosswalk knows: {known}")
    chosen = (
        (table["source"] == source)
        & (table["observation"] == observation)
        & table["relation"].isin(relations)
    )
    return table.loc[chosen, "term"].tolist()
