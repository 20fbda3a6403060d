"""What each paper's printed cells imply for the figures that it quotes elsewhere."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from cxrstudy.published.papers import PublishedTable, published_table
from cxrstudy.studies.published_tables.rounding import (
    Derived,
    Printed,
    between,
    check_averages,
    check_differences,
    check_f1,
    compare_all,
    exactly,
    printed_cells,
    printed_fact,
    propagate_rounding,
)

REINFORCED, SUPERVISED = "ChexReason", "MedGemma SFT"

# Blocks of VisualCheXbert's Table 6 to the table and column that its gains are over.
_GAINS_OVER = {
    "zero_one": ("table4", "zero_one"),
    "higher_radiologist": ("table1", "high_f1"),
    "lower_radiologist": ("table1", "low_f1"),
}
# Conditions whose F1 the paper places between the radiologist's bounds.
_BETWEEN_BOUNDS = ["Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion"]
_BETWEEN_BOUNDS += ["Enlarged Cardiomediastinum", "Average", "Weighted Average"]


def visualchexbert_averages() -> pd.DataFrame:
    """Recompute the averages of VisualCheXbert's Tables 1, 4 and 5 from their rows."""
    positives = published_table("visualchexbert", "positives").values["positives"]
    tables = (published_table("visualchexbert", f"table{number}") for number in (1, 4, 5))
    return pd.concat(check_averages(table, positives) for table in tables)


def visualchexbert_gains(
    variant: str = "logreg_mimic", over: Sequence[str] = tuple(_GAINS_OVER)
) -> pd.DataFrame:
    """Recompute the gains of Table 6, taking a column of Table 5 for VisualCheXbert."""
    table5 = published_table("visualchexbert", "table5")
    return pd.concat(
        check_differences(
            (published_table("visualchexbert", f"table6_over_{block}"), "difference"),
            (table5, variant),
            (published_table("visualchexbert", _GAINS_OVER[block][0]), _GAINS_OVER[block][1]),
        )
        for block in over
    )


def left_for_support_devices() -> dict[str, Derived]:
    """Solve each average of VisualCheXbert's Table 4 for Zero-One on Support Devices."""
    table4 = published_table("visualchexbert", "table4")
    positives = published_table("visualchexbert", "positives").values["positives"]
    others = positives.drop("Support Devices")
    cells = printed_cells(table4, others.index, "zero_one")
    plain = partial(missing_term, other_weights=np.ones(len(others)), weight=1)
    weighted = partial(
        missing_term, other_weights=others.to_numpy(), weight=positives["Support Devices"]
    )
    return {
        average: propagate_rounding(solve, printed_cells(table4, average, "zero_one"), cells)
        for average, solve in (("Average", plain), ("Weighted Average", weighted))
    }


def missing_term(
    average: float, others: np.ndarray, other_weights: np.ndarray, weight: float
) -> float:
    """Return what a weighted mean leaves for the one term that is not among `others`.

    >>> missing_term(0.5, [0.25, 0.5], [1, 1], 1)
    0.75
    """
    total = np.sum(other_weights) + weight
    return float((average * total - np.dot(other_weights, others)) / weight)


def support_devices(left: dict[str, Derived]) -> pd.DataFrame:
    """Set both printed values of Support Devices beside what the averages leave for it."""
    table4 = published_table("visualchexbert", "table4")
    printed = {
        "text": printed_fact("visualchexbert", "support_devices_zero_one_text"),
        "Table 4": printed_cells(table4, "Support Devices", "zero_one"),
    }
    checks = {place: compare_all(left, dict.fromkeys(left, p)) for place, p in printed.items()}
    return stacked(checks, "printed_in")


def zero_one_between_bounds() -> pd.DataFrame:
    """Set the F1 of Zero-One beside the radiologist's worst and best."""
    table1, table4 = (published_table("visualchexbert", name) for name in ("table1", "table4"))
    bounds, zero_one = {}, {}
    for row in _BETWEEN_BOUNDS:
        low, high = (printed_cells(table1, row, column) for column in ("low_f1", "high_f1"))
        bounds[row], zero_one[row] = between(low, high), printed_cells(table4, row, "zero_one")
    return compare_all(bounds, zero_one).drop(columns="recomputed")


