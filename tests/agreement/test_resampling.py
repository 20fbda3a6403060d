"""Resampling: units of clusters and strata, what is drawn, and what is refused."""

import numpy as np
import pytest

from cxrstudy.agreement import Resampling

PATIENT = ["a", "a", "b", "c", "c", "c", "d", "e"]
SITE = [1, 1, 2, 2, 2, 2, 1, 1]


def test_clusters_within_strata():
    resampling = Resampling(50, seed=3, clusters=PATIENT, strata=SITE)
    units = resampling.units(8)
    assert units.stratum_sizes == (3, 2)
    patients_of_site = [set(np.array(PATIENT)[np.array(SITE) == site]) for site in (1, 2)]
    for drawn in resampling.drawn(8):
        per_patient = dict(zip(PATIENT, drawn[units.unit_of_row], strict=True))
        totals = [sum(per_patient[p] for p in patients) for patients in patients_of_site]
        assert totals == [3, 2]


def test_rows_are_their_own_units_by_default():
    """Without clusters the units are the rows in order, in one stratum of all."""
    units = Resampling().units(4)
    assert units.one_row_each
    np.testing.assert_array_equal(units.unit_of_row, range(4))
    assert units.start.tolist() == [0] * 4 and units.size.tolist() == [4] * 4
    resampling = Resampling(6, 1)
    np.testing.assert_array_equal(resampling.drawn_rows(4), resampling.drawn(4))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clusters": [1, 1], "strata": [0, 1]}, "spans two strata"),
        ({"clusters": [1, None]}, "missing"),
        ({"clusters": [1]}, "entries"),
        ({"replicates": 0}, "at least one replicate"),
        ({"seed": -1}, "seed must lie"),
        ({"weights": [1.0, 0.0]}, "positive"),
        ({"weights": [1.0]}, "2 positive finite numbers"),
    ],
)
def test_wrong_labels_and_numbers_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        resampling = Resampling(**fields)
        resampling.units(2), resampling.row_weights(2)


def test_groups_are_refused_by_methods_that_draw_rows():
    with pytest.raises(ValueError, match="single rows"):
        Resampling(clusters=PATIENT).drawn_rows(8)
