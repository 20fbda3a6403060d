"""Assemble the pages and build the site, whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from cxrstudy.book.pages import failed_page, missing_data_page, study_page, write_page
from cxrstudy.book.tables import datasets_html, ledger_html
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import Study, studies
from cxrstudy.runs.folders import RunFolders


class SiteError(RuntimeError):
    """Sphinx reported a warning or an error; the message holds its output."""


def assemble(book: Path, build: Path) -> None:
    """Fill the generated folders of the book's source from the runs and the ledger.

    Parameters
    ----------
    book : Path
        Source folder of the book; ``studies/`` and ``_generated/`` in it are replaced.
    build : Path
        Build folder with ``runs``, ``results`` and ``ledger.json``.
    """
    ledger = json.loads((build / "ledger.json").read_text("utf-8"))
    generated = book / "_generated"
    generated.mkdir(exist_ok=True)
    (generated / "ledger.html").write_text(ledger_html(ledger), "utf-8")
    (generated / "datasets.html").write_text(datasets_html(), "utf-8")
    shutil.copy(build / "ledger.json", generated / "ledger.json")
    shutil.rmtree(book / "studies", ignore_errors=True)
    for study in studies().values():
        _assemble_study(study, book / "studies", build, ledger)


def build_site(build: Path | None = None) -> Path:
    """Build the HTML book and put it in place of the old one.

    Parameters
    ----------
    build : Path, optional
        Build folder; ``_build`` of the project unless told otherwise.

    Returns
    -------
    Path
        The site's ``index.html``.

    Raises
    ------
    SiteError
        If Sphinx warns: a warning is a broken page somewhere.
    """
    root = project_root()
    build = build or root / "_build"
    assemble(root / "book", build)
    with tempfile.TemporaryDirectory(dir=build, prefix="site-") as scratch:
        program = Path(sys.executable).with_name("jupyter-book")
        command = [program, "build", "book", "--path-output", scratch]
        command += ["--config", "_config.yml", "--all"]
        finished = subprocess.run(
            [*command, "--warningiserror", "--keep-going", "--nitpick"],
            cwd=root,
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        if finished.returncode:
            raise SiteError(f"the book did not build:\n{finished.stdout}\n{finished.stderr}")
        html = Path(scratch, "_build", "html")
        _mend_reference_list(html / "references.html")
        _replace_folder(html, build / "html")
    return build / "html" / "index.html"


def _assemble_study(study: Study, pages: Path, build: Path, ledger: list[dict]) -> None:
    folders = RunFolders.of(study.name, build)
    if not folders.stamp.exists():
        error = "It has not run yet."
        if folders.failure.exists():
            error = json.loads(folders.failure.read_text("utf-8"))["error"]
        write_page(failed_page(study, error), pages / f"{study.name}.ipynb")
        return
    stamp = json.loads(folders.stamp.read_text("utf-8"))
    if stamp["missing"]:
        page = missing_data_page(study, stamp["missing"], ledger)
    else:
        page = study_page(study, nbformat.read(folders.executed, as_version=4), ledger, stamp)
    write_page(page, pages / f"{study.name}.ipynb")
    (pages / study.name).mkdir()
    shutil.copy(study.notebook_path, pages / study.name)
    for table in sorted(folders.results.glob("*.csv")):
        shutil.copy(table, pages / study.name)


def _mend_reference_list(page: Path) -> None:
    """Give the entries the role that their list requires; screen readers skip them otherwise."""
    text = page.read_text("utf-8")
    page.write_text(text.replace('role="doc-biblioentry"', 'role="listitem"'), "utf-8")


def _replace_folder(new: Path, old: Path) -> None:
    retired = old.with_name(f".{old.name}-{os.getpid()}")
    if old.exists():
        old.rename(retired)
    new.rename(old)
    shutil.rmtree(retired, ignore_errors=True)
