"""The report of an audit: its numbers, what it hides, and one file that is safe to hand on."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling, agree
from cxrstudy.audit import (
    Finding,
    check_all,
    comparisons,
    first_sentences,
    given_table,
    ids_table,
    prepare,
    read_tables,
    shown_findings,
    what_to_repair,
)
from cxrstudy.audit.suppression import suppressed_counts, suppressed_estimates
from cxrstudy.experiments.odds_ratios import firth_odds_ratios, wald_odds_ratios

FINDINGS = ["Edema", "Lung Opacity", "Pleural Effusion"]


def _made(folder, n=240, seed=0, **changes):
    """Write a truth, labels that follow it, scores and groups of invented studies."""
    random = np.random.default_rng(seed)
    ids = pd.Index([f"s{number:04}" for number in range(n)], name="study")
    shape = n, len(FINDINGS)
    truth = pd.DataFrame(random.random(shape) < 0.4, ids, FINDINGS).astype(float)
    wrong = random.random(shape) < 0.15
    labels = truth.mask(wrong, 1 - truth)
    labels = labels.mask(random.random(shape) < 0.08, -1).mask(random.random(shape) < 0.08)
    scores = (0.3 * truth + random.random(shape)) / 1.3
    groups = pd.DataFrame(
        {"patient": random.integers(n // 2, size=n), "sex": random.choice(["F", "M"], n),
         "age": random.integers(5, 95, n)}, ids,
    )  # fmt: skip
    tables = {"truth": truth, "labels": labels, "scores": scores, "groups": groups} | changes
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv")
    return {name: str(folder / f"{name}.csv") for name in tables}


@pytest.fixture
def scored(tmp_path):
    """Everything that can be given, prepared."""
    given = read_tables(**_made(tmp_path))
    findings = check_all(given)
    return prepare(given, findings, replicates=200), findings


def test_agreement_is_that_of_agree(scored):
    """The report's scores are those of the package's one entry point, on draws of patients."""
    prepared, _ = scored
    units = prepared.resampling.units(len(prepared.truth))
    assert units.n_units < len(prepared.truth)
    known = agree(prepared.truth, {"x": prepared.labels[FINDINGS].eq(1).astype(float)},
                  metrics=("kappa",), resampling=prepared.resampling)  # fmt: skip
    found = comparisons.agreement(prepared)
    for name in [*FINDINGS, "Average"]:
        one, other = (a.estimate(m, name, "kappa") for a, m in ((found, "as given"), (known, "x")))
        assert one.row() == other.row()


def test_counts_add_up(scored):
    """Each study is in one cell of every partition."""
    counts = scored[0].counts
    n = len(scored[0].truth)
    by_report = [f"report_{code}" for code in ("positive", "negative", "uncertain", "blank")]
    for cells in (["both", "image_only", "report_only", "neither"], by_report):
        assert (counts[cells].sum(axis=1) == n).all()


def test_label_noise_alone(tmp_path):
    """Labels whose errors know nothing of the scores leave nothing beyond noise; others do."""
    random = np.random.default_rng(3)
    ids = pd.Index([f"s{number:05}" for number in range(6000)], name="study")
    truth = pd.DataFrame({"Edema": random.random(6000) < 0.3}, ids).astype(float)
    scores = truth + random.normal(size=(6000, 1))
    at_random = truth.mask(random.random((6000, 1)) < 0.2, 1 - truth)
    shared = (scores + 0.5 * random.normal(size=(6000, 1)) > 0.9).astype(float)
    scores = 1 / (1 + np.exp(-scores))
    beyond = []
    for labels in (at_random, shared):
        paths = _made(tmp_path, 10, truth=truth, labels=labels, scores=scores)
        del paths["groups"]
        given = read_tables(**paths)
        table = comparisons.scores_table(prepare(given, [], replicates=200))
        table = table.query("observation == 'Edema'")
        beyond.append(table.set_index("quantity").loc["beyond noise"])
        quantities = table.set_index("quantity")["estimate"]
        wanted = quantities["by the report labels"] - quantities["that label noise alone predicts"]
        assert quantities["beyond noise"] == pytest.approx(wanted)
    assert abs(beyond[0]["estimate"]) < 0.02
    assert beyond[1]["low"] > 0.05


def test_wald_and_bootstrap_agree_on_odds_ratios(scored):
    """Two ways to an interval have one point estimate."""
    truth, labels = scored[0].truth, scored[0].labels
    keys = ["report_label", "image_observation"]
    one = wald_odds_ratios(truth, labels).set_index(keys)
    other = firth_odds_ratios(truth, labels, Resampling(50)).table().set_index(keys)
    assert one["estimate"].to_numpy() == pytest.approx(other.loc[one.index, "estimate"], rel=1e-6)
    width = np.log(one["high"] / one["low"]) / np.log(other["high"] / other["low"])[one.index]
    assert 0.6 < width.median() < 1.6


def test_conventions_hold_the_two_that_are_possible(scored):
    """Closing upward and reading uncertain labels: eight ways, each against the first."""
    table = comparisons.conventions_table(comparisons.conventions(scored[0]))
    means = table.query("quantity == 'mean' and metric == 'kappa'")
    changes = table.query("quantity == 'change' and metric == 'kappa'")
    assert len(means) == 8 and len(changes) == 7
    first = means.iloc[0]["estimate"]
    merged = changes.merge(means, on=["policy", "parents"])
    assert (merged["estimate_y"] - first).to_numpy() == pytest.approx(merged["estimate_x"])
    assert means["estimate"].max() == means.query("policy == 'optimistic'")["estimate"].max()


def test_groups_find_the_one_that_differs(tmp_path):
    """A group whose labels are noise is selected, and no other."""
    paths = _made(tmp_path, 1200, seed=1)
    labels, groups = (pd.read_csv(paths[name], index_col=0) for name in ("labels", "groups"))
    random = np.random.default_rng(0)
    labels[groups["sex"] == "F"] = random.integers(2, size=labels.shape)[groups["sex"] == "F"]
    labels.to_csv(paths["labels"])
    table = comparisons.groups_table(prepare(read_tables(**paths), [], replicates=200))
    selected = set(table.loc[table["selected"], "group"])
    assert selected == {"sex: F (rest: M)"}
    assert (table.query("selected")["estimate"] < 0).all()


def test_readers_stand_beside_the_labels(tmp_path):
    """Each reader is compared with truth and labels, and four with the majority of the others."""
    paths = _made(tmp_path)
    random, truth = np.random.default_rng(5), pd.read_csv(tmp_path / "truth.csv", index_col=0)
    readers = []
    for number in range(4):
        wrong = random.random(truth.shape) < 0.1
        truth.mask(wrong, 1 - truth).to_csv(tmp_path / f"reader_{number}.csv")
        readers.append(tmp_path / f"reader_{number}.csv")
    prepared = prepare(read_tables(**paths, readers=readers), [], replicates=100)
    table = comparisons.readers_table(prepared).query("metric == 'kappa'")
    by_truth = table.query("against == 'the truth'").set_index("method")
    known = agree(prepared.truth, {"x": prepared.readers["reader_0"]}, metrics=("kappa",),
                  resampling=prepared.resampling)  # fmt: skip
    assert by_truth.loc["reader_0", "estimate"] == known.estimate("x", "Average", "kappa").value
    peers = table.query("against == 'the majority of the other readers'").set_index("method")
    assert peers.loc["image reader", "estimate"] > peers.loc["report labels", "estimate"]
    # The twin of a table is no reader of its own.
    twin = read_tables(**paths, readers=[paths["labels"]])
    assert not prepare(twin, [], replicates=10).readers


def test_ids_are_those_of_the_rows(tmp_path):
    """First and last id of a finding, for who may see them."""
    paths = _made(tmp_path)
    finding = Finding("repeated_rows", "error", "labels", [], [3, 7], "")
    table = ids_table(read_tables(**paths), [finding])
    assert table[["first_id", "last_id"]].values.tolist() == [["s0003", "s0007"]]


def test_precision_is_of_the_interval(scored):
    """Four times as many studies halve the width of an interval."""
    prepared, _ = scored
    table = comparisons.precision_table(prepared, comparisons.agreement(prepared), pd.DataFrame())
    row = table.set_index("observation").loc["Edema"]
    assert row["studies_needed"] == np.ceil(row["n"] * (row["half_width"] / 0.05) ** 2)


def test_sentences(scored):
    """Five sentences at most, with n and intervals; what to repair comes from the findings."""
    prepared, findings = scored
    found = comparisons.agreement(prepared)
    table = comparisons.conventions_table(comparisons.conventions(prepared))
    judged = comparisons.scores_table(prepared)
    sentences = first_sentences(prepared, findings, found, table, judged)
    assert len(sentences) == 5 and "240 studies" in sentences[1]
    assert all("95 % interval" in sentence for sentence in sentences[1:4])
    assert what_to_repair([]).startswith("Nothing")


def test_sentences_say_which_figure_an_error_spoils(scored):
    """The weakest finding is named with its error, and what is not in the labels is not said."""
    prepared, findings = scored
    found = comparisons.agreement(prepared)
    table = comparisons.conventions_table(comparisons.conventions(prepared))
    parts = prepared, findings, found, table, pd.DataFrame()
    weakest = first_sentences(*parts)[2]
    assert "has an error" not in weakest
    column = weakest.removeprefix("The weakest finding is ").split(",")[0]
    spelled = {"Pleural Effusion": "effusion"}.get(column, column.lower())
    spoiled = Finding("inverted_column", "error", "labels", [spelled], [0, 99], "")
    assert "(its column has an error" in first_sentences(prepared, [spoiled], *parts[2:])[2]
    labels = prepared.labels.replace(-1, 0).assign(Fracture=-1.0)  # which is not scored
    known = replace(prepared, labels=labels, mended=None)
    assert not any("uncertain" in each for each in first_sentences(known, [], *parts[2:]))


def test_own_columns_and_blanks_are_said(tmp_path):
    """What is none of the 14 observations is scored beside them, and said to be."""
    for name in ("truth", "labels"):
        rows = "".join(f"s{k},{k % 2},{k % 3 % 2},\n" for k in range(60))
        (tmp_path / f"{name}.csv").write_text(f"id,effusion,Tube tip,note\n{rows}", "utf-8")
    table = given_table(read_tables(str(tmp_path / "truth.csv"), str(tmp_path / "labels.csv")))
    assert set(table["read_as"]) == {
        "effusion as Pleural Effusion; Tube tip as an observation of its own"
    }
    assert set(table["blank"]) == {"0% of cells"}


def test_a_displaced_block_is_scored_both_ways(tmp_path, chexpert_paths):
    """With the rows put back labels agree better, and both stand side by side."""
    given = read_tables(*chexpert_paths)
    prepared = prepare(given, check_all(given), replicates=100)
    found = comparisons.agreement(prepared)
    gain = found.estimate("repaired - as given", "Average", "kappa")
    assert gain.interval()[0] > 0
    table = comparisons.agreement_table(prepared, found)
    assert {"as given", "repaired", "repaired - as given", "always yes"} == set(table["method"])


@pytest.fixture
def chexpert_paths(chexpert, tmp_path):
    """CheXpert's truth, and its labels with a hundred rows shifted by two."""
    truth, labels = chexpert.truth.astype(float), chexpert.labeler.astype(float)
    values = labels.to_numpy(copy=True)
    values[200:300] = np.roll(values[200:300], 2, axis=0)
    paths = tmp_path / "truth.csv", tmp_path / "labels.csv"
    truth.rename_axis("study").to_csv(paths[0])
    pd.DataFrame(values, labels.index, labels.columns).rename_axis("study").to_csv(paths[1])
    return [str(path) for path in paths]


