"""Gains under every averaging: a small benchmark by hand, and the readings of CheXbench."""

import pandas as pd
import pytest

from cxrstudy.published import PublishedTable
from cxrstudy.studies.published_tables.benchmark_gains import (
    best_rival,
    chexbench_gains,
    gains_under_every_averaging,
    summarise_readings,
)
from cxrstudy.studies.published_tables.rounding import Printed


@pytest.fixture
def bench() -> PublishedTable:
    values = pd.DataFrame(
        {"own": [90.0, 60.0, 40.0], "first": [30.0, 60.0, 50.0], "second": [45.0, 30.0, 20.0]},
        index=["view / a", "view / b", "disease / c"],
    )
    return PublishedTable(values, "made up", "accuracy", 1)


def test_gains_by_hand(bench):
    """The first reading yields the claimed gain of 61.7 %."""
    readings = gains_under_every_averaging(
        bench, "own", ["first", "second"], {"all": list(bench.values.index)}, Printed(61.7, 0.05)
    )
    assert readings.loc[0, "consistent"]
    assert readings.loc[0, "gain"] == pytest.approx(100 * (190 / 117.5 - 1))
    gains = readings.set_index(["unit", "opponent", "aggregate"])["gain"]
    group, best_row, best, each = gains.index.unique("opponent")
    expected = {
        ("rows", group, "ratio of means"): 190 / 117.5 - 1,
        ("rows", group, "mean of ratios"): (90 / 37.5 + 60 / 45 + 40 / 35) / 3 - 1,
        ("rows", best_row, "ratio of means"): 190 / 155 - 1,
        ("rows", best, "ratio of means"): 190 / 140 - 1,
        ("rows", each, "ratio of means"): (190 / 140 + 190 / 95) / 2 - 1,
        ("tasks", group, "ratio of means"): (75 + 40) / (41.25 + 35) - 1,
        ("tasks", best, "mean of ratios"): (75 / 45 + 40 / 50) / 2 - 1,
    }
    for reading, gain in expected.items():
        assert gains[reading] == pytest.approx(100 * gain), reading


def test_no_reading_of_chexbench_yields_the_claimed_gains():
    """The plain readings are 55.5 and 60.1 %; none of 32 gives 97.5 or 55.7 %."""
    summary = summarise_readings(chexbench_gains()).set_index("group")
    assert summary["readings"].tolist() == [32, 32] and not summary["consistent"].any()
    plain = summary.loc[["general_domain", "medical_domain"], "plain"]
    assert plain.tolist() == pytest.approx([55.5, 60.1], abs=0.05)
    nearest = (summary["nearest"] - summary["published"].astype(float)).abs()
    ends = (summary["smallest"], summary["largest"])
    assert all((nearest <= (end - summary["published"].astype(float)).abs()).all() for end in ends)


def test_the_best_rival_must_be_beaten_by_more_than_rounding(bench):
    rows = best_rival(bench, "own")
    assert rows["ahead"].tolist() == [True, False, False]
    assert rows["rival"].tolist() == ["second", "first", "first"]
