"""The command line: thin doors to the package's functions."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cxrstudy.cli_models import benchmark, predict

app = typer.Typer(
    help="What does a chest X-ray label measure? Run studies, audit label tables, build the book.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="List and fetch the data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

_StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study of studies.yaml.")]
_ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", help="NAME=VALUE, or NAME='[1, 3]' for a list; repeatable."),
]


def main() -> None:
    """Run the command line; an error that a user can mend is one line, not a traceback."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _mendable_errors()):
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None


def _mendable_errors() -> tuple[type[Exception], ...]:
    """Import the errors when one was raised; ``--help`` waits for no library."""
    from cxrstudy.book.site import SiteError
    from cxrstudy.data.images.folders import ImageFolderError
    from cxrstudy.data.registry import CorruptDataError, DataNotAvailableError
    from cxrstudy.data.tables import LabelTableError
    from cxrstudy.labeler.files import ReportFileError
    from cxrstudy.multimodal.benchmark import BenchmarkError
    from cxrstudy.runs import ParameterError, RecordError, StudyFailedError

    of_data = (CorruptDataError, DataNotAvailableError, ImageFolderError, LabelTableError)
    of_runs = (ParameterError, RecordError, SiteError, StudyFailedError)
    return *of_data, ReportFileError, BenchmarkError, *of_runs


@app.command()
def run(
    study_name: _StudyArgument,
    set_name: Annotated[str, typer.Option("--set", help="Parameter set.")] = "quick",
    parameter: _ParameterOption = None,
    build: Annotated[
        Path | None, typer.Option(help="Folder for results; _build, or _build/own if -p is given.")
    ] = None,
    in_build: Annotated[
        bool, typer.Option("--in-build", help="Missing data are no error: the book shows a record.")
    ] = False,
) -> None:
    """Execute one study's notebook and publish its tables."""
    study = _study(study_name)
    if set_name not in study.sets:
        raise typer.BadParameter(f"no such set; {study_name} has: {', '.join(study.sets)}")

    from cxrstudy.data.registry import DataNotAvailableError, dataset
    from cxrstudy.paths import in_project
    from cxrstudy.runs import run_study

    overrides = dict(_split(text) for text in parameter or [])
    # The book's own results are not for overridden parameters.
    folder = build or in_project("_build/own" if overrides else "_build")
    # `accelerate launch` runs the command several times. The first process publishes; the others
    # share its trainings, and leave their copies of the tables aside.
    if (rank := os.environ.get("RANK", "0")) != "0":
        folder = in_project(f"_build/scratch/process_{rank}")
    folders = run_study(study, set_name, overrides, folder.absolute())
    missing = [dataset(name) for name in folders.read_stamp()["missing"]]
    if not missing:
        typer.echo(f"{study_name}: tables in {folders.results}")
        return
    titles = ", ".join(entry.title for entry in missing)
    commands = " && ".join(entry.fetch_command for entry in missing)
    problem = f"{study_name} has no data on this machine: {titles}. To get them: {commands}"
    if not in_build:
        raise DataNotAvailableError(problem)
    typer.echo(problem, err=True)


@app.command()
def audit(
    truth: Annotated[str, typer.Argument(help="Labels of the images by experts: CSV or Parquet.")],
    labels: Annotated[
        str | None, typer.Argument(help="Labels of the reports; or give --reports.")
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="A model's scores, 0 to 1.")] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Patient, sex, site, split and so on.")
    ] = None,
    reports: Annotated[
        Path | None, typer.Option(help="Reports, labeled by rules if there are no labels.")
    ] = None,
    reader: Annotated[
        list[Path] | None, typer.Option(help="Labels of one more reader or labeler; repeatable.")
    ] = None,
    patient: Annotated[str, typer.Option(help="Column of patients, if not found by name.")] = "",
    id_column: Annotated[str, typer.Option("--id", help="Column of ids, if not found.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the findings: findings.json.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File for the report: report.html.")] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Folder for the tables of the report, as CSV.")
    ] = None,
    suppress_below: Annotated[
        int, typer.Option(min=0, help="Print counts below this as '< K'; 0 prints all.")
    ] = 0,
    show_ids: Annotated[
        bool, typer.Option("--show-ids", help="Let the report show ids of studies.")
    ] = False,
) -> None:
    """Check label tables, say what to repair, and write a report of how far they agree.

    Exit code: 1 if any finding is an error.
    """
    from cxrstudy.audit import check_all, read_tables, shown_findings, write_findings

    named = {"patient": patient, "id_column": id_column}
    given = {"truth": truth, "labels": labels, "scores": scores, "groups": groups}
    given |= {"reports": reports, "readers": reader or [], **named}
    if out or tables:
        from cxrstudy.book.one_file import audit_report

        shown = {"suppress_below": suppress_below, "show_ids": show_ids}
        absolute = {name: _given(value) for name, value in given.items()}
        findings = audit_report(absolute | shown, tables, out)
    else:
        read = read_tables(**given)
        findings = shown_findings(check_all(read), suppress_below)
        for line in read.understood():
            typer.echo(f"read: {line}")
    if json_file:
        write_findings(json_file, findings)
    for finding in findings:
        typer.echo(f"{finding.severity}: {finding.sentence} {finding.repair}".rstrip())
    for what, place in (("findings", json_file), ("report", out), ("tables", tables)):
        if place:
            typer.echo(f"{what}: {place}")
    if not findings:
        typer.echo("No defect found.")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _given(value: object) -> object:
    """Make paths absolute, and missing ones empty: a notebook runs in a folder of its own."""
    if value is None:
        return ""
    if isinstance(value, list):
        return [_given(each) for each in value]
    if isinstance(value, str | Path):
        return str(Path(value).absolute()) if value and Path(value).exists() else str(value)
    return value