def test_suppression_leaves_no_small_count():
    """Neither a small count nor the one that a subtraction would give away is shown."""
    counts = pd.DataFrame(
        {"image_positive": [3, 40], "image_negative": [97, 60], "image_unknown": [0, 0],
         "both": [2, 30], "image_only": [1, 10], "report_only": [7, 20], "neither": [90, 40],
         "report_positive": [9, 50], "report_negative": [41, 20], "report_uncertain": [2, 10],
         "report_blank": [48, 20]}, ["Edema", "Fracture"],
    )  # fmt: skip
    shown = suppressed_counts(counts, 5)
    assert shown.loc["Edema"].tolist() == [
        "< 5", "97", "< 5", "hidden", "hidden", "hidden", "hidden", "hidden", "41", "< 5", "48",
    ]  # fmt: skip
    assert shown.loc["Fracture", "image_unknown"] == "< 5"
    table = pd.DataFrame({"n": [100, 100], "positives": [98, 50], "estimate": [0.1, 0.2]})
    assert suppressed_estimates(table, 5)["estimate"].isna().tolist() == [True, False]
    assert suppressed_estimates(table, 0).equals(table)


def test_observations_with_hidden_cells_are_not_scored(tmp_path):
    """Scores to three decimals would give a hidden cell away."""
    given = read_tables(**_made(tmp_path))
    cells = prepare(given, []).counts[["both", "image_only", "report_only", "neither"]].min(axis=1)
    below = int(cells.max())
    prepared = prepare(given, [], suppress_below=below)
    assert 0 < len(prepared.truth.columns) < 3
    shown = suppressed_counts(prepared.counts, below)
    numbers = pd.to_numeric(shown.stack(), errors="coerce").dropna()
    assert numbers.min() >= below


