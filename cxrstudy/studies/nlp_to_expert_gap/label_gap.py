"""How the same models score against two sources of labels on the same studies."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import (
    LIMITS,
    MACRO_AVERAGE,
    Agreement,
    Estimate,
    derive,
    mean_estimate,
)
from cxrstudy.agreement.visits import RANKING_METRICS
from cxrstudy.observations import apply_uncertainty_policy

POLICIES: tuple[str, ...] = ("zeros", "ones", "ignore")
BLANK_HANDLINGS: tuple[str, ...] = ("negative", "dropped")
SOURCES: tuple[str, ...] = ("expert", "report")


@dataclass(frozen=True, eq=False)
class LabelGap:
    """Scores of the same models on the same studies against experts and against reports.

    Attributes
    ----------
    counts : DataFrame
        Indexed by observation: studies, expert and report positives and negatives, and whether
        either source has too few of them.
    agreements : dict of str to Agreement
        Every model's scores against ``expert`` and against ``report``.
    positive_predictive_value, negative_predictive_value : dict of str to Estimate
        Of the report label against the expert label, by observation.
    """

    counts: pd.DataFrame
    agreements: dict[str, Agreement]
    positive_predictive_value: dict[str, Estimate]
    negative_predictive_value: dict[str, Estimate]

    @property
    def judged(self) -> list[str]:
        """Observations with enough positives and negatives of both sources."""
        return self.counts.index[~self.counts["too_few"]].tolist()

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return list(dict.fromkeys(model for model, _, _ in self.agreements["expert"]))

    def score(self, source: str, observation: str, metric: str = "auroc") -> Estimate:
        """Mean score of the models against one source of labels.

        Parameters
        ----------
        source : {"expert", "report"}
        observation : str
            An observation, or ``"Average"`` over the judged ones.
        metric : {"auroc", "average_precision"}

        Returns
        -------
        Estimate
        """
        agreement = self.agreements[source]
        return mean_estimate([agreement.estimate(m, observation, metric) for m in self.models])

    def gap(self, observation: str, metric: str = "auroc", model: str | None = None) -> Estimate:
        """Score against reports minus score against experts.

        Parameters
        ----------
        observation : str
            An observation, or ``"Average"`` over the judged ones.
        metric : {"auroc", "average_precision"}
        model : str, optional
            One model; the mean of all by default.

        Returns
        -------
        Estimate
            Positive where models look better against reports.
        """
        if model is None:
            report, expert = (self.score(s, observation, metric) for s in ("report", "expert"))
        else:
            report, expert = (
                self.agreements[s].estimate(model, observation, metric)
                for s in ("report", "expert")
            )
        return report - expert

    def predicted(self, observation: str) -> Estimate:
        """AUROC against reports, had their errors nothing to do with the image.

        Parameters
        ----------
        observation : str
            An observation, or ``"Average"`` over the judged ones.

        Returns
        -------
        Estimate
            See `auroc_under_nondifferential_error`; everything is recomputed in each replicate.
        """
        if observation == MACRO_AVERAGE:
            return mean_estimate([self.predicted(name) for name in self.judged])
        return derive(
            auroc_under_nondifferential_error,
            self.score("expert", observation),
            self.positive_predictive_value[observation],
            self.negative_predictive_value[observation],
        )

    def excess(self, observation: str) -> Estimate:
        """AUROC against reports above what non-differential error predicts."""
        return self.score("report", observation) - self.predicted(observation)

    def table(self) -> pd.DataFrame:
        """Tidy table of scores, gap, prediction and excess, averaged over the models.

        Returns
        -------
        DataFrame
            Columns observation, metric, quantity (expert, report, gap; for AUROC also predicted
            and excess), estimate, low, high, n, positives and too_few.
        """
        rows = []
        for observation in (*self.counts.index, MACRO_AVERAGE):
            too_few = observation not in self.judged and observation != MACRO_AVERAGE
            for (metric, quantity), estimate in self._estimates(observation).items():
                rows.append(
                    {"observation": observation, "metric": metric, "quantity": quantity}
                    | estimate.row()
                    | {"too_few": too_few}
                )
        return pd.DataFrame(rows)

    def by_model(self, metric: str = "auroc") -> pd.DataFrame:
        """Tidy table of each model's average score against both sources, and their gap.

        Parameters
        ----------
        metric : {"auroc", "average_precision"}

        Returns
        -------
        DataFrame
            Columns model, quantity, estimate, low, high and n.
        """
        rows = []
        for model in self.models:
            estimates = {
                source: self.agreements[source].estimate(model, MACRO_AVERAGE, metric)
                for source in SOURCES
            } | {"gap": self.gap(MACRO_AVERAGE, metric, model)}
            rows += [
                {"model": model, "quantity": quantity} | estimate.row()
                for quantity, estimate in estimates.items()
            ]
        return pd.DataFrame(rows, columns=["model", "quantity", *LIMITS, "n"])

    def _estimates(self, observation: str) -> dict[tuple[str, str], Estimate]:
        scores = {
            (metric, source): self.score(source, observation, metric)
            for metric in RANKING_METRICS
            for source in SOURCES
        }
        gaps = {(metric, "gap"): self.gap(observation, metric) for metric in RANKING_METRICS}
        noise = {
            ("auroc", "predicted"): self.predicted(observation),
            ("auroc", "excess"): self.excess(observation),
        }
        return scores | gaps | noise


def auroc_under_nondifferential_error(auroc, positive_predictive_value, negative_predictive_value):
    """AUROC against noisy labels whose errors are unrelated to the score.

    If, among true positives and among true negatives, the error of a label does not depend on
    the score, then noisy positives are a mixture of the true classes with weight PPV and noisy
    negatives with weight NPV, and the AUROC shrinks towards one half by PPV + NPV - 1.

    Parameters
    ----------
    auroc : float or numpy.ndarray
        Against the true labels.
    positive_predictive_value, negative_predictive_value : float or numpy.ndarray
        Of the noisy label against the true label.

    Returns
    -------
    float or numpy.ndarray

    References
    ----------
    Menon, van Rooyen, Ong and Williamson (2015). Learning from corrupted binary labels via
    class-probability estimation. ICML, Corollary 3.
    """
    return 0.5 + (positive_predictive_value + negative_predictive_value - 1) * (auroc - 0.5)


def report_label_variants(labels: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Resolve report codes under each uncertainty policy and handling of blanks.

    Parameters
    ----------
    labels : DataFrame, shape (n_studies, n_observations)
        Codes 1, 0, -1 and NaN.

    Returns
    -------
    dict of (str, str) to DataFrame
        By policy and by what becomes of a blank, ``"negative"`` or ``"dropped"``; missing where
        a study is left out.
    """
    variants = {}
    for blanks in BLANK_HANDLINGS:
        for policy in POLICIES:
            resolved = apply_uncertainty_policy(labels, policy)
            variants[policy, blanks] = (
                resolved if blanks == "negative" else resolved.where(labels.notna())
            )
    return variants


