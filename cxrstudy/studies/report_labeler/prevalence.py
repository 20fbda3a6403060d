"""How common each observation is, by what was read and by what uncertain labels count as."""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.studies.report_labeler.scores import POLICIES
from cxrstudy.studies.report_labeler.shares import conditional_shares

HUMAN_CODES = "human codes"


def prevalence_by_reading(
    codes: pd.DataFrame,
    labels: Mapping[str, pd.DataFrame],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Estimate the share of positive reports for each reading and policy, and of the codes.

    Parameters
    ----------
    codes : DataFrame, shape (n_reports, n_observations)
        1, 0 and NaN.
    labels : mapping of str to DataFrame
        Reading to label codes on the same rows and columns.
    resampling : Resampling
        Of reports.

    Returns
    -------
    DataFrame
        Columns reading, policy, observation, estimate, low, high, n and events; the codes
        come first; they have no uncertain label and an empty policy.
    """
    positive = {(HUMAN_CODES, ""): codes}
    positive |= {
        (reading, policy): apply_uncertainty_policy(table, name)
        for reading, table in labels.items()
        for policy, name in POLICIES.items()
    }
    return pd.concat(
        [
            conditional_shares(table, table.notna(), resampling=resampling).assign(
                reading=reading, policy=policy
            )
            for (reading, policy), table in positive.items()
        ],
        ignore_index=True,
    )
