"""Assemble the pages and build the site, whole or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Container
from pathlib import Path

import nbformat
import yaml
from markupsafe import Markup

from cxrstudy.book import pages
from cxrstudy.book.api import api_markdown
from cxrstudy.book.audit_tools import audit_tools_markdown
from cxrstudy.book.landing import Findings
from cxrstudy.book.ledger_page import ledger_html
from cxrstudy.book.release import bibtex
from cxrstudy.book.top import answer_of, figure_of
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
    (generated / "ledger.html").write_text(ledger_html(ledger), "utf-8")
    (generated / "datasets.html").write_text(datasets_html(), "utf-8")
    notebooks = [study.notebook_path for study in studies().values()]
    (generated / "api.md").write_text(api_markdown(notebooks), "utf-8")
    (generated / "audit_tools.md").write_text(audit_tools_markdown(), "utf-8")
    (generated / "cxrstudy.bib").write_text(bibtex(), "utf-8")
    shutil.copy(build / "ledger.json", generated / "ledger.json")
    shutil.rmtree(book / "studies", ignore_errors=True)
    for study in studies().values():
        _assemble_study(study, book / "studies", build, ledger)
    found = Findings.of_runs(build, ledger)
    (generated / "landing.md").write_text(found.landing_markdown(), "utf-8")
    found.draw(generated / "preview.png")
    if found.hero:
        (generated / "hero.jpg").write_bytes(found.hero.jpeg)
    own_runs = {path.stem.removesuffix("_run") for path in (book / "studies").glob("*_run.ipynb")}
    (generated / "_toc.yml").write_text(yaml.safe_dump(table_of_contents(own_runs)), "utf-8")


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


def table_of_contents(own_runs: Container[str] = ()) -> dict[str, object]:
    """Lay the chapters out; studies in `own_runs` have a page of that run below their own."""
    parts: dict[str, list[dict]] = {"What was found": [{"file": "claims"}]}
    for study in studies().values():
        chapter: dict = {"file": f"studies/{study.name}", "title": study.title}
        if study.name in own_runs:
            own = {"file": f"studies/{study.name}_run", "title": "This machine's run"}
            chapter["sections"] = [own]
        parts.setdefault(study.part, []).append(chapter)
    parts["Behind the studies"] = [{"file": file} for file in _BEHIND]
    chapters = [{"caption": caption, "chapters": files} for caption, files in parts.items()]
    return {"format": "jb-book", "root": "index", "parts": chapters}


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
    """Write the page of the run that decides, and one of this machine's run if that is another."""
    own, shown = RunFolders.of(study.name, build), shown_run(study, build)
    path, missing, note = folder / f"{study.name}.ipynb", own.read_stamp().get("missing", []), ""
    has_run, has_failed = own.stamp.exists() and not missing, own.failure.exists()
    failed = pages.failed_page(study, own.read_failure()) if has_failed else None
    if own == shown and not has_run:
        return pages.write_page(failed or pages.page_without_run(study, ledger, missing), path)
    if own != shown:
        own_path = path.with_stem(pages.own_page_name(study))
        if has_run:
            executed = nbformat.read(own.executed, as_version=4)
            pages.write_page(pages.own_run_page(study, executed, own.read_stamp()), own_path)
            _copy_downloads(study, own, own_path.with_suffix(""))
        elif failed:
            pages.write_page(failed, own_path)
        note = pages.recorded_note(study, shown.read_stamp(), missing, own_path.exists())
    executed = nbformat.read(shown.executed, as_version=4)
    pages.write_page(pages.study_page(study, executed, ledger, shown.read_stamp(), note), path)
    _copy_downloads(study, shown, path.with_suffix(""))
    if answer := answer_of(executed):
        figure, _ = figure_of(executed, answer["figure"])
        (path.with_suffix("") / "answer.svg").write_text(figure, "utf-8")


def _copy_downloads(study: Study, run: RunFolders, files: Path) -> None:
    files.mkdir(parents=True)
    shutil.copy(study.notebook_path, files)
    for table in sorted(run.results.glob("*.csv")):
        shutil.copy(table, files / f"{files.name}_{table.name}")


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
