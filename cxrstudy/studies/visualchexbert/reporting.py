"""Tables and sentences of the study's page, and the paper's printed numbers beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate
from cxrstudy.agreement.result import LIMITS
from cxrstudy.published import published_table
from cxrstudy.studies.visualchexbert.label_space import GAINS
from cxrstudy.words import by_side, in_sentence

_NAMES = {
    "zero_one": "Zero-One",
    "logreg": "expert-supervised",
    "image_threshold": "image-supervised, thresholds",
    "image_regression": "image-supervised, regression",
    "image_model": "image model itself",
}
WORDS: Mapping[str, str] = {
    **_NAMES,
    **{f"{a} - {b}": f"{_NAMES[a]}, minus {_NAMES[b]}" for a, b in GAINS},
    "image_regression - report_label": "image-supervised, regression, minus report label",
    "image_threshold - report_label": "image-supervised, thresholds, minus report label",
    "report_label": "report label",
    "text_student": "student that reads text",
    "label_student": "student that reads labels",
    "text_student_exchanged": "student that reads text, exchanged pairs",
    "text_student - label_student": "text minus labels",
    "text_student_exchanged - chance": "exchanged pairs, minus 0.5",
    "always_positive": "always positive",
    "size": "expert labels",
    "fitting_labels": "fitting labels",
    "teacher": "image model",
    "teacher_auroc": "AUROC of the image model",
}
"""Keys of the study's tables to what the page says for them."""

SOURCES: Mapping[str, str] = {
    "published": "published, MIMIC-CXR",
    "published_other": "published, CheXpert",
    "printed": "published",
}
"""Whose numbers stand beside each other."""


def scores_table(
    scores: Mapping[tuple[str, str, str], Estimate], methods: Sequence[str]
) -> pd.DataFrame:
    """Tabulate methods or differences by finding and metric, in this order of methods."""
    rows = [
        {"method": method, "observation": name, "metric": metric} | estimate.row()
        for wanted in methods
        for (method, name, metric), estimate in scores.items()
        if method == wanted and name != "Weighted Average"
    ]
    return pd.DataFrame(rows).sort_values("metric", kind="stable")


def gains_table(scores: Mapping[tuple[str, str, str], Estimate]) -> pd.DataFrame:
    """Tabulate all differences of `GAINS`."""
    return scores_table(scores, [f"{first} - {second}" for first, second in GAINS])


def beside_floor(scores: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Put the exact F1 of calling every study positive before the scores."""
    prevalence = truth.mean()
    floor = 2 * prevalence / (1 + prevalence)
    floor[MACRO_AVERAGE] = floor.mean()
    floor = floor.rename("estimate").rename_axis("observation").reset_index()
    return pd.concat([floor.assign(metric="f1", method="always_positive"), scores])


def published_beside(scores: Mapping[tuple[str, str, str], Estimate]) -> pd.DataFrame:
    """Put F1 of the paper's Tables 4 and 5 beside what was measured, on the findings of both."""
    table4, table5 = (
        published_table("visualchexbert", name).values for name in ("table4", "table5")
    )
    printed = table4.join(table5)
    pairs = {
        "zero_one": {"printed": "zero_one"},
        "logreg": {"printed": "logreg"},
        "image_threshold": {
            "published": "thresholding_mimic", "published_other": "thresholding_chexpert",
        },
        "image_regression": {"published": "logreg_mimic", "published_other": "logreg_chexpert"},
    }  # fmt: skip
    findings = [name for _, name, _ in scores if name in printed.index[:8]]
    findings = list(dict.fromkeys(findings))
    rows = []
    for method, columns in pairs.items():
        for name in (*findings, MACRO_AVERAGE):
            cells = printed.loc[findings if name == MACRO_AVERAGE else [name]]
            for source, column in columns.items():
                value = cells[column].mean()
                limits = dict.fromkeys(("low", "high"), np.nan)
                rows.append(_cell(method, name, source) | {"estimate": value} | limits)
            rows.append(_cell(method, name, "measured") | scores[method, name, "f1"].row())
    return pd.DataFrame(rows)


def gains_beside(scores: Mapping[tuple[str, str, str], Estimate]) -> pd.DataFrame:
    """Put Table 6's gains over Zero-One beside those of the first of `GAINS`."""
    printed = published_table("visualchexbert", "table6_over_zero_one").values
    method = " - ".join(GAINS[0])
    findings = [n for m, n, metric in scores if m == method and metric == "f1"]
    rows = []
    for name in findings:
        if name != MACRO_AVERAGE:
            low, high = printed.loc[name, ["low", "high"]]
            cell = {"estimate": printed.loc[name, "difference"], "low": low, "high": high}
            rows.append(_cell(method, name, "printed") | cell)
        rows.append(_cell(method, name, "measured") | scores[method, name, "f1"].row())
    return pd.DataFrame(rows)


def _cell(method: str, observation: str, source: str) -> dict[str, str]:
    return {"method": method, "observation": observation, "source": source}


def answer_in_words(
    scores: Mapping[tuple[str, str, str], Estimate],
    ahead: pd.DataFrame,
    worth: pd.Series,
    most: int,
) -> str:
    """Say what an image model's supervision gains, and how many expert labels it stands for."""

    def row(method: str, metric: str = "f1") -> pd.Series:
        return pd.Series(scores[method, MACRO_AVERAGE, metric].row())

    over_zero_one, over_experts = (row(" - ".join(gain)) for gain in GAINS[:2])
    in_kappa = row(" - ".join(GAINS[0]), "kappa")
    answer = by_side(
        over_zero_one.low,
        over_zero_one.high,
        above="Yes" if in_kappa.low > 0 else "Not settled",
        below="No, worse",
        open="Not shown",
    )
    few = ahead.set_index(["method", "size"]).loc[(worth["method"], worth["size"])]
    pays = by_side(
        few.low,
        few.high,
        above="With few labels it pays",
        below="With few labels it costs",
        open="With few labels it is not shown to pay",
    )
    needed, low, high = (labels_in_words(worth[name], most) for name in LIMITS)
    return (
        f"{answer}: regression on its outputs has a mean F1 of "
        f"{row('image_regression').estimate:.3f} against experts and Zero-One "
        f"{row('zero_one').estimate:.3f}, a gain of {in_sentence(over_zero_one, sign='+')} in F1 "
        f"and of {in_sentence(in_kappa, sign='+', level='')} in kappa. Over a regression that "
        f"experts supervise it gains {in_sentence(over_experts, sign='+', level='')}. {pays}: "
        f"thresholds set with {worth['size']} expert labels do as well as experts' "
        f"supervision with {needed} ({low} to {high})."
    )


def labels_in_words(number: float, most: int) -> str:
    """Write a number of labels, or that it is beyond what was tried.

    >>> labels_in_words(132.4, 400), labels_in_words(float("inf"), 400)
    ('132', 'more than 400')
    """
    return f"{number:.0f}" if np.isfinite(number) else f"more than {most}"


def averages_in_words(table: pd.DataFrame) -> str:
    """List the mean F1 of each method, for who does not see the figure."""
    part = table[(table["observation"] == MACRO_AVERAGE) & (table["metric"] == "f1")]
    return "; ".join(f"{WORDS[row.method]} {row.estimate:.3f}" for row in part.itertuples())
