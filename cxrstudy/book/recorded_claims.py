"""What a recorded run measured for its claims, as the table that their verdicts lead to."""

import pandas as pd

from cxrstudy.book.printed_claims import RECORDED_CLAIMS
from cxrstudy.claims import claims, read_measurements
from cxrstudy.runs.catalogue import RunFolders
from cxrstudy.table_html import captioned_table, with_interval, with_true_minus


def recorded_claims_html(study: str) -> str:
    """Tabulate the estimates behind a study's recorded claims, each at the plain level of 95 %."""
    rows = []
    for measured in read_measurements(RunFolders.recorded(study).results):
        claim = claims()[measured.claim]
        for estimate in measured.estimates.values():
            shown = with_interval(pd.Series(estimate.row()), 3)
            cells = {"claim": claim.statement, "estimand": claim.estimand}
            cells |= {"estimate [95 % interval]": shown, "n": f"{measured.n:,}"}
            rows.append(cells | {"seeds": str(measured.seeds or "")})
    caption = "What the recorded run measured for each claim; the ledger adjusts the level."
    return with_true_minus(captioned_table(pd.DataFrame(rows), RECORDED_CLAIMS, caption))
