"""Prevalence by reading and policy, beside the codes."""

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_labeler.prevalence import HUMAN_CODES, prevalence_by_reading


def test_each_share_is_that_of_its_policy():
    """Uncertain counts in one share and not in the other; a missing code leaves its share."""
    labels = pd.DataFrame({"Edema": [1.0] * 4 + [-1.0] * 6 + [np.nan] * 5 + [0.0] * 5})
    codes = pd.DataFrame({"Edema": [1.0] * 8 + [0.0] * 8 + [np.nan] * 4})
    table = prevalence_by_reading(codes, {"whole": labels}, Resampling(100))
    found = {(row.reading, row.policy): (row.estimate, row.n) for row in table.itertuples()}
    assert found == {
        (HUMAN_CODES, ""): (0.5, 16),
        ("whole", "uncertain as 1"): (0.5, 20),
        ("whole", "uncertain as 0"): (0.2, 20),
    }
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()
