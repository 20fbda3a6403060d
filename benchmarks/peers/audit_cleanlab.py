"""Audit label tables with cleanlab's Datalab; a program for the Python of its environment.

The truth is given as predicted probabilities, the labels are what they are compared with, and the
sites and the thirds of the file are the clusters. What needs features gets the codes, one column
for each code. Rows of codes repeat, and cleanlab takes equal rows in the order of the file, which
by itself looks like an order: for the question whether neighbors in the file are alike, a little
noise breaks the ties.
"""

import contextlib
import io
import logging
import warnings

import numpy as np
import pandas as pd
from audit_cases import BLANK, FEWEST, Case, run
from cleanlab import Datalab

MOSTLY, MANY = 0.5, 0.1  # shares of a column's labels with issues
WEAK = 0.9  # of the mean confidence in a label
SURE = 0.95
TIE_BREAK = 0.01


def audit(case: Case) -> None:
    """Ask Datalab for every kind of issue."""
    _ask_of_rows(case)
    for column in case.columns:
        _ask_of_column(case, column)
    _ask_of_groups(case)


def _ask_of_rows(case: Case) -> None:
    """Near duplicates, empty rows, and whether neighbors in the file are alike."""
    rows = {"row": range(len(case.labels))}
    codes = pd.get_dummies(case.labels).to_numpy(float)
    found = _issues(rows, {"near_duplicate": {}}, features=codes)["is_near_duplicate_issue"]
    if found.any():
        case.flag("near_duplicate", "repeated_rows", rows=np.flatnonzero(found))
    blank = case.labels.replace(BLANK, np.nan)
    empty = _issues(rows, {"null": {}}, features=blank)["is_null_issue"]
    if empty.any():
        case.flag("null", rows=np.flatnonzero(empty))
    differs = (case.stated & (case.truth != case.labels)).to_numpy(float)
    asked = {"codes": ("policy_change", codes), "differences": ("", differs)}
    for name, (kind, features) in asked.items():
        noise = np.random.default_rng(0).normal(0, TIE_BREAK, features.shape)
        found = _issues(rows, {"non_iid": {}}, features=features + noise)
        if found["is_non_iid_issue"].any():
            case.flag(f"non_iid of the {name}", kind)


def _ask_of_column(case: Case, column: str) -> None:
    """Label issues against the truth, and rare classes."""
    stated = case.stated[column].to_numpy()
    labels = case.labels[column][stated].astype(int).to_numpy()
    if len(labels) < FEWEST or len(set(labels)) < 2:
        return
    given = {"pred_probs": _probabilities(case.truth[column][stated])}
    found = _issues({"label": labels}, {"label": {}, "class_imbalance": {}}, "label", **given)
    wrong = found["is_label_issue"].to_numpy()
    if wrong.mean() >= MANY:
        kind = "inverted_column" if wrong.mean() >= MOSTLY else ""
        case.flag("label", kind, [column], np.flatnonzero(stated)[wrong])
    if found["is_class_imbalance_issue"].any():
        case.flag("class_imbalance", columns=[column])


def _ask_of_groups(case: Case) -> None:
    """Sites and thirds of the file in which labels are worse, over all stated cells."""
    rows, columns = np.nonzero(case.stated.to_numpy())
    labels = case.labels.to_numpy()[rows, columns].astype(int)
    if len(set(labels)) < 2:
        return
    given = {"pred_probs": _probabilities(case.truth.to_numpy()[rows, columns])}
    groups = {"site": pd.factorize(case.site)[0], "third": case.third}
    for name, group in groups.items():
        kinds = {"underperforming_group": {"cluster_ids": group[rows], "threshold": WEAK}}
        found = _issues({"label": labels}, kinds, "label", **given)
        worse = np.unique(rows[found["is_underperforming_group_issue"]])
        if len(worse):
            kind = "site_disagreement" if name == "site" else ""
            case.flag(f"underperforming_group by {name}", kind, rows=worse)


def _probabilities(truth: pd.Series | np.ndarray) -> np.ndarray:
    positive = np.where(truth == "1", SURE, 1 - SURE)
    return np.column_stack([1 - positive, positive])


def _issues(data: dict, kinds: dict, label: str | None = None, **given) -> pd.DataFrame:
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data, label_name=label, verbosity=0)
        lab.find_issues(issue_types=kinds, **given)
    return lab.get_issues()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    run(audit)
