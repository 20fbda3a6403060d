"""Scores of a labeler against human codes: by observation, as macro and as micro average."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Agreement, Resampling, agree
from cxrstudy.agreement.result import Estimate, mean_estimate
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

_METRICS = ("precision", "recall", "f1")


def score_readings(
    codes: pd.DataFrame,
    labels: Mapping[str, pd.DataFrame],
    averaged: Sequence[str],
    resampling: Resampling,
    contrasts: Sequence[tuple[str, str]] = (),
) -> Agreement:
    """Score the labels of several readings under both policies, on shared resamples of texts.

    A method is named ``"reading, policy"``. Beside the observations stand two macro averages, over
    `averaged` and over the findings among them, and the micro average over all findings, which are
    all observations but No Finding. Pairs of readings are contrasted.
    """
    findings = [name for name in codes if name != NO_FINDING]
    judged = [name for name in averaged if name in findings]
    methods = {
        f"{reading}, {policy}": apply_uncertainty_policy(table, policy)
        for policy in POLICIES
        for reading, table in labels.items()
    }
    micro = f"Micro, {len(findings)} findings"
    options = {"metrics": _METRICS, "min_events": MINIMUM_EVENTS}
    single = agree(codes, methods, averages_over=averaged, resampling=resampling, **options)
    pooled = agree(
        pool_observations(codes[findings], micro),
        {method: pool_observations(table[findings], micro) for method, table in methods.items()},
        resampling=resampling_of_cells(resampling, len(codes), len(findings)),
        **options,
    )
    macro = f"Macro, {len(averaged)} observations"
    of_findings = f"Macro, {len(judged)} findings"
    estimates = {}
    for method, name, metric in product(methods, [*codes, macro, of_findings, micro], _METRICS):
        if name == micro:
            estimate = pooled.estimates[method, micro, metric]
        elif name == of_findings:
            estimate = mean_estimate([single.estimates[method, each, metric] for each in judged])
        else:
            key = MACRO_AVERAGE if name == macro else name
            estimate = single.estimates[method, key, metric]
        estimates[method, name, metric] = estimate
    pairs = [(f"{a}, {policy}", f"{b}, {policy}") for policy in POLICIES for a, b in contrasts]
    return Agreement(estimates, tuple(pairs), single.too_few | pooled.too_few)


def contrast(first: str, second: str, policy: str) -> str:
    """Name the difference of two readings under a policy.

    >>> contrast("whole_report", "impression", "ones")
    'whole_report, ones - impression, ones'
    """
    return f"{first}, {policy} - {second}, {policy}"


def scores_table(scores: Agreement) -> pd.DataFrame:
    """Tabulate every score and difference, with reading (``"first - second"``) and policy."""
    table = scores.table()
    sides = table["method"].str.split(r", | - ", regex=True)
    readings = [" - ".join(side[::2]) for side in sides]
    table = table.drop(columns="method").assign(reading=readings, policy=sides.str[1])
    return table[["reading", "policy", *table.columns.drop(["reading", "policy"])]]


def scores_by_mapping(
    coded: CodedReports, labels: pd.DataFrame, averaged: Sequence[str], resampling: Resampling
) -> pd.DataFrame:
    """Score the labels of whole reports against every mapping of the codes."""
    whole = {WHOLE_REPORT: labels}
    return pd.concat(
        scores_table(score_readings(codes, whole, averaged, resampling)).assign(codes=name)
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


def scores_to_draw(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Select a metric on whole report and Impression, uncertain as positive, with enough codes."""
    drawn = table["reading"].isin([WHOLE_REPORT, IMPRESSION]) & ~table["too_few"]
    return table[drawn & (table["metric"] == metric) & (table["policy"] == "ones")]


def scores_in_words(drawn: pd.DataFrame) -> str:
    """Say what a figure of scores by reading shows."""
    is_macro = drawn["observation"].str.fullmatch(r"Macro, \d+ findings")
    macro = drawn[is_macro].set_index("reading")["estimate"]
    return (
        f"Scores with intervals by observation; the macro average over findings is "
        f"{macro[WHOLE_REPORT]:.2f} on findings and impression and {macro[IMPRESSION]:.2f} on the "
        "Impression alone."
    )


def answer(table: pd.DataFrame, macro: str, omitted: Estimate) -> str:
    """Say how much of the codes the labeler finds, and what the Impression alone loses.

    The row `macro` of `scores_table` is the average over findings, `omitted` the difference in its
    recall, whole report minus Impression.
    """
    rows = table[(table["observation"] == macro) & (table["policy"] == "ones")]
    score = rows.set_index(["reading", "metric"])["estimate"]
    recall, precision, alone = (
        f"{score[key]:.2f}"
        for key in (
            (WHOLE_REPORT, "recall"), (WHOLE_REPORT, "precision"), (IMPRESSION, "recall"),
        )
    )  # fmt: skip
    loss = "loses recall" if omitted.interval()[0] > 0 else "is not shown to lose recall"
    return (
        f"Against people's codes of the same reports, rules reach a recall of {recall} and a "
        f"precision of {precision} on findings and impression ({macro[0].lower()}{macro[1:]}). "
        f"The Impression alone {loss}: {alone}. Both sections minus Impression: "
        f"{omitted.in_words()}."
    )
