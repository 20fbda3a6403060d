"""Assemble the pages and build the site, whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import yaml
from markupsafe import Markup

from cxrstudy.book import pages
from cxrstudy.book.api import api_markdown
from cxrstudy.book.printed_claims import ledger_html
from cxrstudy.claims import LedgerRow, read_ledger
from cxrstudy.data.registry import datasets
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import RunFolders, Study, studies
from cxrstudy.runs.shown import shown_run
from cxrstudy.table_html import labeled_table

_TIERS = {0: "0, in the box", 1: "1, open", 2: "2, credentialed"}
_BEHIND = ("methods", "data", "own_tables", "cluster", "api", "glossary", "citing", "references")


class SiteError(RuntimeError):
    """Sphinx reported a warning or an error; the message holds its output."""


def _assemble(book: Path, build: Path) -> None:
    """Fill ``studies/`` and ``_generated/`` of the book's source from the runs and the ledger."""
    ledger = read_ledger(build / "ledger.json")
    generated = book / "_generated"
    generated.mkdir(exist_ok=True)
    (generated / "_toc.yml").write_text(yaml.safe_dump(table_of_contents()), "utf-8")
    (generated / "studies.md").write_text(list_of_studies(), "utf-8")
    (generated / "ledger.html").write_text(ledger_html(ledger), "utf-8")
    (generated / "datasets.html").write_text(datasets_html(), "utf-8")
    notebooks = [study.notebook_path for study in studies().values()]
    (generated / "api.md").write_text(api_markdown(notebooks), "utf-8")
    shutil.copy(build / "ledger.json", generated / "ledger.json")
    shutil.rmtree(book / "studies", ignore_errors=True)
    for study in studies().values():
        _assemble_study(study, book / "studies", build, ledger)


def build_site(build: Path | None = None) -> Path:
    """Build the HTML book in place of the old one, unless Sphinx warns: that is a broken page."""
    root = project_root()
    build = build or root / "_build"
    _assemble(root / "book", build)
    with tempfile.TemporaryDirectory(dir=build, prefix="site-") as scratch:
        program = Path(sys.executable).with_name("jupyter-book")
        command = [program, "build", "book", "--path-output", scratch, "--all"]
        command += ["--config", "_config.yml", "--toc", root / "book" / "_generated" / "_toc.yml"]
        finished = subprocess.run(
            [*command, "--warningiserror", "--keep-going", "--nitpick"],
            cwd=root,
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        if finished.returncode:
            raise SiteError(f"the book did not build:\n{finished.stdout}\n{finished.stderr}")
        site = Path(scratch, "_build", "html")
        _mend_reference_list(site / "references.html")
        _replace_folder(site, build / "html")
    return build / "html" / "index.html"


def table_of_contents() -> dict[str, object]:
    """Lay the chapters out: the ledger, the studies by part, and what stands behind them."""
    parts = {"What was found": ["claims"]}
    for study in studies().values():
        parts.setdefault(study.part, []).append(f"studies/{study.name}")
    parts["Behind the studies"] = list(_BEHIND)
    chapters = [
        {"caption": caption, "chapters": [{"file": file} for file in files]}
        for caption, files in parts.items()
    ]
    return {"format": "jb-book", "root": "index", "parts": chapters}


def list_of_studies() -> str:
    """List every study with its question, for the landing page."""
    lines = []
    for study in studies().values():
        number, _, title = study.title.partition(" · ")
        lines.append(f"- {number} · {study.question} [{title}](studies/{study.name}.ipynb).\n")
    return "".join(lines)


def datasets_html() -> str:
    """Lay the registry out as a table: content, tier, terms, how to get it."""
    header = ("Data set", "What it holds", "Tier", "Terms", "How to get it")
    rows = [
        (
            Markup('<a href="{}">{}</a>').format(entry.homepage, entry.title),
            entry.content,
            _TIERS[entry.tier],
            entry.licence,
            Markup("<code>{}</code>").format(entry.fetch_command),
        )
        for entry in datasets().values()
    ]
    return labeled_table(header, rows, "Data sets", list(datasets()))


def _assemble_study(study: Study, folder: Path, build: Path, ledger: list[LedgerRow]) -> None:
    own, shown = RunFolders.of(study.name, build), shown_run(study.name, build)
    stamp, missing = shown.read_stamp(), own.read_stamp().get("missing", [])
    if not stamp and own.failure.exists():
        page = pages.failed_page(study, json.loads(own.failure.read_text("utf-8"))["error"])
    elif not stamp or stamp["missing"]:
        page = pages.page_without_run(study, ledger, missing)
    else:
        executed = nbformat.read(shown.executed, as_version=4)
        page = pages.study_page(study, executed, ledger, stamp, missing)
    pages.write_page(page, folder / f"{study.name}.ipynb")
    if not stamp:
        return
    (folder / study.name).mkdir()
    shutil.copy(study.notebook_path, folder / study.name)
    for table in sorted(shown.results.glob("*.csv")):
        shutil.copy(table, folder / study.name)


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
