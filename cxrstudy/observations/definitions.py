"""The 14 observations, their hierarchy and the codes of a label, read from package data."""

from importlib.resources import files

import yaml

_DEFINITIONS = yaml.safe_load(files(__package__).joinpath("observations.yaml").read_text("utf-8"))

OBSERVATIONS: tuple[str, ...] = tuple(row["name"] for row in _DEFINITIONS["observations"])
"""Names of the 14 observations in CheXpert's column order."""

DEFINITIONS: dict[str, str] = {
    row["name"]: row["definition"] for row in _DEFINITIONS["observations"]
}
"""One plain sentence for each observation."""

PARENTS: dict[str, str] = {
    row["name"]: row["parent"] for row in _DEFINITIONS["observations"] if row["parent"]
}
"""Child to parent in CheXpert's hierarchy (Irvin et al. 2019, Figure 1)."""

COMPETITION_OBSERVATIONS: tuple[str, ...] = tuple(
    row["name"] for row in _DEFINITIONS["observations"] if row["competition"]
)
"""The five findings that the CheXpert leaderboard scores."""

POSITIVE, NEGATIVE, UNCERTAIN = 1, 0, -1
"""Label codes of a mention; an observation that is not mentioned is blank (NaN)."""

LABEL_CODES: dict[int | None, str] = {
    row["code"]: row["name"] for row in _DEFINITIONS["label_codes"]
}
"""Code to name; ``None`` stands for blank."""

UNCERTAINTY_POLICIES: dict[str, str] = _DEFINITIONS["uncertainty_policies"]
"""Name of an uncertainty policy to what it does."""


def ancestors(observation: str) -> tuple[str, ...]:
    """List the parents of an observation, nearest first.

    Parameters
    ----------
    observation : str
        One of `OBSERVATIONS`.

    Returns
    -------
    tuple of str
        Empty for an observation at the top of the hierarchy.

    Examples
    --------
    >>> ancestors("Pneumonia")
    ('Consolidation', 'Lung Opacity')
    """
    parent = PARENTS.get(observation)
    return () if parent is None else (parent, *ancestors(parent))
