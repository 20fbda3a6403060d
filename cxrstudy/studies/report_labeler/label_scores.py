"""Scores of a labeler against human codes: by observation, as macro and as micro average."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.agreement import (
    MACRO_AVERAGE,
    WEIGHTED_AVERAGE,
    Agreement,
    Estimate,
    Resampling,
    agree,
)
from cxrstudy.agreement.result import mean_estimate
from cxrstudy.data.openi import NO_FINDING
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.studies.report_labeler.coded_reports import (
    IMPRESSION,
    MINIMUM_EVENTS,
    WHOLE_REPORT,
    CodedReports,
)

POLICIES = ("ones", "zeros")
"""What an uncertain label counts as."""


@dataclass(frozen=True, eq=False)
class LabelerScores:
    """Scores of several readings under both policies, and their differences."""

    by_observation: Agreement  # each observation, and the macro average over the chosen ones
    macro_of_findings: Agreement  # the macro average over these without No Finding
    pooled: Agreement  # the micro average: all cells of all findings as one column
    averaged: tuple[str, ...]  # observations of the macro average

    def macro_difference(self, first: str, second: str, policy: str, metric: str) -> Estimate:
        """Subtract two readings' macro averages over the findings."""
        name = " - ".join(_method(reading, policy) for reading in (first, second))
        return self.macro_of_findings.estimate(name, MACRO_AVERAGE, metric)

    def table(self) -> pd.DataFrame:
        """Tidy table of every score, and of the differences that were asked for.

        Returns
        -------
        DataFrame
            Columns reading (of a difference ``"first - second"``), policy, observation, metric,
            estimate, low, high, n, positives, undefined and too_few. The two macro averages and
            the micro average come last.
        """
        single, pooled = self.by_observation.table(), self.pooled.table()
        averages = [MACRO_AVERAGE, WEIGHTED_AVERAGE]
        macro = single[single["observation"] == MACRO_AVERAGE]
        n_findings = sum(name != NO_FINDING for name in self.averaged)
        table = pd.concat(
            [
                single[~single["observation"].isin(averages)],
                macro.assign(observation=f"Macro, {len(self.averaged)} observations"),
                self.macro_of_findings.table().assign(observation=f"Macro, {n_findings} findings"),
                pooled[~pooled["observation"].isin(averages)],
            ],
            ignore_index=True,
        )
        names = pd.DataFrame(
            map(_reading_and_policy, table["method"]), columns=["reading", "policy"]
        )
        return pd.concat([names, table.drop(columns="method")], axis=1)


def score_readings(
    codes: pd.DataFrame,
    labels: Mapping[str, pd.DataFrame],
    averaged: Sequence[str],
    resampling: Resampling,
    contrasts: Sequence[tuple[str, str]] = (),
) -> LabelerScores:
    """Score the labels of several readings against human codes, on shared resamples of texts.

    Parameters
    ----------
    codes : DataFrame, shape (n_reports, n_observations)
        1, 0 and NaN. The cells of all observations but No Finding make the micro average.
    labels : mapping of str to DataFrame
        Reading to label codes on the same rows and columns.
    averaged : sequence of str
        Observations of the macro averages; each has 10 coded positives and negatives or more.
    resampling : Resampling
        Of reports; those with the same text are drawn together.
    contrasts : sequence of (str, str)
        Pairs of readings whose difference is reported.

    Returns
    -------
    LabelerScores
    """
    findings = [name for name in codes if name != NO_FINDING]
    methods = {
        _method(reading, policy): apply_uncertainty_policy(table, policy)
        for policy in POLICIES
        for reading, table in labels.items()
    }
    paired = [
        (_method(first, policy), _method(second, policy))
        for policy in POLICIES
        for first, second in contrasts
    ]
    options = {"metrics": ("precision", "recall", "f1"), "min_events": MINIMUM_EVENTS}
    options |= {"contrasts": paired}
    name = f"Micro, {len(findings)} findings"
    single = agree(codes, methods, averages_over=averaged, resampling=resampling, **options)
    pooled = agree(
        pool_observations(codes[findings], name),
        {key: pool_observations(table[findings], name) for key, table in methods.items()},
        resampling=resampling_of_cells(resampling, len(codes), len(findings)),
        **options,
    )
    macro = _macro(single, [name for name in averaged if name in findings], paired)
    return LabelerScores(single, macro, pooled, tuple(averaged))


def scores_by_mapping(
    coded: CodedReports, labels: pd.DataFrame, averaged: Sequence[str], resampling: Resampling
) -> pd.DataFrame:
    """Score the labels of whole reports against every mapping of the codes."""
    return pd.concat(
        score_readings(codes, {WHOLE_REPORT: labels}, averaged, resampling)
        .table()
        .assign(codes=name)
        for name, codes in coded.codes.items()
    )


def pool_observations(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put the observations of a table below each other, row by row, missing cells included.

    A score of this one column is the micro average: each cell counts the same, so common
    observations dominate.

    >>> table = pd.DataFrame({"Edema": [1, 1], "Fracture": [0, 0]})
    >>> pool_observations(table, "all")["all"].tolist()
    [1, 0, 1, 0]
    """
    return table.stack().to_frame(name)


def resampling_of_cells(resampling: Resampling, n_rows: int, n_observations: int) -> Resampling:
    """Draw the pooled cells of one row, or of one cluster of rows, together."""
    units = resampling.units(n_rows).unit_of_row
    return resampling.of(clusters=np.repeat(units, n_observations))


def f1_to_draw(table: pd.DataFrame) -> pd.DataFrame:
    """Select F1 of whole report and Impression, uncertain as 1, where there are enough codes."""
    drawn = table["reading"].isin([WHOLE_REPORT, IMPRESSION]) & ~table["too_few"]
    return table[drawn & (table["metric"] == "f1") & (table["policy"] == "ones")]


def f1_in_words(f1: pd.DataFrame) -> str:
    """Say what the figure of F1 by reading shows."""
    is_macro = f1["observation"].str.fullmatch(r"Macro, \d+ findings")
    macro = f1[is_macro].set_index("reading")["estimate"]
    return (
        f"F1 with intervals by observation; the macro average over findings is "
        f"{macro[WHOLE_REPORT]:.2f} on findings and impression and {macro[IMPRESSION]:.2f} on the "
        "Impression alone."
    )


def _macro(
    scores: Agreement, names: Sequence[str], contrasts: Sequence[tuple[str, str]]
) -> Agreement:
    """Average the scores of some observations, method by method."""
    pairs = dict.fromkeys((method, metric) for method, _, metric in scores.estimates)
    estimates = {
        (method, MACRO_AVERAGE, metric): mean_estimate(
            [scores.estimate(method, name, metric) for name in names]
        )
        for method, metric in pairs
    }
    return Agreement(estimates, tuple(contrasts))


def _method(reading: str, policy: str) -> str:
    return f"{reading}, {policy}"


def _reading_and_policy(method: str) -> tuple[str, str]:
    """Undo `_method`, of a contrast for both sides, which share their policy.

    >>> _reading_and_policy("whole_report, ones - impression, ones")
    ('whole_report - impression', 'ones')
    """
    readings, policies = zip(*(side.split(", ") for side in method.split(" - ")), strict=True)
    return " - ".join(readings), policies[0]