@app.command()
def label(
    reports: Annotated[
        Path, typer.Argument(help="CSV or Parquet with columns id and report, or folder of .txt.")
    ],
    out: Annotated[Path, typer.Option(help="The table of labels to write: a .csv file.")],
    sections: Annotated[
        str, typer.Option(help="Sections to read, with commas between them.")
    ] = "findings,impression",
) -> None:
    """Label reports of any number with the 14 observations by rules."""
    from cxrstudy.labeler import label_reports
    from cxrstudy.labeler.label_file import label_file
    from cxrstudy.labeler.sections import SECTIONS, labeled_text

    wanted = tuple(name.strip().lower() for name in sections.split(","))
    if not set(wanted) <= set(SECTIONS):
        raise typer.BadParameter(f"--sections takes names among: {', '.join(SECTIONS)}")
    n_reports = label_file(
        reports, out, lambda texts: label_reports([labeled_text(text, wanted) for text in texts])
    )
    typer.echo(f"{n_reports} reports labeled in {out}")


app.command()(predict)
app.command()(benchmark)


@app.command()
def record(
    study_name: _StudyArgument,
    build: Annotated[Path, typer.Option(help="Folder with the finished run.")] = Path("_build"),
) -> None:
    """Record a run in book/recorded: its page, tables, measurements and provenance."""
    from cxrstudy.runs import record_run

    path = record_run(_study(study_name), build.absolute())
    typer.echo(f"{study_name}: recorded in {path}")


@app.command()
def ledger(
    build: Annotated[Path, typer.Option(help="Folder with results.")] = Path("_build"),
) -> None:
    """Decide every claim from the studies' measurements and write ledger.json."""
    from cxrstudy.claims import write_ledger
    from cxrstudy.runs.shown import ledger_of_runs

    write_ledger(ledger_of_runs(build.absolute()), build / "ledger.json")


@app.command()
def site() -> None:
    """Assemble the pages and build the HTML book from the runs at hand."""
    from cxrstudy.book.site import build_site

    typer.echo(f"book: {build_site()}")


@app.command()
def book(
    set_name: Annotated[str, typer.Option("--set", help="Parameter set.")] = "quick",
    cores: Annotated[int | None, typer.Option(help="Cores; all unless told otherwise.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Snakemake profile of a cluster, such as profiles/slurm.")
    ] = None,
) -> None:
    """Run every study that is out of date and build the book."""
    from cxrstudy.runs.graph import build_book

    if cores and profile:
        raise typer.BadParameter("cores are the profile's to give; name one of the two")
    raise typer.Exit(build_book(set_name, cores, profile))


@app.command()
def readme(
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is current.")] = False,
) -> None:
    """Write the findings of README.md, and its picture, from the ledger and the runs at hand."""
    from cxrstudy.book.hero import text_of_preview
    from cxrstudy.book.landing import Findings
    from cxrstudy.book.printed_claims import with_headline
    from cxrstudy.claims import read_ledger
    from cxrstudy.paths import in_project

    ledger = read_ledger(in_project("_build/ledger.json"))
    found = Findings.of_runs(in_project("_build"), ledger)
    path, picture = in_project("README.md"), in_project("book/_static/preview.png")
    current = path.read_text("utf-8")
    wanted = with_headline(current, ledger, found.in_readme())
    if not check:
        path.write_text(wanted, "utf-8")
        found.draw(picture)
    elif wanted != current or text_of_preview(picture) != found.on_preview:
        typer.echo("README.md: its findings are not the book's; run `cxrstudy readme`", err=True)
        raise typer.Exit(1)


@data_app.command("list")
def list_data() -> None:
    """List the data sets with their terms, and where their files are."""
    from cxrstudy.data.registry import datasets

    for entry in datasets().values():
        typer.echo(f"{entry.name}\n  {entry.content.strip()}\n  tier {entry.tier}; {entry.licence}")
        typer.echo(f"  {entry.place() or f'not on this machine: {entry.fetch_command}'}")


@data_app.command("fetch")
def fetch_data(name: Annotated[str, typer.Argument(help="A data set of the registry.")]) -> None:
    """Bring a data set to this machine and verify every file."""
    from cxrstudy.data.registry import datasets, fetch

    if name not in datasets():
        raise typer.BadParameter(f"no such data set; choose one of: {', '.join(datasets())}")
    paths = fetch(name)
    typer.echo(f"{name}: {len(paths)} files verified in {paths[0].parent}")


def _study(name: str):
    from cxrstudy.runs import studies

    if name not in studies():
        raise typer.BadParameter(f"no such study; choose one of: {', '.join(studies())}")
    return studies()[name]


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    # The notebook runs in the project's folder, the reader may be anywhere.
    return name, _given(value)


if __name__ == "__main__":
    main()
