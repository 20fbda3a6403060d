"""Study 08 with own reports: it runs, scores what it should, and shows no word of a report."""

import json

import numpy as np
import pandas as pd
import pytest

from cxrstudy.runs import run_study, study

SECRET = "Quirinius"
TEXTS = {
    "effusion": ("Small left pleural effusion, seen by {name}.", "Small effusion."),
    "omitted": ("Left pleural effusion. Mild cardiomegaly.", "Stable chest."),
    "normal": ("The lungs are clear. Heart size is normal.", "Normal chest."),
    "tuberculosis": ("No {name}tube. No evidence of tuberculosis.", "Normal."),
}


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """A run on 80 made-up reports, 20 of each kind, each with a name in its text."""
    folder = tmp_path_factory.mktemp("own")
    rows = []
    for number in range(80):
        kind = list(TEXTS)[number % 4]
        findings, impression = (part.format(name=SECRET) for part in TEXTS[kind])
        text = f"FINDINGS: {findings} Image {number} of {SECRET}. IMPRESSION: {impression}"
        codes = [float(kind in {"effusion", "omitted"}), float(kind == "omitted")]
        rows.append((f"{SECRET}-{number}", text, *codes))
    names = ["id", "report", "Pleural Effusion", "Cardiomegaly"]
    table = pd.DataFrame(rows, columns=names)
    table[names[:2]].to_csv(folder / "reports.csv", index=False)
    table.drop(columns="report").to_csv(folder / "codes.csv", index=False)
    overrides = {
        "reports": str(folder / "reports.csv"), "human_codes": str(folder / "codes.csv"),
        "part": "held out", "n_bootstrap": 60,
    }  # fmt: skip
    return run_study(study("report_labeler"), "test", overrides, build=folder / "build")


def test_own_reports_are_all_scored(own_run):
    """No half of them is set aside, and their two observations are compared."""
    steps = pd.read_csv(own_run.results / "reports.csv", index_col="step")["reports"]
    assert steps["scored"] == 80
    table = pd.read_csv(own_run.results / "whole_report.csv")
    assert list(dict.fromkeys(table["observation"])) == [
        "Cardiomegaly", "Pleural Effusion", "Macro, 2 observations", "Macro, 2 findings",
        "Micro, 2 findings",
    ]  # fmt: skip
    assert np.allclose(table["estimate"], 1)


def test_what_the_impression_omits_is_found(own_run):
    """It names half of the effusions and no large heart: recall falls by 0.5 and by 1."""
    table = pd.read_csv(own_run.results / "impression_omits.csv")
    lost = table.query("policy == 'ones'").set_index("observation")["estimate"]
    assert lost["Pleural Effusion"] == 0.5 and lost["Cardiomegaly"] == 1
    assert lost["Macro, 2 findings"] == 0.75
    claim = own_run.results / "claims" / "visualchexbert.impression_omits.json"
    assert json.loads(claim.read_text("utf-8"))["n"] == 80


def test_no_word_of_an_own_report_leaves_the_run(own_run):
    """Neither the page nor a table holds the name that every report and id holds."""
    files = [own_run.executed, *own_run.results.rglob("*")]
    assert len(files) > 15
    secret = SECRET.lower().encode()
    found = [f.name for f in files if f.is_file() and secret in f.read_bytes().lower()]
    assert not found
    assert pd.read_csv(own_run.results / "error_quotes.csv").empty
    phrases = pd.read_csv(own_run.results / "embedded_phrases.csv")
    assert phrases["longer_words"].isna().all() and (phrases["phrase"] == "tube").any()