def test_findings_on_few_rows_say_no_number(tmp_path):
    """A count below K leaves sentence and evidence."""
    paths = _made(tmp_path)
    labels = pd.read_csv(paths["labels"], index_col=0)
    labels = pd.concat([labels, labels.iloc[[3, 7]]])
    labels.to_csv(paths["labels"])
    findings = check_all(read_tables(**paths))
    (found,) = [f for f in shown_findings(findings, 5) if f.kind == "duplicate_ids"]
    assert not found.evidence and not re.search(r"\b[1-4]\b", found.sentence)
    assert shown_findings(findings, 0) == findings
    block = Finding("displaced_block", "error", "labels", [], [9, 90], "two rows", "", {"shift": 2})
    assert shown_findings([block], 5) == [block]  # a shift counts nobody


def test_one_class_truth_is_left_out_in_sight(tmp_path):
    """What cannot be scored is listed, and the rest is scored."""
    paths = _made(tmp_path)
    truth = pd.read_csv(paths["truth"], index_col=0).assign(Edema=0.0)
    truth.to_csv(paths["truth"])
    prepared = prepare(read_tables(**paths), [], replicates=50)
    assert list(prepared.truth) == FINDINGS[1:]
    assert prepared.left_out["what"].str.contains("Edema").any()


def test_findings_json_is_plain(scored, tmp_path):
    """Every finding survives a round through JSON."""
    from cxrstudy.audit import write_findings

    write_findings(tmp_path / "f.json", scored[1])
    assert [Finding(**each) for each in json.loads((tmp_path / "f.json").read_text())] == scored[1]


def test_many_images_of_one_patient_are_no_other_policy(tmp_path):
    """A run of equal answers is a change of rule among patients, and nothing within one."""
    paths = _made(tmp_path, 400)
    labels = pd.read_csv(paths["labels"], index_col=0).fillna(0.0)
    labels.iloc[100:160, 0] = 1.0
    labels.to_csv(paths["labels"])
    for one in (False, True):
        groups = pd.read_csv(paths["groups"], index_col=0).assign(patient=range(400))
        groups.iloc[100:160, 0] = 100 if one else range(100, 160)
        groups.to_csv(paths["groups"])
        kinds = {finding.kind for finding in check_all(read_tables(**paths))}
        assert ("policy_change" in kinds) == (not one)
