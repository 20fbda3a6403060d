"""Shares: their intervals, the fate of findings in the Impression, prevalence by reading."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_labeler import label_shares


def _share(event, condition, clusters=None):
    tables = (pd.DataFrame({"a": np.asarray(part)}) for part in (event, condition))
    return label_shares.conditional_shares(*tables, Resampling(300, clusters=clusters)).iloc[0]


def test_the_share_is_counted_among_rows_with_the_condition():
    """Of 20 rows with the condition 5 have the event; the 4 others with it do not matter."""
    row = _share([1] * 5 + [0] * 15 + [1] * 4, [1] * 20 + [0] * 4)
    assert (row["estimate"], row["n"], row["events"]) == (0.25, 20, 5)
    assert 0 < row["low"] < 0.25 < row["high"] < 0.6


def test_a_missing_event_leaves_its_cell_out():
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
    row = _share([1] * 9 + [0], [1] * 9 + [0])
    assert row["n"] == 9 and np.isnan([row["estimate"], row["low"], row["high"]]).all()
    assert _share([1] * 10, [0] * 10)["n"] == 0


def test_outcomes_are_counted_among_asserted_findings():
    """Of 20 asserted edemas 10 are stated, 5 omitted, 4 hedged and 1 denied; three more not."""
    impression = [1.0] * 10 + [np.nan] * 5 + [-1.0] * 4 + [0.0] + [1.0] * 3
    said = pd.DataFrame({"Edema": impression, "Fracture": np.nan})
    asserted = pd.DataFrame({"Edema": [True] * 20 + [False] * 3, "Fracture": False})
    table = label_shares.outcome_shares(said, asserted, Resampling(200))
    wide = table.pivot(index="observation", columns="outcome", values="estimate")
    wide = wide[list(label_shares.OUTCOMES)]
    assert wide.loc["Edema"].tolist() == [0.5, 0.25, 0.2, 0.05]
    assert wide.loc["All findings"].tolist() == [0.5, 0.25, 0.2, 0.05]
    assert wide.loc["Fracture"].isna().all()
    counts = table.set_index(["outcome", "observation"])["n"]
    assert counts["denies", "Edema"] == 20 and counts["denies", "Fracture"] == 0


def test_reports_without_an_impression_have_no_outcome(few_reports):
    """Three of four have both sections and two effusions; the nodule is in the fourth."""
    assert few_reports.with_both_sections.tolist() == [True, True, True, False]
    labels, resampling = few_reports.label_readings(), Resampling(50)
    by_text = resampling.of(clusters=few_reports.clusters)
    table = label_shares.impression_outcomes(few_reports, labels, by_text)
    counts = table[table["outcome"] == "omits"].set_index("observation")["n"]
    assert counts["Pleural Effusion"] == 2 and counts["Lung Lesion"] == 0
    assert counts["All findings"] == counts["All findings, asserted in Findings"] == 2


@pytest.fixture
def prevalence():
    """Four present, six doubtful of 20 labels; 8 of 16 codes."""
    labels = pd.DataFrame({"Edema": [1.0] * 4 + [-1.0] * 6 + [np.nan] * 5 + [0.0] * 5})
    codes = pd.DataFrame({"Edema": [1.0] * 8 + [0.0] * 8 + [np.nan] * 4})
    readings = dict.fromkeys(["whole_report", "impression"], labels)
    return label_shares.prevalence_by_reading(codes, readings, Resampling(100))


def test_each_share_is_that_of_its_policy(prevalence):
    """Uncertain counts in one share and not in the other; a missing code leaves its share."""
    found = {(row.reading, row.policy): (row.estimate, row.n) for row in prevalence.itertuples()}
    assert found[label_shares.HUMAN_CODES, "ones"] == (0.5, 16)
    assert found[label_shares.HUMAN_CODES, "zeros"] == (0.5, 16)
    assert found["whole_report", "ones"] == (0.5, 20)
    assert found["whole_report", "zeros"] == (0.2, 20)
    low, estimate, high = (prevalence[name] for name in ("low", "estimate", "high"))
    assert ((low < estimate) & (estimate < high)).all()


def test_ranges_run_from_zeros_to_ones_beside_the_codes(prevalence):
    ranges = label_shares.policy_ranges(prevalence, ["Edema"]).set_index("reading")
    assert ranges.loc["whole_report", ["zeros", "ones", "human_codes"]].tolist() == [0.2, 0.5, 0.5]
    assert ranges.loc["with_indication", ["zeros", "ones"]].isna().all()
