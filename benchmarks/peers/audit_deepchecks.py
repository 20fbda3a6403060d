"""Audit label tables with deepchecks; a program for the Python of its environment.

Its suite for data integrity sees the labels as pandas reads them. Its checks of a train and a test
table compare the truth with the labels, a third of the file or a site with the rest, and one side
of the split with the other. Weak segments are sought in the agreement of a row with the truth, by
site and by number of the row.
"""

import logging
import os
import warnings

os.environ["DISABLE_LATEST_VERSION_CHECK"] = "1"  # it asks its makers at import

import numpy as np
import pandas as pd
from audit_cases import FEWEST, KNOWN, Case, run
from deepchecks.core.errors import DeepchecksBaseError
from deepchecks.tabular import Dataset, checks

DRIFT = 0.2  # its suite's own limit for categories
WEAK, MOSTLY = 0.9, 0.5  # of the mean agreement; of the stated cells of a column


def audit(case: Case) -> None:
    """Run the checks that speak of tables without a model."""
    _integrity(case)
    _ids(case)
    _drift(case)
    _accuracy(case)
    _weak_segments(case)


def _integrity(case: Case) -> None:
    """Run the suite for one table, less what needs dates, texts or a label to predict."""
    table = Dataset(case.raw, index_name="study", cat_features=case.columns)
    single = checks.IsSingleValue(ignore_nan=False).add_condition_not_single_value()
    suite = (
        checks.MixedNulls().add_condition_different_nulls_less_equal_to(),
        checks.SpecialCharacters().add_condition_ratio_of_special_characters_less_or_equal(),
        checks.StringMismatch().add_condition_no_variants(),
        checks.DataDuplicates(columns=case.columns).add_condition_ratio_less_or_equal(),
        checks.FeatureFeatureCorrelation().add_condition_max_number_of_pairs_above_threshold(),
    )
    for check in suite:
        name = type(check).__name__
        if not check.run(table, with_display=False).passed_conditions():
            case.flag(name, "repeated_rows" if name == "DataDuplicates" else "")
    for column, count in single.run(table, with_display=False).value.items():
        if count == 1:
            case.flag("IsSingleValue", "constant_column", [column])
    for column, mix in checks.MixedDataTypes().run(table, with_display=False).value.items():
        if mix:
            case.flag("MixedDataTypes", "encoding", [column])
    truth, labels = _categories(case.truth), _categories(case.labels)
    new = checks.NewCategoryTrainTest().run(truth, labels, with_display=False).value
    for row in new.itertuples():
        if set(map(str, row[-1])) - KNOWN:
            case.flag("NewCategoryTrainTest", "encoding", [row[0]])


def _ids(case: Case) -> None:
    """Repeated ids, ids that only the labels have, same rows, and patients in both parts."""
    ids = {name: case.read(name)[["study"]] for name in ("truth", "labels")}
    if checks.DataDuplicates().run(_categories(ids["labels"]), with_display=False).value:
        case.flag("DataDuplicates of the ids", "duplicate_ids")
    pair = [Dataset(table.drop_duplicates(), index_name="study") for table in ids.values()]
    if checks.IndexTrainTestLeakage().run(*pair, with_display=False).value < 1:
        case.flag("IndexTrainTestLeakage of the studies below 1", "unmatched_ids")
    both = [table.assign(study=case.ids["labels"]) for table in (case.truth, case.labels)]
    pair = list(map(_categories, both))
    if checks.TrainTestSamplesMix().run(*pair, with_display=False).value["ratio"] == 1:
        case.flag("TrainTestSamplesMix of 1", "identical_files")
    if "patient" in case.groups:
        split = case.groups["split"]
        pair = [
            Dataset(case.groups.loc[split == part, ["patient"]], index_name="patient")
            for part in ("train", "test")
        ]
        if checks.IndexTrainTestLeakage().run(*pair, with_display=False).value:
            case.flag("IndexTrainTestLeakage", "patient_overlap", ["patient"], table="groups")


def _drift(case: Case) -> None:
    """Compare the truth with the labels, and parts of the labels with the rest."""
    for column in _drifted(case.truth[case.matched], case.labels[case.matched]):
        case.flag("FeatureDrift from the truth", columns=[column])
    for name, inside in case.parts():
        for column in _drifted(case.labels[~inside], case.labels[inside]):
            rows = np.flatnonzero(inside)
            case.flag(f"FeatureDrift of the {name}", "policy_change", [column], rows)


def _drifted(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    check = checks.FeatureDrift(n_top_columns=1)
    found = check.run(_categories(one), _categories(other), with_display=False).value
    return [name for name, each in found.items() if (each["Drift score"] or 0) >= DRIFT]


def _accuracy(case: Case) -> None:
    """Take the truth for the predictions of a model of each column's labels."""
    for column in case.columns:
        stated = case.stated[column]
        labels, truth = (table[column][stated].astype(int) for table in (case.labels, case.truth))
        if len(labels) < FEWEST or labels.nunique() < 2:
            continue
        table = pd.DataFrame({"row": np.flatnonzero(stated), "label": labels.to_numpy()})
        data = Dataset(table, label="label", cat_features=[], label_type="binary")
        check = checks.SingleDatasetPerformance(scorers=["accuracy"])
        found = check.run(data, y_pred=truth.to_numpy(), with_display=False).value
        if float(found["Value"].iloc[0]) < MOSTLY:
            case.flag("SingleDatasetPerformance", "inverted_column", [column])


def _weak_segments(case: Case) -> None:
    """Seek sites and ranges of rows in which labels and truth agree less."""
    rows = pd.DataFrame({"site": case.site, "row": range(len(case.site))})
    table = Dataset(
        rows.assign(agreement=case.agreement),
        label="agreement",
        cat_features=["site"],
        label_type="regression",
    )
    check = checks.WeakSegmentsPerformance(score_per_sample=case.agreement)
    try:
        found = check.run(table, y_pred=case.agreement.to_numpy(), with_display=False).value
    except DeepchecksBaseError:  # it found no segment at all
        return
    for segment in found["weak_segments_list"].itertuples(index=False):
        if segment[0] < WEAK * found["avg_score"]:
            by_site = "site" in (segment[1], segment[3])
            kind = "site_disagreement" if by_site else ""
            case.flag(f"WeakSegmentsPerformance by {segment[1]}", kind, rows=segment[-1])


def _categories(table: pd.DataFrame) -> Dataset:
    return Dataset(table, cat_features=list(table))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("deepchecks").setLevel(logging.ERROR)
    run(audit)
