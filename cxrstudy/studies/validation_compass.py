"""Study 04: what choosing a model or a threshold on a small validation set is worth."""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.experiments.model_selection import SplitEstimates, threshold_outcome
from cxrstudy.words import WORDS, in_sentence

REFERENCE_RULE = "at the prevalence"
"""The rule that every other one is compared with."""


def mean_aurocs(
    truth: pd.DataFrame, models: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Score every model by its mean AUROC, the best first."""
    scores = agree(truth, models, metrics=("auroc",), resampling=resampling).table()
    average = scores[scores["observation"] == MACRO_AVERAGE]
    return average.sort_values("estimate", ascending=False)


def selection_claims(
    choice: SplitEstimates, size: int, span: float
) -> dict[str, tuple[Estimate, str]]:
    """Take the estimate that each claim about choosing is judged by, and a sentence beside it."""
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
    """Tabulate what each rule scores, and what the others gain over the reference rule."""
    table = tuning.table().astype({"size": str})
    table[["metric", "rule"]] = table["outcome"].str.split(", ", expand=True)
    minus_reference = f" - {REFERENCE_RULE}"
    is_gain = table["rule"].str.endswith(minus_reference)
    gains = table[is_gain]
    return table[~is_gain], gains.assign(rule=gains["rule"].str.removesuffix(minus_reference))


def tuned_rows(gains: pd.DataFrame) -> pd.DataFrame:
    """Name the rows of the figure, such as ``"F1, 200 studies"``, the Youden index first."""
    tuned = gains[gains["rule"] != "at 0.5"].sort_values("metric", ascending=False, kind="stable")
    return tuned.assign(row=tuned["metric"].map(WORDS) + ", " + tuned["size"] + " studies")


def answer_in_words(selection: pd.DataFrame, gains: pd.DataFrame, size: int, n_models: int) -> str:
    """Say what a validation set of this size is worth for choosing a model and a threshold."""
    chosen = selection[selection["size"] == size].set_index("outcome")
    gain, optimism = chosen.loc["gain over a random choice"], chosen.loc["optimism"]
    tuned = gains[gains["size"] == str(size)].set_index(["metric", "rule"])
    worth = "Something" if gain["low"] > 0 else "Nothing that shows"
    return (
        f"{worth} for choosing among {n_models} near-equal models: the best on {size} studies "
        f"changes AUROC by {in_sentence(gain, 3, '+')} against a random one, and promises "
        f"{in_sentence(optimism, level='')} too much. Tuning a threshold gains "
        f"{in_sentence(tuned.loc['youden', 'tuned for Youden'], 3, '+', '')} on the Youden index "
        f"and {in_sentence(tuned.loc['f1', 'tuned for F1'], 3, '+', '')} on F1."
    )


def tuned_threshold_claim(tuning: SplitEstimates, size: int) -> tuple[Estimate, str]:
    """Take the estimate that the claim about tuning is judged by, and a sentence beside it."""
    by_f1, by_youden = (
        tuning.estimates[size, threshold_outcome(metric, rule, REFERENCE_RULE)]
        for metric, rule in (("f1", "tuned for F1"), ("youden", "tuned for Youden"))
    )
    return by_f1, (
        "Only thresholds are tuned here, no weights. On the Youden index tuning gains "
        f"{by_youden.in_words()}."
    )
