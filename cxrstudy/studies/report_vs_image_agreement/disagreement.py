"""Who disagrees with whom, how often, and which of VisualCheXbert's reasons can be measured.

References
----------
Jain et al. 2021, Table 3 and section 4.2.2.
"""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Agreement, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, derive
from cxrstudy.experiments.label_conventions import closing_contrast, scored_parents
from cxrstudy.experiments.readers import READER, compare_with_peers
from cxrstudy.observations import (
    NEGATIVE,
    POSITIVE,
    UNCERTAIN,
    apply_uncertainty_policy,
    close_upward,
)
from cxrstudy.words import in_sentence

WORDS: Mapping[str, str] = {
    "all together": "all that is missing",
    "noise of the labeling task": "one reader misses",
    "beyond one reader's noise": "missing beyond one reader",
}
_HIERARCHY = "label hierarchy"
_NOISE = "noise of the labeling task"
_BEYOND = "beyond one reader's noise"


def disagreement_counts(truth: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count the studies on which report and image label differ, as VisualCheXbert's Table 3 does.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Image labels 1 and 0.
    labels : DataFrame, same shape
        Report codes 1, 0, -1 and NaN; a blank counts as negative, an uncertain label as neither
        (which follows from the paper's Table 1).

    Returns
    -------
    DataFrame of int
        Indexed by observation: image_positive_report_negative, image_negative_report_positive,
        uncertain_image_positive, uncertain_image_negative.

    Examples
    --------
    >>> truth = pd.DataFrame({"Edema": [1, 1, 1, 1, 0, 0, 0, 0]})
    >>> labels = pd.DataFrame({"Edema": [1, 0, -1, None, 1, 0, -1, None]})
    >>> disagreement_counts(truth, labels).loc["Edema"].tolist()
    [2, 1, 1, 1]
    """
    labels = labels[truth.columns]
    present, absent = truth == POSITIVE, truth == NEGATIVE
    denied = labels.isna() | (labels == NEGATIVE)
    return pd.DataFrame(
        {
            "image_positive_report_negative": (present & denied).sum(),
            "image_negative_report_positive": (absent & (labels == POSITIVE)).sum(),
            "uncertain_image_positive": (present & (labels == UNCERTAIN)).sum(),
            "uncertain_image_negative": (absent & (labels == UNCERTAIN)).sum(),
        }
    ).rename_axis("observation")


def gain_over_all_in_words(effect: Agreement, truth: pd.DataFrame) -> str:
    """Say what the gain of the parents, uncertain as 0, is as a mean over all observations."""
    parents = effect.estimate(closing_contrast("zeros"), MACRO_AVERAGE, "f1")
    share = len(scored_parents(truth)) / truth.shape[1]
    over_all = derive(lambda gain: share * gain, parents)
    return (
        f"Over all {truth.shape[1]} findings, of which the others gain nothing: "
        f"{over_all.in_words()}."
    )


def published_reasons(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    readers: Mapping[str, pd.DataFrame],
    resampling: Resampling,
) -> pd.DataFrame:
    """Put a size on each of the four reasons that label tables can measure, in mean F1.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_scored)
        Image labels 1 and 0.
    labels : DataFrame, shape (n_studies, n_observations)
        Report codes 1, 0, -1 and NaN; uncertain labels count as negative.
    readers : mapping of str to DataFrame
        Labels 1 and 0 of an even number of readers of the same images; may be empty.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns reason, quantity, estimate, low, high (empty where not measured), and needs: the
        data that a measurement would take. The first row is the whole shortfall. The rows do
        not add up: each reason is measured by itself.
    """
    given, gain = _given_and_closing_gain(truth, labels, resampling)
    rows = [
        _row("all together", "1 - F1 of the report labels", 1 - given),
        _row(_HIERARCHY, "F1 gained by closing labels upward", gain)
        if scored_parents(truth)
        else _row(_HIERARCHY, needs="a scored observation that is a parent of another"),
        _row("access to clinical history", needs="the same images read with and without history"),
        _row("impression only", needs="labels of findings and impression of the same reports"),
        *_noise_rows(truth, labels, readers, resampling),
    ]
    return pd.DataFrame(rows, columns=["reason", "quantity", *LIMITS, "needs"])


def answer_in_words(reasons: pd.DataFrame, n_observations: int) -> str:
    """Say how far report and image labels agree, and what the published reasons are worth."""
    sizes = reasons.dropna(subset=["estimate"]).set_index("reason")
    value = sizes["estimate"]
    missing = value["all together"]
    answer = f"To a mean F1 of {1 - missing:.3f} over {n_observations} findings"
    answer += f": {missing:.3f} is missing."
    if _BEYOND in value:
        beyond = sizes.loc[_BEYOND]
        answer += f" One radiologist who reads the same images misses {value[_NOISE]:.3f}; "
        if beyond["low"] > 0:
            answer += f"beyond that report labels lack {in_sentence(beyond)}."
        else:
            answer += f"that they lack more is not shown: {in_sentence(beyond, sign='+')}."
    if _HIERARCHY in value:
        answer += f" The convention of leaving parents blank costs {value[_HIERARCHY]:.3f}."
    return answer


def _given_and_closing_gain(truth, labels, resampling) -> tuple[Estimate, Estimate]:
    tables = {"as given": labels, "closed": close_upward(labels)}
    scores = agree(
        truth,
        {
            name: apply_uncertainty_policy(table[truth.columns], "zeros")
            for name, table in tables.items()
        },
        metrics=("f1",),
        contrasts=[("closed", "as given")],
        resampling=resampling,
    )
    return tuple(
        scores.estimate(name, MACRO_AVERAGE, "f1") for name in ("as given", "closed - as given")
    )


def _noise_rows(truth, labels, readers, resampling) -> list[dict]:
    if not readers:
        return [_row(_NOISE, needs="labels of several readers of the same images")]
    observations = list(truth)
    scores = compare_with_peers(
        {name: table.loc[truth.index, observations] for name, table in readers.items()},
        {"labeler": apply_uncertainty_policy(labels[observations], "zeros")},
        resampling=resampling,
    )
    reader = scores.estimate(READER, MACRO_AVERAGE, "f1")
    beyond = scores.estimate(f"{READER} - labeler", MACRO_AVERAGE, "f1")
    difference = "F1 of an image reader minus F1 of the report labels"
    return [
        _row(_NOISE, "1 - F1 of one image reader against the others", 1 - reader),
        _row(_BEYOND, difference, beyond),
    ]


def _row(
    reason: str,
    quantity: str = "not measurable here",
    estimate: Estimate | None = None,
    needs: str = "",
) -> dict:
    limits = dict.fromkeys(LIMITS, float("nan")) if estimate is None else estimate.row()
    return {"reason": reason, "quantity": quantity, "needs": needs} | limits
