"""Shares with intervals: prevalence, codes of uncertain labels, fate of findings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from cxrstudy.agreement import Resampling, agree
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN, apply_uncertainty_policy
from cxrstudy.studies.report_labeler.coded_reports import (
    FINDINGS,
    IMPRESSION,
    WHOLE_REPORT,
    WITH_INDICATION,
    CodedReports,
)
from cxrstudy.studies.report_labeler.label_scores import (
    POLICIES,
    pool_observations,
    resampling_of_cells,
)

HUMAN_CODES = "human_codes"
OUTCOMES = ("states", "omits", "doubts", "denies")
"""What the Impression may do with a finding; the shares of the four sum to 1."""

_POOLED = "All findings"


def conditional_shares(
    event: pd.DataFrame, condition: pd.DataFrame, resampling: Resampling, minimum: int = 10
) -> pd.DataFrame:
    """Estimate, column by column, the share of rows with an event among those with a condition.

    Both counts vary from resample to resample, so this is a ratio and not a plain proportion of
    a fixed number of rows. In the terms of agreement it is a precision. Where all or none of the
    rows have the event, resamples do not vary; the interval is then Clopper and Pearson's, with
    clusters as the cases. Columns n and events count the rows with the condition and those of
    them with the event; below `minimum` a share is left blank. A missing event leaves its cell
    out.
    """
    truth, given = event.astype(float), condition.astype(float)
    found = agree(
        truth, {"share": given}, metrics=("precision",), resampling=resampling, min_events=0
    )
    unit = pd.Series(resampling.units(len(truth)).unit_of_row)
    known = truth.notna() & (given == 1)
    table = found.table().set_index("observation").loc[list(truth), ["estimate", "low", "high"]]
    table["n"], table["events"] = known.sum(), (known & (truth == 1)).sum()
    for name in table.index[(table["events"] == 0) | (table["events"] == table["n"])]:
        cases = unit[known[name].to_numpy()].nunique()
        limits = _extreme_limits(table.loc[name, "events"] > 0, cases)
        table.loc[name, ["low", "high"]] = limits
    table.loc[table["n"] < minimum, ["estimate", "low", "high"]] = np.nan
    return table.rename_axis("observation").reset_index()


def _extreme_limits(all_have_it: bool, cases: int) -> tuple[float, float]:
    """Return exact limits of a share of 0 or 1; undefined without a case."""
    if not cases:
        return np.nan, np.nan
    return proportion_confint(cases if all_have_it else 0, cases, method="beta")


def coded_among_uncertain(
    coded: CodedReports, labels: pd.DataFrame, resampling: Resampling
) -> pd.DataFrame:
    """Estimate how many of the labeler's uncertain labels carry a positive human code."""
    uncertain = labels[coded.findings] == UNCERTAIN
    return conditional_shares(coded.main_codes[coded.findings], uncertain, resampling)


def impression_outcomes(
    coded: CodedReports, labels: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Estimate the shares of asserted findings that the Impression states, omits or changes.

    Reports without Findings or Impression are left out. A row pools all findings; a last one does
    so too for those that the Findings assert, since an Impression cannot omit what it alone says.
    """
    both = coded.with_both_sections
    of_both = resampling.of(clusters=coded.clusters[both])
    part = {reading: table.loc[both, coded.findings] for reading, table in labels.items()}
    anywhere = outcome_shares(part[IMPRESSION], part[WHOLE_REPORT] == POSITIVE, of_both)
    in_findings = outcome_shares(part[IMPRESSION], part[FINDINGS] == POSITIVE, of_both)
    pooled = in_findings[in_findings["observation"] == _POOLED]
    name = "All findings, asserted in Findings"
    return pd.concat([anywhere, pooled.assign(observation=name)])


def outcome_shares(
    impression: pd.DataFrame, asserted: pd.DataFrame, resampling: Resampling
) -> pd.DataFrame:
    """Estimate the shares of the four outcomes, by finding and, last, pooled."""
    holds = (
        impression == POSITIVE,
        impression.isna(),
        impression == UNCERTAIN,
        impression == NEGATIVE,
    )
    of_cells = resampling_of_cells(resampling, *asserted.shape)
    pooled = pool_observations(asserted, _POOLED)
    tables = []
    for outcome, event in zip(OUTCOMES, holds, strict=True):
        cells = pool_observations(event, _POOLED)
        singly = conditional_shares(event, asserted, resampling)
        together = conditional_shares(cells, pooled, of_cells)
        tables.append(pd.concat([singly, together]).assign(outcome=outcome))
    return pd.concat(tables, ignore_index=True)


def prevalence_by_reading(
    codes: pd.DataFrame, labels: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Estimate the share of positive reports for each reading and policy, and of the codes.

    The codes come first, once for each policy, which they do not need: they know no uncertain
    label.
    """
    of_codes = conditional_shares(codes, codes.notna(), resampling).assign(reading=HUMAN_CODES)
    tables = [of_codes.assign(policy=policy) for policy in POLICIES]
    for reading, table in labels.items():
        for policy in POLICIES:
            positive = apply_uncertainty_policy(table, policy)
            shares = conditional_shares(positive, positive.notna(), resampling)
            tables.append(shares.assign(reading=reading, policy=policy))
    return pd.concat(tables, ignore_index=True)


def policy_ranges(prevalence: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """Lay out each finding's prevalence under both policies, beside that of the codes."""
    keys = ["observation", "reading"]
    wide = prevalence.pivot(index=keys, columns="policy", values="estimate")
    drawn = pd.MultiIndex.from_product(
        [findings, [IMPRESSION, WHOLE_REPORT, WITH_INDICATION]], names=keys
    )
    human = wide.xs(HUMAN_CODES, level="reading")["ones"]
    ranges = wide.reindex(drawn)[["zeros", "ones"]].reset_index()
    return ranges.assign(human_codes=ranges["observation"].map(human))


def ranges_in_words(ranges: pd.DataFrame) -> str:
    """Say what the figure of the policies shows."""
    width = (ranges["ones"] - ranges["zeros"]).groupby(ranges["observation"]).max()
    return (
        "Bars by finding for three readings, beside the human codes; the policy moves "
        f"{width.idxmax()} most, by {width.max():.3f}."
    )
