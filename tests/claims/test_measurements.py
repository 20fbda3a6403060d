"""Measurements: written by a study, read back by the ledger."""

import numpy as np
import pytest

from cxrstudy.agreement import Estimate
from cxrstudy.claims import read_measurements, record

DIRECTION = "visualchexbert.learned_mapping"
EXACT = "visualchexbert.table4"
INTERNAL = "chexreason.cross_site_contrast"


def estimate(center=0.1, spread=0.02, n=200, **fields) -> Estimate:
    rng = np.random.default_rng(7)
    defaults = {
        "replicates": rng.normal(center, spread, 999),
        "jackknife": center + rng.exponential(spread / n, n),
        "n": n,
        "positives": 60,
        "resample_key": "one",
    }
    return Estimate(value=center, **(defaults | fields))


def test_round_trip_keeps_every_field(tmp_path):
    written = record(
        tmp_path, EXACT, data="CheXpert", n=500, cells=20, matching=19, published="20 cells",
        measured="19", fewest_events=62, seeds=5, policy_dependent=True, detail="One cell is off.",
    )  # fmt: skip
    assert read_measurements(tmp_path) == [written]


@pytest.mark.parametrize("fields", [{}, {"jackknife": None}], ids=["bca", "percentile"])
def test_round_trip_keeps_the_replicates(tmp_path, fields):
    """In single precision, but a replicate that equals the value still does: BCa counts these."""
    given = estimate(**fields)
    given.replicates[:100] = given.value
    record(tmp_path, DIRECTION, given, data="CheXpert", n=given.n)
    (read,) = read_measurements(tmp_path)
    found = read.estimates[DIRECTION]
    assert np.array_equal(found.replicates, given.replicates.astype(np.float32))
    assert (found.replicates == found.value).sum() == 100
    assert found.method == given.method
    assert found.interval(0.98) == pytest.approx(given.interval(0.98), rel=1e-6)
    assert found.p_value() == pytest.approx(given.p_value(), rel=1e-5)
    assert (found.n, found.positives) == (given.n, given.positives)


def test_round_trip_keeps_strata_and_what_stands_for_undefined(tmp_path):
    given = estimate(stratum_sizes=(50, 150), undefined_as=0.0)
    given.replicates[:40] = np.nan
    given.jackknife[:50] += 0.01
    record(tmp_path, DIRECTION, given, data="CheXpert", n=given.n)
    (read,) = read_measurements(tmp_path)
    assert read.estimates[DIRECTION].interval() == pytest.approx(given.interval(), rel=1e-5)


def test_several_cells_keep_their_names_and_order(tmp_path):
    cells = {"Lung Opacity <- Edema": estimate(0.3), "No Finding <- Devices": estimate(-0.2)}
    record(tmp_path, DIRECTION, cells, data="CheXpert", n=200)
    (read,) = read_measurements(tmp_path)
    assert list(read.estimates) == list(cells)
    assert [e.value for e in read.estimates.values()] == pytest.approx([0.3, -0.2])


def test_measurements_are_found_below_every_study(tmp_path):
    record(tmp_path / "b", EXACT, data="x", n=1, cells=1, matching=1)
    record(tmp_path / "a", DIRECTION, estimate(), data="x", n=200)
    assert [m.claim for m in read_measurements(tmp_path)] == [DIRECTION, EXACT]
    assert read_measurements(tmp_path / "none") == []


def test_a_claim_must_be_stated_and_a_tested_one_needs_estimates(tmp_path):
    with pytest.raises(KeyError, match="state it before measuring it"):
        record(tmp_path, "visualchexbert.table9", data="x", n=1)
    with pytest.raises(ValueError, match="'direction' needs estimates"):
        record(tmp_path, DIRECTION, data="x", n=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("counts", [{}, {"cells": 20}, {"cells": 0, "matching": 0},
                                    {"cells": 20, "matching": 21}])  # fmt: skip
@pytest.mark.parametrize("claim", [EXACT, INTERNAL])
def test_a_counted_claim_needs_its_counts(tmp_path, claim, counts):
    with pytest.raises(ValueError, match="needs cells"):
        record(tmp_path, claim, data="x", n=1, **counts)


def test_unlike_label_sets_need_no_counts(tmp_path):
    record(tmp_path, INTERNAL, data="x", n=1, comparable=False)
    assert read_measurements(tmp_path)[0].comparable is False
