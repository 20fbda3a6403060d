"""Study 04: what choosing a model or a threshold on a small validation set is worth."""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.experiments.model_selection import SplitEstimates, threshold_outcome

REFERENCE_RULE = "at the prevalence"
"""The rule that every other one is compared with."""


def mean_aurocs(
    truth: pd.DataFrame, models: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Score every model by its mean AUROC.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Labels 1 and 0.
    models : mapping of str to DataFrame
        Each model's scores.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Tidy, a row for each model, the best first.
    """
    scores = agree(truth, models, metrics=("auroc",), resampling=resampling).table()
    average = scores[scores["observation"] == MACRO_AVERAGE]
    return average.sort_values("estimate", ascending=False)


def selection_claims(
    choice: SplitEstimates, size: int, span: float
) -> dict[str, tuple[Estimate, str]]:
    """Take what the claims about choosing a model are judged by.

    Parameters
    ----------
    choice : SplitEstimates
        Of choosing on validation.
    size : int
        Studies in the validation part that the paper used.
    span : float
        Mean AUROC of the best model minus that of the worst.

    Returns
    -------
    dict of str to tuple
        Claim to its estimate and one sentence beside the verdict.
    """
    regret, by_chance = (
        choice.estimates[size, outcome].value for outcome in ("regret", "regret of a random choice")
    )
    limit = f"Ten near-equal models: best and worst differ by {span:.4f}."
    return {
        "nlp_expert_gap.validation_200_sufficient": (
            choice.estimates[size, "gain over a random choice"],
            f"{limit} Regret {regret:.4f}, of a random choice {by_chance:.4f}.",
        ),
        "nlp_expert_gap.validation_inversion": (
            choice.estimates[size, "rank correlation"],
            f"{limit} Here both sides are expert labels of one population.",
        ),
    }


def threshold_scores_and_gains(tuning: SplitEstimates) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate what thresholds are worth, by metric, rule and size of the validation part.

    Parameters
    ----------
    tuning : SplitEstimates
        Of setting thresholds.

    Returns
    -------
    scores, gains : DataFrame
        Scores of the rules, and those of every other rule minus the one *at the prevalence*.
    """
    table = tuning.table().astype({"size": str})
    table[["metric", "rule"]] = table["outcome"].str.split(", ", expand=True)
    minus_reference = f" - {REFERENCE_RULE}"
    is_gain = table["rule"].str.endswith(minus_reference)
    gains = table[is_gain]
    return table[~is_gain], gains.assign(rule=gains["rule"].str.removesuffix(minus_reference))


def tuned_rows(gains: pd.DataFrame) -> pd.DataFrame:
    """Name the rows of the figure of tuned thresholds, the Youden index first.

    Parameters
    ----------
    gains : DataFrame
        From `threshold_scores_and_gains`.

    Returns
    -------
    DataFrame
        Without the rule *at 0.5*; column ``row`` such as ``"f1, 200 studies"``.
    """
    tuned = gains[gains["rule"] != "at 0.5"].sort_values("metric", ascending=False, kind="stable")
    return tuned.assign(row=tuned["metric"] + ", " + tuned["size"] + " studies")


def tuned_threshold_claim(tuning: SplitEstimates, size: int) -> tuple[Estimate, str]:
    """Take what the claim about tuned thresholds is judged by.

    Parameters
    ----------
    tuning : SplitEstimates
    size : int
        Studies in the validation part that the paper used.

    Returns
    -------
    estimate : Estimate
        F1 of thresholds tuned for F1, minus that of thresholds at the prevalence.
    detail : str
        One sentence beside the verdict.
    """
    by_f1, by_youden = (
        tuning.estimates[size, threshold_outcome(metric, rule, REFERENCE_RULE)]
        for metric, rule in (("f1", "tuned for F1"), ("youden", "tuned for Youden"))
    )
    low, high = by_youden.interval()
    return by_f1, (
        "Only thresholds are tuned here, no weights. On the Youden index tuning gains "
        f"{by_youden.value:+.3f} ({low:+.3f} to {high:+.3f})."
    )
