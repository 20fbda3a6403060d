"""Scores of a labeler against human codes: by observation, as macro and as micro average."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import (
    MACRO_AVERAGE,
    WEIGHTED_AVERAGE,
    Agreement,
    Estimate,
    mean_estimate,
)
from cxrstudy.data.openi.mesh import NO_FINDING
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.studies.report_labeler.coded_reports import MINIMUM_EVENTS

POLICIES: dict[str, str] = {"uncertain as 1": "ones", "uncertain as 0": "zeros"}
"""What an uncertain label counts as, to the uncertainty policy that does it."""

METRICS: tuple[str, ...] = ("precision", "recall", "f1")


@dataclass(frozen=True, eq=False)
class LabelerScores:
    """Scores of several readings under both policies.

    Attributes
    ----------
    by_observation : Agreement
        Each observation, and the macro average over the chosen ones.
    macro_of_findings : Agreement
        The macro average over the chosen observations without No Finding.
    pooled : Agreement
        The micro average: all cells of all findings as one column.
    averaged : tuple of str
        Observations of the macro average.
    readings : tuple of str
    contrasts : tuple of (str, str)
        Pairs of readings whose difference is reported.
    """

    by_observation: Agreement
    macro_of_findings: Agreement
    pooled: Agreement
    averaged: tuple[str, ...]
    readings: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]

    def macro_difference(self, first: str, second: str, policy: str, metric: str) -> Estimate:
        """Subtract two readings' macro averages over the findings.

        Parameters
        ----------
        first, second : str
            Readings, of which the contrast was asked for.
        policy : str
            One of `POLICIES`.
        metric : str

        Returns
        -------
        Estimate
        """
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
        is_macro = single["observation"] == MACRO_AVERAGE
        table = pd.concat(
            [
                single[~single["observation"].isin([MACRO_AVERAGE, WEIGHTED_AVERAGE])],
                single[is_macro].assign(observation=f"Macro, {len(self.averaged)} observations"),
                self.macro_of_findings.table(),
                pooled[~pooled["observation"].isin([MACRO_AVERAGE, WEIGHTED_AVERAGE])],
            ],
            ignore_index=True,
        )
        n_findings = sum(name != NO_FINDING for name in self.averaged)
        names = pd.DataFrame(
            [self._names()[method] for method in table["method"]], columns=["reading", "policy"]
        )
        table = table.replace({"observation": {MACRO_AVERAGE: f"Macro, {n_findings} findings"}})
        return pd.concat([names, table.drop(columns="method")], axis=1)

    def _names(self) -> dict[str, tuple[str, str]]:
        """Return reading and policy of each method and contrast."""
        names = {}
        for policy in POLICIES:
            names |= {_method(reading, policy): (reading, policy) for reading in self.readings}
            for pair in self.contrasts:
                name = " - ".join(_method(reading, policy) for reading in pair)
                names[name] = (" - ".join(pair), policy)
        return names


def score_readings(
    codes: pd.DataFrame,
    labels: Mapping[str, pd.DataFrame],
    *,
    averaged: Sequence[str],
    findings: Sequence[str],
    resampling: Resampling = DEFAULT_RESAMPLING,
    contrasts: Sequence[tuple[str, str]] = (),
) -> LabelerScores:
    """Score the labels of several readings against human codes, on shared resamples of texts.

    Parameters
    ----------
    codes : DataFrame, shape (n_reports, n_observations)
        1, 0 and NaN.
    labels : mapping of str to DataFrame
        Reading to label codes on the same rows and columns.
    averaged : sequence of str
        Observations of the macro averages; each has 10 coded positives and negatives or more.
    findings : sequence of str
        All observations but No Finding; their cells make the micro average.
    resampling : Resampling
        Of reports; those with the same text are drawn together.
    contrasts : sequence of (str, str)
        Pairs of readings.

    Returns
    -------
    LabelerScores
    """
    findings = list(findings)
    methods = {
        _method(reading, policy): apply_uncertainty_policy(table, name)
        for policy, name in POLICIES.items()
        for reading, table in labels.items()
    }
    paired = [
        (_method(first, policy), _method(second, policy))
        for policy in POLICIES
        for first, second in contrasts
    ]
    options = {
        "metrics": METRICS,
        "contrasts": paired,
        "min_events": MINIMUM_EVENTS,
    }
    by_observation = agree(codes, methods, averages_over=averaged, resampling=resampling, **options)
    name = f"Micro, {len(findings)} findings"
    return LabelerScores(
        by_observation=by_observation,
        macro_of_findings=_macro(by_observation, [n for n in averaged if n in findings], paired),
        pooled=agree(
            pool_observations(codes[findings], name),
            {key: pool_observations(table[findings], name) for key, table in methods.items()},
            resampling=resampling_of_cells(resampling, len(codes), len(findings)),
            **options,
        ),
        averaged=tuple(averaged),
        readings=tuple(labels),
        contrasts=tuple(contrasts),
    )


def pool_observations(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put the observations of a table below each other, row by row, missing cells included.

    A score of this one column is the micro average: each cell counts the same, so common
    observations dominate.
    """
    return table.stack().to_frame(name)


def resampling_of_cells(resampling: Resampling, n_rows: int, n_observations: int) -> Resampling:
    """Draw the pooled cells of one row, or of one cluster of rows, together."""
    units = resampling.units(n_rows).unit_of_row
    return resampling.of(clusters=np.repeat(units, n_observations))


def _macro(scores: Agreement, names: Sequence[str], contrasts: Sequence[tuple[str, str]]):
    """Average the scores of some observations, method by method."""
    estimates = {
        (method, MACRO_AVERAGE, metric): mean_estimate(
            [scores.estimate(method, name, metric) for name in names]
        )
        for method, metric in dict.fromkeys(
            (method, metric) for method, _, metric in scores.estimates
        )
    }
    return Agreement(estimates, tuple(contrasts))


def _method(reading: str, policy: str) -> str:
    return f"{reading}, {policy}"
