"""The book's own version, address and DOI come from CITATION.cff, and links wait for an address."""

from pathlib import Path

import pytest
import yaml

from cxrstudy.book import release
from cxrstudy.book.landing import Findings
from cxrstudy.book.pages import study_page
from cxrstudy.paths import in_project
from scripts.write_lab_copies import FOLDER
from tests.book.test_pages import ROW, STAMP, STUDY, _executed


@pytest.fixture
def cite(tmp_path, monkeypatch):
    """Set fields of CITATION.cff; None takes one out."""
    entries = yaml.safe_load(in_project("CITATION.cff").read_text("utf-8"))

    def cite(**changes) -> None:
        kept = {key: value for key, value in (entries | changes).items() if value}
        (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(kept), "utf-8")
        monkeypatch.setattr(release, "in_project", lambda name: Path(tmp_path, name))

    return cite


def _pages() -> tuple[str, str]:
    """Last cell of a study's page, and the landing page."""
    page = study_page(STUDY, _executed(), [ROW], STAMP)
    return page.cells[-1].source, Findings([ROW], None, [], None).landing_markdown()


def test_without_an_address_nothing_leads_to_one(cite):
    cite(**{"repository-code": None, "doi": None})
    study, landing = _pages()
    assert "01_tiny.ipynb" in study and "Repository" not in landing
    assert not [text for text in (study, landing, release.bibtex()) if "://" in text]


def test_with_an_address_each_notebook_is_linked_and_launched(cite):
    cite(**{"repository-code": "https://github.com/a/b", "doi": "10.1/x", "version": "9.8"})
    study, landing = _pages()
    assert "(https://github.com/a/b/blob/HEAD/notebooks/01_tiny.ipynb)" in study
    launched = f"gh/a/b/HEAD?urlpath=lab/tree/{FOLDER}/01_tiny.ipynb)"
    assert f"(https://mybinder.org/v2/{launched}" in study
    assert '<a href="https://github.com/a/b">Repository</a>' in landing and "Version 9.8" in landing
    entry = release.bibtex()
    assert "  url    = {https://github.com/a/b}\n" in entry and "doi    = {10.1/x}" in entry
    assert "note   = {Version 9.8}" in entry


def test_binder_starts_only_what_it_can_find(cite):
    cite(**{"repository-code": "https://git.example.org/a/b/"})
    study, _ = _pages()
    assert "(https://git.example.org/a/b/blob/HEAD/" in study and "mybinder" not in study


def test_binder_writes_the_copies_that_are_launched():
    assert "python scripts/write_lab_copies.py\n" in in_project("postBuild").read_text("utf-8")
