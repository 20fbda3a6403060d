"""What becomes in the Impression of a finding that the report asserts."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN
from cxrstudy.studies.report_labeler.readings import FINDINGS, IMPRESSION
from cxrstudy.studies.report_labeler.scores import pool_observations, resampling_of_cells
from cxrstudy.studies.report_labeler.shares import conditional_shares

OUTCOMES: tuple[str, ...] = ("states it", "leaves it out", "makes it uncertain", "denies it")
"""What the Impression may do; the shares of the four sum to 1."""


def with_both_sections(sections: pd.DataFrame) -> pd.Series:
    """Mark the reports that have Findings and an Impression.

    Parameters
    ----------
    sections : DataFrame of str
        With columns findings and impression.

    Returns
    -------
    Series of bool
    """
    return (sections[[FINDINGS, IMPRESSION]].map(str.strip) != "").all(axis=1)


def impression_outcomes(
    labels: Mapping[str, pd.DataFrame],
    asserted_in: str,
    findings: Sequence[str],
    resampling: Resampling = DEFAULT_RESAMPLING,
    **options,
) -> pd.DataFrame:
    """Estimate the shares of asserted findings that the Impression states, omits or changes.

    Parameters
    ----------
    labels : mapping of str to DataFrame
        Reading to label codes of the same reports, which have both sections.
    asserted_in : str
        Reading in which a finding must be positive.
    findings : sequence of str
    resampling : Resampling
        Of reports.
    **options
        The minimum of `conditional_shares`.

    Returns
    -------
    DataFrame
        Columns outcome, observation, estimate, low, high, n (asserted) and events; the pooled
        findings come last.
    """
    findings = list(findings)
    asserted = labels[asserted_in][findings] == POSITIVE
    of_cells = resampling_of_cells(resampling, *asserted.shape)
    tables = []
    for outcome, holds in _outcomes(labels[IMPRESSION][findings]).items():
        singly = conditional_shares(holds, asserted, resampling=resampling, **options)
        pooled = conditional_shares(
            pool_observations(holds, "All findings"),
            pool_observations(asserted, "All findings"),
            resampling=of_cells,
            **options,
        )
        tables.append(pd.concat([singly, pooled]).assign(outcome=outcome))
    return pd.concat(tables, ignore_index=True)


def _outcomes(impression: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Sort the Impression's labels into the four outcomes."""
    outcomes = (
        impression == POSITIVE,
        impression.isna(),
        impression == UNCERTAIN,
        impression == NEGATIVE,
    )
    return dict(zip(OUTCOMES, outcomes, strict=True))
