"""The OpenI reports, read from their archive without unpacking it."""

import tarfile
from functools import cache
from pathlib import Path

# The archive is read only after its sha256 was found to be the pinned one, so its XML is known.
from xml.etree import ElementTree

import pandas as pd

from cxrstudy.data.registry import dataset

NAME = "openi_reports"
FILE = "data/NLMCXR_reports.tgz"
SECTIONS: tuple[str, ...] = ("indication", "comparison", "findings", "impression")
"""Sections of a report, each of which may be empty."""


@cache
def load_reports() -> pd.DataFrame:
    """Load every report of the collection.

    Names, dates and many other words were replaced by ``XXXX`` before the release; the texts are
    given as they are. The licence of the reports allows no changed copies.

    Returns
    -------
    DataFrame, shape (3955, 7)
        Indexed by id (``"CXR1"``, ``"CXR2"``, ...) in the order of their numbers. Columns
        indication, comparison, findings and impression (str, empty where absent), mesh_major
        (tuple of str: codes that people assigned, such as ``"Opacity/lung/base/left"``),
        mesh_automatic (tuple of str: terms that software found) and n_images (int).

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        See `cxrstudy.data.registry`.

    References
    ----------
    Demner-Fushman et al. 2016, Preparing a collection of radiology examinations for distribution
    and retrieval.
    """
    return read_archive(dataset(NAME).path(FILE))


def read_archive(path: Path) -> pd.DataFrame:
    """Read the reports of an archive in memory; nothing is written.

    Parameters
    ----------
    path : Path
        A gzipped tar file of one XML file for each report.

    Returns
    -------
    DataFrame
        As `load_reports` returns it.
    """
    with tarfile.open(path, "r:gz") as archive:
        members = (archive.extractfile(member) for member in archive if member.isfile())
        reports = pd.DataFrame([_parse(member.read()) for member in members])
    numbers = reports["id"].str.removeprefix("CXR").astype(int)
    return reports.loc[numbers.argsort()].set_index("id")


def findings_and_impression(reports: pd.DataFrame) -> pd.Series:
    """Join the two sections that describe the image, as the text by which reports are split.

    Parameters
    ----------
    reports : DataFrame
        With columns findings and impression.

    Returns
    -------
    Series of str
        Findings, a line break, impression; on the same index.
    """
    return reports["findings"] + "\n" + reports["impression"]


def _parse(xml: bytes) -> dict:
    """Return one report as a row."""
    root = ElementTree.fromstring(xml)
    texts = {text.get("Label").lower(): text.text or "" for text in root.iter("AbstractText")}
    return {
        "id": root.find("uId").get("id"),
        **{section: texts[section] for section in SECTIONS},
        "mesh_major": tuple(code.text for code in root.iter("major")),
        "mesh_automatic": tuple(term.text for term in root.iter("automatic")),
        "n_images": len(root.findall("parentImage")),
    }
