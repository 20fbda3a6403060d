"""Clusters and strata as resampling units."""

import numpy as np
import pytest

from cxrstudy.agreement.philox import as_key
from cxrstudy.agreement.units import resampling_units, unit_multiplicities

PATIENT = ["a", "a", "b", "c", "c", "c", "d", "e"]
SITE = [1, 1, 2, 2, 2, 2, 1, 1]


def test_clusters_within_strata():
    """Every resample draws whole patients, as many per site as the site has."""
    units = resampling_units(8, PATIENT, SITE)
    assert units.stratum_sizes == (3, 2)
    patients_of_site = [set(np.array(PATIENT)[np.array(SITE) == site]) for site in (1, 2)]
    for drawn in unit_multiplicities(units, 50, as_key(3)):
        per_patient = dict(zip(PATIENT, drawn[units.unit_of_row], strict=True))
        totals = [sum(per_patient[p] for p in patients) for patients in patients_of_site]
        assert totals == [3, 2]


def test_rows_are_their_own_units_by_default():
    """Without clusters the units are the rows in order."""
    units = resampling_units(4)
    assert units.one_row_each
    np.testing.assert_array_equal(units.unit_of_row, range(4))


@pytest.mark.parametrize(
    ("clusters", "strata", "message"),
    [
        ([1, 1], [0, 1], "spans two strata"),
        ([1, None], None, "missing"),
        ([1], None, "entries"),
    ],
)
def test_wrong_labels_are_refused(clusters, strata, message):
    """Clusters across strata, missing labels and wrong lengths raise."""
    with pytest.raises(ValueError, match=message):
        resampling_units(2, clusters, strata)
