"""OpenI: chest X-ray reports of Indiana University with codes that people assigned.

The codes are MeSH terms with qualifiers, such as ``"Opacity/lung/base/left"``; the rules in
``mesh_mapping.yaml`` translate them into the 14 observations, each with its reason.
"""

import tarfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

# The archive is read only after its sha256 was found to be the pinned one, so its XML is known.
from xml.etree import ElementTree

import pandas as pd
import yaml

from cxrstudy.data.registry import dataset
from cxrstudy.observations import NEGATIVE, OBSERVATIONS, POSITIVE

# Clear codes only, or ambiguous codes too.
MAPPINGS: tuple[str, ...] = ("strict", "broad")
NO_FINDING = "No Finding"


@cache
def load_reports() -> pd.DataFrame:
    """Load all 3,955 reports, indexed by id (``"CXR1"``, ``"CXR2"``, ...) in order of number.

    Columns indication, comparison, findings and impression are text, empty where absent;
    mesh_major is the tuple of codes that people assigned. ``XXXX`` stands for names, dates and many
    other words (Demner-Fushman et al. 2016); the licence allows no changed copies.
    """
    return read_archive(dataset("openi_reports").path("data/NLMCXR_reports.tgz"))


def read_archive(path: Path) -> pd.DataFrame:
    """Read the reports of a gzipped tar file in memory, one XML file each; nothing is written."""
    with tarfile.open(path, "r:gz") as archive:
        members = (archive.extractfile(member) for member in archive if member.isfile())
        reports = pd.DataFrame([_parse(member.read()) for member in members])
    numbers = reports["id"].str.removeprefix("CXR").astype(int)
    return reports.loc[numbers.argsort()].set_index("id")


def findings_and_impression(reports: pd.DataFrame) -> pd.Series:
    """Join the two sections that describe the image by a line break."""
    return reports["findings"] + "\n" + reports["impression"]


def not_indexed(reports: pd.DataFrame) -> pd.Series:
    """Mark the reports that nobody coded."""
    return reports["mesh_major"].map(lambda codes: "No Indexing" in codes).astype(bool)


def mesh_labels(reports: pd.DataFrame, mapping: str = "strict") -> pd.DataFrame:
    """Translate the codes that people gave each report into the 14 observations, 1 and 0.

    The codes owe nothing to a labeler's phrase list. They name no observation that is absent, and
    doubtful ones unevenly: a 0 says "not coded". Leave reports that nobody indexed out of a score.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"unknown mapping {mapping!r}; choose one of: {', '.join(MAPPINGS)}")
    rows = [_observations_of_report(codes, mapping) for codes in reports["mesh_major"]]
    cells = [[POSITIVE if name in row else NEGATIVE for name in OBSERVATIONS] for row in rows]
    return pd.DataFrame(cells, index=reports.index, columns=list(OBSERVATIONS), dtype=float)


@dataclass(frozen=True)
class MeshRule:
    """Which codes stand for an observation, and why; an empty set of qualifiers asks nothing."""

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


@cache
def mesh_rules(mapping: str) -> dict[str, list[MeshRule]]:
    """List each observation's rules; No Finding is decided from all codes of a report together."""
    return {
        name: [_rule(entry) for part in _parts(mapping) for entry in rules[part]]
        for name, rules in _definitions()["observations"].items()
    }


@cache
def _definitions() -> dict:
    text = files("cxrstudy.data").joinpath("mesh_mapping.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def _parts(mapping: str) -> tuple[str, ...]:
    # The broad mapping holds the strict one.
    return MAPPINGS[: MAPPINGS.index(mapping) + 1]


def _rule(entry: dict) -> MeshRule:
    conditions = ("headings", "all_of", "any_of", "none_of")
    sets = {name: frozenset(entry.get(name, ())) for name in conditions}
    return MeshRule(**sets, reason=entry["reason"])


def _split(code: str) -> tuple[str, frozenset[str]]:
    # Some codes carry stray spaces: "Mediastinum/enlarged ".
    heading, *qualifiers = (part.strip() for part in code.split("/"))
    return heading, frozenset(qualifiers or ["unqualified"])


def _observations_of_report(codes: tuple[str, ...], mapping: str) -> set[str]:
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


def _parse(xml: bytes) -> dict:
    """Return one report as a row."""
    root = ElementTree.fromstring(xml)
    texts = {text.get("Label").lower(): text.text or "" for text in root.iter("AbstractText")}
    sections = ("indication", "comparison", "findings", "impression")
    return {
        "id": root.find("uId").get("id"),
        **{section: texts[section] for section in sections},
        "mesh_major": tuple(code.text for code in root.iter("major")),
    }
