"""The MeSH codes of a report as the 14 observations, by rules that are package data."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

from cxrstudy.observations import NEGATIVE, OBSERVATIONS, POSITIVE

MAPPINGS: tuple[str, ...] = ("strict", "broad")
"""Clear codes only, or ambiguous codes too."""

NO_FINDING = "No Finding"
NO_INDEXING = "No Indexing"
UNQUALIFIED = "unqualified"


@dataclass(frozen=True)
class MeshRule:
    """Which codes stand for an observation, and why.

    Attributes
    ----------
    headings : frozenset of str
        The code's heading is one of them.
    all_of, any_of, none_of : frozenset of str
        Qualifiers that all stand in the code, of which one does, of which none does; an empty
        set asks for nothing.
    reason : str
        Why the code does, or arguably does not, mean the observation.
    """

    headings: frozenset[str]
    all_of: frozenset[str]
    any_of: frozenset[str]
    none_of: frozenset[str]
    reason: str

    def holds(self, code: str) -> bool:
        """Decide whether a code, such as ``"Opacity/lung/base"``, satisfies the rule."""
        heading, qualifiers = _split(code)
        return (
            heading in self.headings
            and self.all_of <= qualifiers
            and (not self.any_of or bool(self.any_of & qualifiers))
            and not self.none_of & qualifiers
        )


def mesh_labels(reports: pd.DataFrame, mapping: str = "strict") -> pd.DataFrame:
    """Translate the codes that people gave each report into the 14 observations.

    The codes are a second reading of the report that owes nothing to a labeler's phrase list.
    They name no observation that is absent, and doubtful ones unevenly, so a 0 says "not coded"
    and there is no uncertain label. Leave reports that nobody indexed out of a score (see
    `not_indexed`).

    Parameters
    ----------
    reports : DataFrame
        With column mesh_major, as `load_reports` returns it.
    mapping : {"strict", "broad"}
        Clear codes only, or also those whose meaning is arguable; ``mesh_mapping.yaml`` states
        every rule with its reason.

    Returns
    -------
    DataFrame of float, shape (n_reports, 14)
        1 and 0 on the reports' index.

    Raises
    ------
    ValueError
        If there is no such mapping.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"unknown mapping {mapping!r}; choose one of: {', '.join(MAPPINGS)}")
    rows = [_observations_of(codes, mapping) for codes in reports["mesh_major"]]
    cells = [[POSITIVE if name in row else NEGATIVE for name in OBSERVATIONS] for row in rows]
    return pd.DataFrame(cells, index=reports.index, columns=list(OBSERVATIONS), dtype=float)


def not_indexed(reports: pd.DataFrame) -> pd.Series:
    """Mark the reports that nobody coded.

    Parameters
    ----------
    reports : DataFrame
        With column mesh_major.

    Returns
    -------
    Series of bool
    """
    return reports["mesh_major"].map(lambda codes: NO_INDEXING in codes).astype(bool)


@cache
def mesh_rules(mapping: str) -> dict[str, tuple[MeshRule, ...]]:
    """List the rules of each observation.

    Parameters
    ----------
    mapping : {"strict", "broad"}

    Returns
    -------
    dict of str to tuple of MeshRule
        All observations but No Finding, which is decided from all codes of a report together.
    """
    return {
        name: tuple(_rule(entry) for part in _parts(mapping) for entry in rules[part])
        for name, rules in _definitions()["observations"].items()
    }


@cache
def _definitions() -> dict:
    text = files(__package__).joinpath("mesh_mapping.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def _parts(mapping: str) -> tuple[str, ...]:
    """Return the parts of the rules that a mapping uses."""
    return MAPPINGS[: MAPPINGS.index(mapping) + 1]


def _rule(entry: dict) -> MeshRule:
    conditions = ("headings", "all_of", "any_of", "none_of")
    sets = {name: frozenset(entry.get(name, ())) for name in conditions}
    return MeshRule(**sets, reason=entry["reason"])


def _split(code: str) -> tuple[str, frozenset[str]]:
    """Return a code's heading and qualifiers; some codes carry stray spaces."""
    heading, *qualifiers = (part.strip() for part in code.split("/"))
    return heading, frozenset(qualifiers or [UNQUALIFIED])


def _observations_of(codes: tuple[str, ...], mapping: str) -> set[str]:
    """Return the observations of one report."""
    found = {name for code in codes for name in _observations_of_code(code, mapping)}
    nothing = _no_finding_headings(mapping)
    if codes and all(_split(code)[0] in nothing for code in codes):
        found.add(NO_FINDING)
    return found


@cache
def _observations_of_code(code: str, mapping: str) -> frozenset[str]:
    rules = mesh_rules(mapping)
    return frozenset(name for name in rules if any(rule.holds(code) for rule in rules[name]))


@cache
def _no_finding_headings(mapping: str) -> frozenset[str]:
    headings = _definitions()["no_finding"]
    return frozenset(heading for part in _parts(mapping) for heading in headings[part])
