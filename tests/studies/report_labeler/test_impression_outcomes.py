"""What the Impression does with asserted findings: four outcomes that sum to one."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_labeler.impression_outcomes import (
    OUTCOMES,
    impression_outcomes,
    with_both_sections,
)
from cxrstudy.studies.report_labeler.readings import IMPRESSION, WHOLE_REPORT


@pytest.fixture
def labels():
    """Twenty reports with an asserted edema: 10 stated, 5 omitted, 4 hedged, 1 denied."""
    impression = [1.0] * 10 + [np.nan] * 5 + [-1.0] * 4 + [0.0] + [1.0] * 3
    whole = [1.0] * 20 + [-1.0] * 3
    columns = {"Edema": impression, "Fracture": np.nan}
    return {
        IMPRESSION: pd.DataFrame(columns),
        WHOLE_REPORT: pd.DataFrame({"Edema": whole, "Fracture": np.nan}),
    }


def test_shares_are_counted_among_asserted_findings(labels):
    """By finding, and pooled; findings that are not asserted do not count."""
    table = impression_outcomes(labels, WHOLE_REPORT, ["Edema", "Fracture"], Resampling(200))
    wide = table.pivot(index="observation", columns="outcome", values="estimate")[list(OUTCOMES)]
    assert wide.loc["Edema"].tolist() == [0.5, 0.25, 0.2, 0.05]
    assert wide.loc["All findings"].tolist() == [0.5, 0.25, 0.2, 0.05]
    assert wide.loc["Fracture"].isna().all()
    counts = table.set_index(["outcome", "observation"])["n"]
    assert counts["denies it", "Edema"] == 20 and counts["denies it", "Fracture"] == 0


def test_a_report_needs_words_in_both_sections():
    """White space is no section."""
    sections = pd.DataFrame({"findings": ["x", "x", " "], "impression": ["y", "\n", "y"]})
    assert with_both_sections(sections).tolist() == [True, False, False]
