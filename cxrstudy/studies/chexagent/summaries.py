"""Impressions that a model writes from findings, scored by what a labeler reads in them."""

from collections.abc import Sequence

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Resampling, agree
from cxrstudy.labeler import label_reports
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import as_texts
from cxrstudy.observations import POSITIVE
from cxrstudy.studies.chexagent.arms import FULL, OPEN
from cxrstudy.studies.chexagent.scores import over_seeds
from cxrstudy.studies.chexagent.texts import split_sentences
from cxrstudy.trainings.job import Kept

MICRO = "micro average"
ALWAYS_NORMAL = "always normal"
_NORMAL = "Normal chest."


def summary_scores(
    items: Sequence[Item], trainings: Sequence[Kept], resampling: Resampling
) -> pd.DataFrame:
    """Score written impressions by the labels that they share with the author's own impression.

    Parameters
    ----------
    items : sequence of Item
        Open questions: the findings as context, the author's impression as answer.
    trainings : sequence of Kept
        By seed.
    resampling : Resampling
        Of reports.

    Returns
    -------
    DataFrame
        Columns method, observation and the estimate's. Methods are the model and three that read
        nothing: all findings copied, their first sentence, and one text for all, in which the
        labeler reads No Finding, as in any text that names no finding. F1 of positive labels, over
        all cells at once, and as a mean over the observations with ten or more positives and
        negatives, which it names; NaN without any.
    """
    findings = [item.context for item in items]
    written = {
        f"{FULL}/{seed}": as_texts(kept.arrays[f"said.{FULL}.{OPEN}"])
        for seed, kept in enumerate(trainings)
    }
    written["copied findings/0"] = findings
    written["first sentence/0"] = [(split_sentences(text) or [text])[0] for text in findings]
    written[f"{ALWAYS_NORMAL}/0"] = [_NORMAL] * len(items)
    truth = _positives([item.answer for item in items])
    labels = {name: _positives(texts) for name, texts in written.items()}
    options = {"metrics": ("f1",), "resampling": resampling}
    by_finding = agree(truth, labels, **options)
    cells = pd.Series(range(len(items))).repeat(truth.shape[1])
    micro = agree(
        _stacked(truth),
        {name: _stacked(table) for name, table in labels.items()},
        metrics=("f1",),
        resampling=resampling.of(clusters=cells.to_numpy()),
    )
    # Every method has the same truth, so that the same are too few.
    few = {observation for _, observation in by_finding.too_few}
    averaged = ", ".join(name for name in truth if name not in few) or "no observation"
    rows = []
    for method in (FULL, "copied findings", "first sentence", ALWAYS_NORMAL):
        names = [name for name in written if name.startswith(f"{method}/")]
        for scores, key, called in (
            (by_finding, MACRO_AVERAGE, f"mean of {averaged}"),
            (micro, MICRO, MICRO),
        ):
            by_seed = [scores.estimate(name, key, "f1") for name in names]
            mean = over_seeds(by_seed, resampling.seed)
            rows.append({"method": method, "observation": called} | mean.row())
    return pd.DataFrame(rows)


def _positives(texts: Sequence[str]) -> pd.DataFrame:
    return (label_reports(list(texts)) == POSITIVE).astype(float)


def _stacked(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({MICRO: table.to_numpy().ravel()})