def chexreason_tables() -> dict[str, PublishedTable]:
    """Tables 5 and 6 of ChexReason by site."""
    names = {"CheXpert": "chexpert_test", "NIH": "nih_test"}
    return {site: published_table("chexreason", name) for site, name in names.items()}


def chexreason_labels() -> dict[str, list[str]]:
    """Labels of either test set: fourteen on CheXpert, nine of them on NIH."""
    return {site: list(t.values.index.drop("Macro F1")) for site, t in chexreason_tables().items()}


def chexreason_macro_means() -> pd.DataFrame:
    """Recompute macro F1 of every model and site from the labels' rows."""
    derived, published = {}, {}
    for site, table in chexreason_tables().items():
        for model in table.values:
            rows = printed_cells(table, chexreason_labels()[site], model)
            derived[f"{site}, {model}"] = propagate_rounding(np.mean, rows)
            published[f"{site}, {model}"] = printed_cells(table, "Macro F1", model)
    return compare_all(derived, published)


def relative_change(new: np.ndarray, old: np.ndarray) -> float:
    """Change of the mean in percent of the old mean: a ratio of means, minus one.

    >>> relative_change([0.5, 1.0], [0.5, 0.5])
    50.0
    """
    return 100 * float(np.mean(new) / np.mean(old) - 1)


def changes_by_reinforcement() -> dict[str, Derived]:
    """Percentage changes of macro F1 from supervised fine-tuning to reinforcement learning.

    As printed on either site, on CheXpert over the labels of NIH, and the share of Lung Opacity in
    the change on CheXpert.
    """
    tables, labels = chexreason_tables(), chexreason_labels()
    opacity = labels["CheXpert"].index("Lung Opacity")

    def share(new: np.ndarray, old: np.ndarray) -> float:
        return 100 * float((new - old)[opacity] / (new - old).sum())

    readings = {
        "CheXpert, 14 labels": (relative_change, "CheXpert", ["Macro F1"]),
        "NIH, 9 labels": (relative_change, "NIH", ["Macro F1"]),
        "CheXpert, the 9 labels of NIH": (relative_change, "CheXpert", labels["NIH"]),
        "share of Lung Opacity in the gain": (share, "CheXpert", labels["CheXpert"]),
    }
    changes = {}
    for name, (derive, site, rows) in readings.items():
        new, old = (printed_cells(tables[site], rows, each) for each in (REINFORCED, SUPERVISED))
        changes[name] = propagate_rounding(derive, new, old)
    return changes


def changes_between_sites(rows: Sequence[str]) -> dict[str, Derived]:
    """Percentage change of mean F1 over some rows from CheXpert to NIH, by model."""
    changes, tables = {}, chexreason_tables()
    for model in tables["NIH"].values:
        new, old = (printed_cells(tables[site], rows, model) for site in ("NIH", "CheXpert"))
        changes[model] = propagate_rounding(relative_change, new, old)
    return changes


def drops_between_sites() -> pd.DataFrame:
    """Compare the printed drops with those over unlike and over shared labels."""
    drops = {"NV-Reason": "nv_reason_drop", "ChexReason": "chexreason_drop"}
    drops |= {"MedGemma": "medgemma_drop", SUPERVISED: "sft_rise"}
    printed = {
        model: printed_fact("chexreason", f"{drop}_percent") for model, drop in drops.items()
    }
    shared = compare_all(changes_between_sites(chexreason_labels()["NIH"]))
    unlike = compare_all(changes_between_sites(["Macro F1"]), printed)
    tables = {"as printed, 9 labels against 14": unlike, "the 9 shared labels": shared}
    return stacked(tables, "labels")


def signs_as_claimed(changes: dict[str, Derived]) -> pd.DataFrame:
    """Say of each model whether it falls, and of the supervised one whether it rises."""
    signs = [
        {"model": model, "sign_as_claimed": each.low > 0 if model == SUPERVISED else each.high < 0}
        for model, each in changes.items()
    ]
    return pd.DataFrame(signs)


