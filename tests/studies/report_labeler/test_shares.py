"""Shares among rows with a condition, with intervals that respect clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_labeler.shares import conditional_shares


def _share(event, condition, clusters=None):
    tables = (pd.DataFrame({"a": np.asarray(part)}) for part in (event, condition))
    return conditional_shares(*tables, resampling=Resampling(300, clusters=clusters)).iloc[0]


def test_the_share_is_counted_among_rows_with_the_condition():
    """Of 20 rows with the condition 5 have the event; the 4 others with it do not matter."""
    row = _share([1] * 5 + [0] * 15 + [1] * 4, [1] * 20 + [0] * 4)
    assert (row["estimate"], row["n"], row["events"]) == (0.25, 20, 5)
    assert 0 < row["low"] < 0.25 < row["high"] < 0.6


def test_a_missing_event_leaves_its_cell_out():
    """Neither counts."""
    row = _share([1.0] * 6 + [0.0] * 6 + [np.nan] * 8, [True] * 20)
    assert (row["estimate"], row["n"], row["events"]) == (0.5, 12, 6)


@pytest.mark.parametrize("every", [True, False])
def test_none_or_all_have_the_exact_interval_of_the_clusters(every):
    """30 rows of 10 texts: Clopper and Pearson's limit for 10 cases, not for 30."""
    row = _share([every] * 30, [True] * 30, clusters=np.repeat(range(10), 3))
    limit = beta.ppf(0.975, 1, 10)
    expected = (1, 1 - limit, 1) if every else (0, 0, limit)
    assert tuple(row[["estimate", "low", "high"]]) == pytest.approx(expected)


def test_clusters_widen_the_interval():
    """Copies of a row are no new information."""
    event = np.arange(40) % 4 == 0
    alone = _share(event, [True] * 40)
    copies = _share(np.repeat(event, 5), [True] * 200, clusters=np.repeat(range(40), 5))
    as_if_new = _share(np.repeat(event, 5), [True] * 200)
    widths = [row["high"] - row["low"] for row in (alone, copies, as_if_new)]
    assert widths[1] == pytest.approx(widths[0], abs=0.03)
    assert widths[2] < 0.6 * widths[1]


def test_few_rows_show_their_number_only():
    """Below the minimum the share is blank; without a row nothing fails."""
    row = _share([1] * 9 + [0], [1] * 9 + [0])
    assert row["n"] == 9 and np.isnan([row["estimate"], row["low"], row["high"]]).all()
    assert _share([1] * 10, [0] * 10)["n"] == 0
