"""The tables that an audit is given: from paths, from reports, or the CheXpert test set's own."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable, read_given
from cxrstudy.data import chexpert_test, nih_experts
from cxrstudy.data.label_pair import is_chexpert_test
from cxrstudy.data.tables import LabelTableError
from cxrstudy.labeler import label_reports
from cxrstudy.labeler.label_file import label_file
from cxrstudy.labeler.sections import labeled_text
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.whole_files import written_whole

_SECTIONS = ("findings", "impression")


@dataclass(frozen=True)
class GivenTables:
    """What was given to an audit."""

    truth: GivenTable
    labels: GivenTable
    scores: GivenTable | None = None
    groups: GivenTable | None = None
    readers: tuple[GivenTable, ...] = ()  # further readers and labelers
    patient: str = ""  # the column that names patients; found by its name if it is not given

    def all(self) -> list[GivenTable]:
        """List the tables that were given."""
        known = (self.truth, self.labels, *self.readers, self.scores, self.groups)
        return [table for table in known if table is not None]

    def names(self) -> str:
        """Name the files that are compared, such as ``labels.csv against truth.csv``."""
        return f"{Path(self.labels.path).name} against {Path(self.truth.path).name}"

    def in_words(self) -> str:
        """Say what was given."""
        return ", ".join(f"{table.name} ({len(table.ids)} rows)" for table in self.all())

    def understood(self) -> list[str]:
        """Say which columns were read as an observation of another name, or as one of their own."""
        lines = []
        for table in self.all():
            other = [f"{own} as {name}" for name, own in table.spelling.items() if own != name]
            added = [name for name in table.values if name not in OBSERVATIONS]
            lines += [f"{table.name}: {', '.join(other)}"] if other else []
            lines += [f"{table.name}: beside the 14, {', '.join(added)}"] if added else []
        return lines


def read_tables(
    truth: str,
    labels: str | None,
    scores: str | Path | None = None,
    groups: str | Path | None = None,
    reports: str | Path | None = None,
    readers: Sequence[str | Path] = (),
    *,
    patient: str = "",
    id_column: str = "",
) -> GivenTables:
    """Read the tables of an audit.

    In place of paths, truth and labels may both be ``"chexpert_test_set_labels"``, that test set
    with all its readers, or ``"google_adjudicated_labels"``, NIH's labels against Google's readers.
    """
    if truth == labels == nih_experts.GOOGLE:
        return _nih_against_google()
    if labels is not None and is_chexpert_test(truth, labels):
        truth, labels, readers = _released()
    known = read_given(truth, "truth", id_column=id_column)
    options = {"id_column": id_column, "observed": [*known.values]}
    if labels is not None:
        labeled = read_given(labels, "labels", **options)
    elif reports is not None:
        labeled = _from_reports(Path(reports))
    else:
        raise LabelTableError("there are no labels to audit: give a table of them, or --reports.")
    given = GivenTables(
        truth=known,
        labels=labeled,
        scores=read_given(scores, "scores", holds="scores", **options) if scores else None,
        groups=read_given(groups, "groups", holds="groups", id_column=id_column)
        if groups
        else None,
        readers=tuple(read_given(path, Path(path).stem, **options) for path in readers),
        patient=patient,
    )
    if patient and all(table.column(patient) is None for table in given.all()):
        raise LabelTableError(f"no table has the column {patient!r} that --patient names.")
    for table in (given.truth, given.labels):
        if not table.values.shape[1]:
            raise LabelTableError(
                f"{table.path}, row 1: no column holds label codes. Name columns as the "
                f"observations ({', '.join(OBSERVATIONS[:3])} ...), cells 1, 0, -1 or blank."
            )
    return given


def write_findings(path: str | Path, findings: Sequence[Finding]) -> None:
    """Write findings as a list of JSON objects."""
    records = [finding.as_record() for finding in findings]
    with written_whole(Path(path)) as unfinished:
        unfinished.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _from_reports(reports: Path) -> GivenTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        label_file(
            reports, path, lambda texts: label_reports([labeled_text(t, _SECTIONS) for t in texts])
        )
        return replace(read_given(path, "labels"), path=reports)


def _released() -> tuple[str, str, list[Path]]:
    """Return the paths of the CheXpert test set: truth, labels, and all other label tables."""
    _, paths = chexpert_test.released_tables()
    return str(paths[0]), str(paths[1]), paths[2:]


def _nih_against_google() -> GivenTables:
    """Lay NIH's labels beside Google's readers, by the terms that both have."""
    nih, sets = nih_experts.load_nih(), nih_experts.load_google()
    pairs = {"Pneumothorax": ("Pneumothorax",), "Nodule or mass": ("Nodule", "Mass")}
    pairs["Airspace opacity"] = nih_experts.AIRSPACE
    truth = pd.concat(sets.values())[[*pairs]]
    labels = pd.DataFrame({name: nih.any_of(terms) for name, terms in pairs.items()})
    images = nih.images.assign(set="")
    for name, table in sets.items():
        images.loc[table.index, "set"] = name
    shown = images.loc[truth.index].astype(str)
    return GivenTables(
        truth=_in_memory("truth", nih_experts.google_file(), truth, truth[[]]),
        labels=_in_memory("labels", nih_experts.nih_file(), labels.loc[truth.index], shown),
    )


def _in_memory(name: str, path: Path, values: pd.DataFrame, others: pd.DataFrame) -> GivenTable:
    parts = (part.reset_index(drop=True) for part in (values.astype(float), others))
    return GivenTable(name, path, values.index, *parts, {column: column for column in values})