def text_against_tables() -> pd.DataFrame:
    """Set macro F1 of the text beside Tables 4 (two rewards) and 2 (direct prediction)."""
    grpo, medgemma = (published_table("chexreason", name) for name in ("grpo", "sft_medgemma"))
    reward = printed_fact("chexreason", "reward_macro_f1")
    direct = printed_fact("chexreason", "direct_prediction_macro_f1")
    figures = {
        "Nuanced, best macro F1": (grpo, "Nuanced best F1", reward),
        "Hard, best macro F1": (grpo, "Hard best F1", reward),
        "direct label prediction, macro F1": (medgemma, "Only Label", direct),
    }
    in_tables = {
        name: exactly(printed_cells(table, row, "macro_f1"))
        for name, (table, row, _) in figures.items()
    }
    return compare_all(in_tables, {name: printed for name, (_, _, printed) in figures.items()})


def chexreason_micro_f1() -> pd.DataFrame:
    """Recompute micro F1 of ChexReason's Tables 2 to 4 from precision and recall."""
    names = ("sft_medgemma", "sft_qwen", "grpo")
    return pd.concat(check_f1(published_table("chexreason", name)) for name in names)


def structured_reasoning_gains() -> dict[str, Derived]:
    """Macro F1 of fine-tuning on a structured checklist minus that on labels only, by model."""
    gains = {}
    for model, name in {"Qwen2.5-VL": "sft_qwen", "MedGemma": "sft_medgemma"}.items():
        cells = published_table("chexreason", name)
        new, old = (printed_cells(cells, row, "macro_f1") for row in ("Reasoning A", "Only Label"))
        gains[model] = propagate_rounding(np.subtract, new, old)
    return gains


def listed_student_gains() -> dict[str, Derived]:
    """Gain of DeBERTa-RAD over each listed method in points of macro F1."""
    listed = {
        "CheXbert": "chexbert_macro_f1",
        "the language model that taught it": "teacher_macro_f1",
        "the CheXpert labeler": "chexpert_macro_f1",
    }
    gains, student = {}, printed_fact("deberta_rad", "student_macro_f1")
    for method, fact in listed.items():
        other = printed_fact("deberta_rad", fact)
        gains[method] = propagate_rounding(lambda new, old: 100 * (new - old), student, other)
    return gains


def student_gains_at_both_ends(gains: dict[str, Derived]) -> pd.DataFrame:
    """Set the student's gains beside either end of the claimed range."""
    tables = {}
    for end in ("low", "high"):
        claimed = printed_fact("deberta_rad", f"claimed_gain_{end}_points")
        tables[f"{end} end"] = compare_all(gains, dict.fromkeys(gains, claimed))
    return stacked(tables, "claimed")


def policy_choice() -> pd.DataFrame:
    """Set the final model's policy for each finding beside the best of CheXpert's Table 3."""
    auroc = published_table("chexpert", "policy_auroc").values
    final = published_table("chexpert", "final_policy").values["policy"]
    best = auroc.idxmax()
    choice = {"final_model": final, "best_in_table_3": best, "auroc": auroc.max()}
    return pd.DataFrame(choice).assign(agrees=final == best).rename_axis("finding")


def prevalence_totals() -> pd.DataFrame:
    """Sum the counts of CheXpert's Table 1 for each observation."""
    counts = published_table("chexpert", "prevalence").values
    return counts.assign(total=counts.sum(axis=1)).rename_axis("observation")


def mean_of_figure_3() -> Derived:
    """Mean of the five AUROC of CheXpert's Figure 3."""
    table = published_table("chexpert", "test_auroc")
    return propagate_rounding(np.mean, Printed(table.values, table.half_unit))


def fall_to_experts() -> dict[str, Derived]:
    """Differences of unlike tasks that the NLP-to-Expert Gap's abstract sets side by side."""
    names = ("predecessor_auroc", "expert_auroc_low", "expert_auroc_high")
    before, *ends = (printed_fact("nlp_expert_gap", name) for name in names)
    return {f"{end} minus {before}": propagate_rounding(np.subtract, end, before) for end in ends}


def gap_figures() -> pd.DataFrame:
    """Set the starting point of the NLP-to-Expert Gap beside the range that it laments."""
    names = ("expert_auroc_low", "expert_auroc_high", "starting_auroc")
    low, high, start = (printed_fact("nlp_expert_gap", name) for name in names)
    derived = {"starting point": between(low, high), **fall_to_experts()}
    return compare_all(derived, {"starting point": start})


def stacked(tables: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """Put tables below each other, with their keys as a first column."""
    return pd.concat(tables, names=[name]).droplevel(1).reset_index()
