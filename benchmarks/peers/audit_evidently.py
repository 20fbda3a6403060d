"""Audit label tables with Evidently; a program for the Python of its environment.

Its summary of a table and its measure of drift see the labels, as codes; metrics that take a list
of values see the ids and the patients. Parts of the file and sites are compared with the rest, and
the agreement of a row with the truth is a column of its own, whose mean is asked for by site.
"""

import os
import warnings

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd
from audit_cases import BLANK, FEWEST, KNOWN, Case, run
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import (
    DuplicatedColumnsCount,
    DuplicatedRowCount,
    GroupBy,
    InListValueCount,
    MeanValue,
    MissingValueCount,
    OutListValueCount,
    UniqueValueCount,
    ValueDrift,
    column_statistics,
)
from evidently.presets import DatasetStats

# Nothing is drawn, as with the other tools; it takes five sixths of the time.
column_statistics.distribution = lambda *_: []
column_statistics.ValueDriftCalculation._render = lambda *_: []

# Its measure and limit for larger tables, at all sizes: a P value for each of the many columns and
# parts would raise alarms by chance.
DRIFT = {"method": "jensenshannon", "threshold": 0.1}
WEAK, MOSTLY = 0.9, 0.5  # of the mean agreement; of the stated cells of a column
ROWS = {  # metrics of the summary that fail a test against the truth
    "DuplicatedRowCount": "repeated_rows",
    "EmptyRowsCount": "",
    "AlmostConstantColumnsCount": "",
}


def audit(case: Case) -> None:
    """Run the presets and metrics that speak of tables without a model."""
    _summary(case)
    _ids(case)
    _drift(case)
    _agreement(case)


def _summary(case: Case) -> None:
    """Its summary with its default tests against the truth, and the values of each column."""
    truth, labels = case.truth[case.matched], case.labels
    missing = [MissingValueCount(column=column) for column in case.columns]
    report = Report([DatasetStats(), *missing], include_tests=True)
    snapshot = report.run(_categories(_blanks(labels)), _categories(_blanks(truth))).dict()
    for test in snapshot["tests"]:
        about = test["metric_config"]["params"]
        name, column = about["type"].split(":")[-1], about.get("column")
        if test["status"] == "FAIL" and (name in ROWS or column):
            case.flag(name, ROWS.get(name, ""), [column] if column else [])
    unique = [UniqueValueCount(column=column) for column in case.columns]
    others = [OutListValueCount(column=column, values=sorted(KNOWN)) for column in case.columns]
    found = _values([*unique, *others], labels)
    for column, values, odd in zip(case.columns, found, found[len(unique) :], strict=False):
        if sum(count > 0 for count in values["counts"].values()) == 1:
            case.flag("UniqueValueCount of 1", "constant_column", [column])
        if odd["count"]:
            case.flag("OutListValueCount of the codes", "encoding", [column])
    both = pd.concat([truth.add_prefix("truth "), labels[case.matched]], axis=1)
    if _values([DuplicatedColumnsCount()], both)[0] >= len(case.columns):
        case.flag("DuplicatedColumnsCount of both tables", "identical_files")


def _ids(case: Case) -> None:
    """Repeated ids, ids that only the labels have, and patients in both parts."""
    ids = pd.DataFrame({"study": case.ids["labels"]})
    if _values([DuplicatedRowCount()], ids)[0]:
        case.flag("DuplicatedRowCount of the ids", "duplicate_ids")
    known = sorted(case.ids["truth"])
    if _values([OutListValueCount(column="study", values=known)], ids)[0]["count"]:
        case.flag("OutListValueCount of the ids", "unmatched_ids")
    if "patient" in case.groups:
        train = case.groups["split"] == "train"
        trained = sorted(set(case.groups["patient"][train]))
        metric = InListValueCount(column="patient", values=trained)
        if _values([metric], case.groups.loc[~train, ["patient"]])[0]["count"]:
            case.flag("InListValueCount", "patient_overlap", ["patient"], table="groups")


def _drift(case: Case) -> None:
    """Compare the truth with the labels, and parts of the labels with the rest."""
    for column in _drifted(case.truth[case.matched], case.labels[case.matched]):
        case.flag("ValueDrift from the truth", columns=[column])
    for name, inside in case.parts():
        for column in _drifted(case.labels[~inside], case.labels[inside]):
            rows = np.flatnonzero(inside)
            case.flag(f"ValueDrift of the {name}", "policy_change", [column], rows)


def _drifted(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    metrics = [ValueDrift(column=column, **DRIFT) for column in current]
    report = Report(metrics).run(_categories(current), _categories(reference))
    scores = [float(each["value"]) for each in report.dict()["metrics"]]
    limit = DRIFT["threshold"]
    return [name for name, score in zip(current, scores, strict=True) if score >= limit]


def _agreement(case: Case) -> None:
    """Ask for the mean agreement with the truth of each site, third of the file, and column."""
    rows = pd.DataFrame({"agreement": case.agreement, "site": case.site})
    rows["third"] = case.third.astype(str)
    definition = DataDefinition(
        numerical_columns=["agreement"], categorical_columns=["site", "third"]
    )
    mean = MeanValue(column="agreement")
    report = Report([mean, GroupBy(mean, "site"), GroupBy(mean, "third")])
    snapshot = report.run(Dataset.from_pandas(rows, data_definition=definition), None)
    overall, *groups = snapshot.dict()["metrics"]
    for group in groups:
        if float(group["value"]) < WEAK * float(overall["value"]):
            column, label = group["config"]["column_name"], group["config"]["label"]
            kind = "site_disagreement" if column == "site" else ""
            inside = np.flatnonzero(rows[column] == label)
            case.flag(f"MeanValue of the agreement by {column} {label}", kind, rows=inside)
    stated = [column for column in case.columns if case.stated[column].sum() >= FEWEST]
    data = Dataset.from_pandas(case.correct, DataDefinition(numerical_columns=case.columns))
    report = Report([MeanValue(column=column) for column in stated]).run(data, None)
    for column, found in zip(stated, report.dict()["metrics"], strict=True):
        if float(found["value"]) < MOSTLY:
            case.flag("MeanValue of a column's agreement", "inverted_column", [column])


def _values(metrics: list, table: pd.DataFrame) -> list:
    found = Report(metrics).run(_categories(table), None).dict()["metrics"]
    return [each["value"] for each in found]


def _categories(table: pd.DataFrame) -> Dataset:
    definition = DataDefinition(categorical_columns=list(table))
    return Dataset.from_pandas(table.reset_index(drop=True), data_definition=definition)


def _blanks(table: pd.DataFrame) -> pd.DataFrame:
    return table.replace(BLANK, np.nan)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run(audit)
