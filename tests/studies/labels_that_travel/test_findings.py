"""Differences of differences, what a label is worth, and the words of the answer."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Estimate
from cxrstudy.studies.labels_that_travel import findings
from cxrstudy.studies.labels_that_travel.findings import (
    CLAIMED_EPOCHS,
    answer,
    claimed,
    contrast_table,
    curve_table,
    figure_rows,
    opposite,
    panels,
    trained_cells,
    worth_table,
)
from cxrstudy.studies.labels_that_travel.judges import HOME
from cxrstudy.studies.labels_that_travel.travel import (
    ANY_ENDPOINT,
    CONTROLS,
    DECISIVE,
    KERMANY,
    UNSEEN,
    Scores,
    copy_controls,
)

SPREAD = np.linspace(-0.01, 0.01, 201)
SOURCES = ("expert", "report_of_read", "report")


def around(value: float) -> Estimate:
    """About 0.01 to either side; differences of two are as sure as one."""
    return Estimate(value, value + SPREAD, n=100, positives=50, resample_key="k")


def apart(value: float, shift: float) -> Estimate:
    return Estimate(value, value + shift * SPREAD, n=100, positives=50, resample_key="k")


@pytest.fixture
def scores() -> Scores:
    """Experts lead by 0.05 at home, by 0.25 at one site and by 0.05 at the other."""
    leads = {HOME: 0.05, KERMANY: 0.3, DECISIVE[0]: 0.25, DECISIVE[1]: 0.05}
    found = Scores()
    for network in ("one", "two"):
        for judge, lead in leads.items():
            found.found[network, "expert", judge] = apart(0.5 + lead, 1 if judge == HOME else 2)
            for source in SOURCES[1:]:
                found.found[network, source, judge] = apart(0.5, 1)
    return found


def test_what_travels_is_a_difference_of_differences(scores):
    moved = scores.travel("one", "expert", "report", DECISIVE[0])
    assert moved.value == pytest.approx(0.2)
    table = scores.travel_table().set_index(["network", "difference", "judge", "quantity"])
    row = "two", "expert - report_of_read"
    assert table.loc[(*row, KERMANY, "minus home"), "estimate"] == pytest.approx(0.25)
    assert table.loc[(*row, HOME, "difference"), "estimate"] == pytest.approx(0.05)
    assert (*row, HOME, "minus home") not in table.index


def test_the_figure_leaves_out_what_needs_controls_beside_it(scores):
    shown = figure_rows(scores.travel_table())
    assert set(shown["difference"]) == {"expert - report_of_read"}
    assert [*dict.fromkeys(shown["judge"])] == ["at home", *(f"{j}, minus home" for j in DECISIVE)]
    assert "one, at home: +0.05;" in findings.figure_in_words(shown)


def test_the_answer_follows_the_intervals(scores):
    words = answer(scores.travel_table(), "one", "two")
    assert words.startswith("Not settled: 2 of 4 differences can be told from zero.")
    assert "by +0.050 (95 % interval +0.050" in words and "+0.200 (+0.19" in words
    assert f"; {DECISIVE[1]}: " in words and ") with one, " in words
    for network in ("one", "two"):
        scores.found[network, "expert", DECISIVE[1]] = apart(0.7, 2)
    better = answer(scores.travel_table(), "one", "two")
    assert better.startswith("Experts' labels hold up better abroad")
    for key in [key for key in scores.found if key[1] == "expert" and key[2] in DECISIVE]:
        scores.found[key] = apart(0.2, 2)
    worse = answer(scores.travel_table(), "one", "two")
    assert worse.startswith("Report labels hold up better abroad")
    # A run of one network and one site shows what it has.
    moved = scores.travel_table()
    words = answer(moved[moved["judge"] != DECISIVE[1]], "one", "none")
    assert words.startswith("This run lacks a site or a network, so it decides nothing")
    assert "with one" in words and "with two" not in words


def test_a_claim_needs_every_network_and_site(scores):
    cells = claimed(scores, "one", "two")
    assert len(cells["labels_travel"]) == len(cells["labels_travel_all_reports"]) == 4
    assert cells["labels_travel_unseen"] == {} == cells["kind_of_error"]
    table = contrast_table(cells, scores, "one")
    assert table["claim"].value_counts().to_dict() == {
        "labels_travel": 4, "labels_travel_all_reports": 4,
    }  # fmt: skip
    for source in SOURCES:
        scores.found["two", source, UNSEEN] = around(0.5)
    for judge in DECISIVE:
        scores.found["one", "random_errors", judge] = around(0.4)
    cells = claimed(scores, "one", "two")
    assert cells["labels_travel_unseen"][f"two, {UNSEEN}"].value == pytest.approx(-0.05)
    assert cells["kind_of_error"][DECISIVE[1]].value == pytest.approx(0.1)
    del scores.found["two", "expert", DECISIVE[1]]
    cells = claimed(scores, "one", "two")
    assert cells["labels_travel"] == {}
    assert contrast_table({}, scores, "one")["comparison"].tolist() == [
        f"one, {j}" for j in DECISIVE
    ]


def test_the_opposite_sign_of_another_policy_is_noticed():
    one = {"cell": around(0.1)}
    assert opposite(one, {"cell": around(-0.1)})
    assert not opposite(one, {"cell": around(0.2)}) and not opposite(one, {"cell": around(-0.005)})


def test_the_claim_on_run_lengths_needs_both_lengths_and_sites():
    names = [f"{n} epochs" for n in CLAIMED_EPOCHS]
    tuned = {(name, judge): around(n / 10) for n, name in enumerate(names) for judge in DECISIVE}
    cells = trained_cells(tuned, [3, 60])["short_training_abroad"]
    assert [each.value for each in cells.values()] == pytest.approx([-0.1, -0.1])
    assert trained_cells(tuned, [1, 3]) == {"short_training_abroad": {}}
    del tuned["3 epochs", DECISIVE[1]]
    assert trained_cells(tuned, [3, 60]) == {"short_training_abroad": {}}


def test_the_worth_of_an_experts_label_by_hand():
    """On a line over the logarithm of the number; not reached is infinite, and its share told."""
    curves = {
        ("report", 100, "a"): around(0.1),
        ("report", 200, "a"): around(0.05),  # a fall counts as no rise
        ("report", 400, "a"): around(0.3),
        ("expert", 50, "a"): around(0.2),
        ("expert", 80, "a"): around(0.05),
        ("expert", 100, "a"): apart(0.3, 3),
        ("expert", 200, "a"): around(0.5),
    }
    table = worth_table(curves).set_index("expert_labels")
    assert table.loc[50, "estimate"] == pytest.approx(200 * 2**0.5)
    assert table.loc[50, "low"] == pytest.approx(table.loc[50, "high"])
    assert table.loc[80, "estimate"] == pytest.approx(100)
    assert table.loc[100, "not_reached"] == pytest.approx(0.5, abs=0.01)
    assert np.isinf(table.loc[100, "high"]) and np.isfinite(table.loc[100, "low"])
    assert np.isinf(table.loc[200, "estimate"]) and table.loc[200, "not_reached"] == 1
    points = panels(curve_table({(s, n, HOME): e for (s, n, _), e in curves.items()}))
    assert len(points) == len(curves)
    assert "home, report, 400 labels: 0.30" in findings.curves_in_words(points)


def test_controls_stand_beside_other_endpoints(scores):
    for control in CONTROLS:
        scores.found["one", control, KERMANY] = around(0.7)
    other = Scores()
    copy_controls(scores, "one", other)
    assert {key[:2] for key in other.found} == {(ANY_ENDPOINT, control) for control in CONTROLS}
    assert isinstance(other.table([ANY_ENDPOINT]), pd.DataFrame)
