"""VisualCheXbert's four reasons why report and image labels differ, as far as tables measure them.

References
----------
Jain et al. 2021, section 4.2.2.
"""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS, MACRO_AVERAGE, Estimate
from cxrstudy.experiments.readers import READER, compare_with_peers
from cxrstudy.observations import apply_uncertainty_policy, close_upward
from cxrstudy.studies.report_vs_image_agreement.hierarchy import scored_parents

POLICY = "zeros"


def published_reasons(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    readers: Mapping[str, pd.DataFrame],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Put a size on each reason that tables of labels can measure, in mean F1 over `truth`.

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
    given, gain = _shortfall_and_closing_gain(truth, labels, resampling)
    rows = [
        _row("all together", "1 - F1 of the report labels", 1 - given),
        _hierarchy_row(truth, gain),
        _row("access to clinical history", needs="the same images read with and without history"),
        _row("impression only", needs="labels of findings and impression of the same reports"),
        *_noise_rows(truth, labels, readers, resampling),
    ]
    return pd.DataFrame(rows, columns=["reason", "quantity", *LIMITS, "needs"])


def _hierarchy_row(truth: pd.DataFrame, gain: Estimate) -> dict:
    if not scored_parents(truth):
        return _row("label hierarchy", needs="a scored observation that is a parent of another")
    return _row("label hierarchy", "F1 gained by closing labels upward", gain)


def _shortfall_and_closing_gain(truth, labels, resampling) -> tuple[Estimate, Estimate]:
    tables = {"as given": labels, "closed": close_upward(labels)}
    scores = agree(
        truth,
        {
            name: apply_uncertainty_policy(table[truth.columns], POLICY)
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
    reason = "noise of the labeling task"
    if not readers:
        return [_row(reason, needs="labels of several readers of the same images")]
    observations = list(truth.columns)
    policy = apply_uncertainty_policy(labels[observations], POLICY)
    scores = compare_with_peers(
        {name: table.loc[truth.index, observations] for name, table in readers.items()},
        {"labeler": policy},
        resampling=resampling,
    )
    reader = scores.estimate(READER, MACRO_AVERAGE, "f1")
    beyond = scores.estimate(f"{READER} - labeler", MACRO_AVERAGE, "f1")
    return [
        _row(reason, "1 - F1 of one image reader against the others", 1 - reader),
        _row(
            "beyond one reader's noise",
            "F1 of an image reader minus F1 of the report labels",
            beyond,
        ),
    ]


def _row(
    reason: str,
    quantity: str = "not measurable here",
    estimate: Estimate | None = None,
    *,
    needs: str = "",
) -> dict:
    limits = dict.fromkeys(LIMITS, float("nan")) if estimate is None else estimate.row()
    return {"reason": reason, "quantity": quantity, "needs": needs} | limits
