"""What each paper's printed cells imply for the figures that it quotes elsewhere."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from cxrstudy.published.papers import PublishedTable, published_table
from cxrstudy.studies.published_tables.derivations import (
    missing_term,
    percentage_points,
    relative_change,
    share_of_change,
)
from cxrstudy.studies.published_tables.internal import (
    Derived,
    Printed,
    printed_cells,
    printed_fact,
    propagate_rounding,
)

CHEXREASON_TABLES = {"CheXpert": "chexpert_test", "NIH": "nih_test"}
REINFORCED, SUPERVISED = "ChexReason", "MedGemma SFT"


def left_for_support_devices() -> dict[str, Derived]:
    """Solve the averages of VisualCheXbert's Table 4 for Zero-One on Support Devices.

    Returns
    -------
    dict of str to Derived
        By average.
    """
    table4 = published_table("visualchexbert", "table4")
    positives = published_table("visualchexbert", "positives").values["positives"]
    others = positives.drop("Support Devices")
    weights = {
        "Average": (np.ones(len(others)), 1.0),
        "Weighted Average": (others.to_numpy(), positives["Support Devices"]),
    }
    cells = printed_cells(table4, others.index, "zero_one")
    return {
        average: propagate_rounding(
            partial(missing_term, other_weights=rest, weight=own),
            printed_cells(table4, average, "zero_one"),
            cells,
        )
        for average, (rest, own) in weights.items()
    }


def chexreason_tables() -> dict[str, PublishedTable]:
    """Tables 5 and 6 of ChexReason by site."""
    return {site: published_table("chexreason", name) for site, name in CHEXREASON_TABLES.items()}


def chexreason_labels() -> dict[str, list[str]]:
    """Labels of either test set: fourteen on CheXpert, nine of them on NIH."""
    return {site: list(t.values.index.drop("Macro F1")) for site, t in chexreason_tables().items()}


def chexreason_macro_means() -> tuple[dict[str, Derived], dict[str, Printed]]:
    """Recompute macro F1 of every model and site from the labels' rows, beside the printed ones."""
    derived, published = {}, {}
    for site, table in chexreason_tables().items():
        for model in table.values:
            name = f"{site}, {model}"
            rows = printed_cells(table, chexreason_labels()[site], model)
            derived[name] = propagate_rounding(np.mean, rows)
            published[name] = printed_cells(table, "Macro F1", model)
    return derived, published


def changes_by_reinforcement() -> dict[str, Derived]:
    """Percentage changes from supervised fine-tuning to reinforcement learning.

    Returns
    -------
    dict of str to Derived
        As printed on either site, on CheXpert over the labels of NIH, and the share of Lung
        Opacity in the change on CheXpert.
    """
    tables, labels = chexreason_tables(), chexreason_labels()
    share = partial(share_of_change, label=labels["CheXpert"].index("Lung Opacity"))
    readings = {
        "CheXpert, 14 labels": (relative_change, "CheXpert", ["Macro F1"]),
        "NIH, 9 labels": (relative_change, "NIH", ["Macro F1"]),
        "CheXpert, the 9 labels of NIH": (relative_change, "CheXpert", labels["NIH"]),
        "share of Lung Opacity in the gain": (share, "CheXpert", labels["CheXpert"]),
    }
    return {
        name: propagate_rounding(
            derive,
            printed_cells(tables[site], rows, REINFORCED),
            printed_cells(tables[site], rows, SUPERVISED),
        )
        for name, (derive, site, rows) in readings.items()
    }


def changes_between_sites(rows: Sequence[str]) -> dict[str, Derived]:
    """Percentage change of mean F1 from CheXpert to NIH.

    Parameters
    ----------
    rows : sequence of str
        Rows to average in both tables; ``["Macro F1"]`` sets nine labels against fourteen.

    Returns
    -------
    dict of str to Derived
        By model.
    """
    tables = chexreason_tables()
    return {
        model: propagate_rounding(
            relative_change,
            printed_cells(tables["NIH"], rows, model),
            printed_cells(tables["CheXpert"], rows, model),
        )
        for model in tables["NIH"].values
    }


def structured_reasoning_gains() -> dict[str, Derived]:
    """Macro F1 of fine-tuning on a structured checklist minus that on labels only, by model."""
    tables = {"Qwen2.5-VL": "sft_qwen", "MedGemma": "sft_medgemma"}
    return {
        model: propagate_rounding(
            np.subtract,
            printed_cells(published_table("chexreason", table), "Reasoning A", "macro_f1"),
            printed_cells(published_table("chexreason", table), "Only Label", "macro_f1"),
        )
        for model, table in tables.items()
    }


def listed_student_gains() -> dict[str, Derived]:
    """Gain of DeBERTa-RAD over each listed method in points of macro F1."""
    listed = {
        "CheXbert": "chexbert_macro_f1",
        "the language model that taught it": "teacher_macro_f1",
        "the CheXpert labeler": "chexpert_macro_f1",
    }
    student = printed_fact("deberta_rad", "student_macro_f1")
    return {
        method: propagate_rounding(percentage_points, student, printed_fact("deberta_rad", fact))
        for method, fact in listed.items()
    }


def exactly(printed: Printed) -> Derived:
    """Take a single printed figure as it stands, to set it beside the same figure elsewhere."""
    return propagate_rounding(float, printed)