def compare_label_sources(
    expert: pd.DataFrame,
    report: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
    min_events: int = 10,
) -> LabelGap:
    """Score models against experts and against reports, on the studies that both label.

    Parameters
    ----------
    expert, report : DataFrame, shape (n_studies, n_observations)
        1, 0, or missing; a study missing from one source leaves the observation for both.
    scores : mapping of str to DataFrame
        Each model's scores, with the same index and columns.
    resampling : Resampling
    min_events : int
        Positives and negatives that each source needs for an observation to enter averages.

    Returns
    -------
    LabelGap

    Raises
    ------
    ValueError
        If tables are misaligned or no observation has enough positives and negatives.
    """
    both = expert.notna() & report.notna()
    sources = {"expert": expert.where(both), "report": report.where(both)}
    counts = _counts(sources, min_events)
    judged = counts.index[~counts["too_few"]].tolist()
    if not judged:
        raise ValueError(
            f"no observation has {min_events} positives and negatives in both label sources"
        )
    settings = {"resampling": resampling, "min_events": 0}

    def predictive_value(truth: pd.DataFrame, labels: pd.DataFrame) -> dict[str, Estimate]:
        found = agree(truth, {"report": labels}, metrics=("precision",), **settings)
        return {name: found.estimate("report", name, "precision") for name in expert}

    return LabelGap(
        counts=counts,
        agreements={
            source: agree(labels, scores, metrics=RANKING_METRICS, averages_over=judged, **settings)
            for source, labels in sources.items()
        },
        positive_predictive_value=predictive_value(*sources.values()),
        negative_predictive_value=predictive_value(*(1 - table for table in sources.values())),
    )


def _counts(sources: Mapping[str, pd.DataFrame], min_events: int) -> pd.DataFrame:
    columns = {"studies": sources["expert"].notna().sum()}
    for source, labels in sources.items():
        columns[f"{source}_positive"] = (labels == 1).sum()
        columns[f"{source}_negative"] = (labels == 0).sum()
    counts = pd.DataFrame(columns).rename_axis("observation")
    return counts.assign(too_few=counts.drop(columns="studies").min(axis=1) < min_events)
