"""Differences of scores that decide claims, recorded and tabulated in one way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.experiments.label_scores import POOLED, LabelScores, Term
from cxrstudy.experiments.opacity_scores import WITHIN_VIEW


@dataclass(frozen=True, eq=False)
class Contrast:
    """One difference of scores, and the claim that it decides."""

    claim: str
    name: str  # what is subtracted from what, in words that hold for this run
    scores: LabelScores
    terms: tuple[Term, ...]  # of `combine`; above 0 if it goes the claim's way
    data: str  # which images, in words
    seeds: int | None = None  # independent trainings, where there are any
    decides: bool = True  # whether the run has what the claim is about, such as its run lengths
    alternatives: Sequence[LabelScores] = ()  # the same methods under another weighting

    def estimate(self, place: str = WITHIN_VIEW) -> Estimate:
        """Estimate the difference within view or pooled."""
        return self.scores.combine(*self.terms, place=place)

    def is_policy_dependent(self) -> bool:
        """Whether pooling or another weighting shows a significant difference of opposite sign."""
        primary = self.estimate().value
        others = [
            other.combine(*self.terms, place=place).row()
            for other in (self.scores, *self.alternatives)
            for place in (WITHIN_VIEW, POOLED)
        ]
        return any(row["low"] * row["high"] > 0 and row["estimate"] * primary < 0 for row in others)


def record_contrasts(record: Callable, results: str, contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """Record the differences within view for their claims, and tabulate all of them.

    Parameters
    ----------
    record : callable
        `cxrstudy.claims.record`, which modules of experiments do not know.
    results : str
        The study's result folder.
    contrasts : sequence of Contrast

    Returns
    -------
    DataFrame
        Columns difference, place (``"Average"`` for within view, ``"pooled"``) and the estimate's.
    """
    for contrast in contrasts:
        if contrast.decides:
            estimate, pooled = contrast.estimate(), contrast.estimate(POOLED)
            record(
                results,
                contrast.claim,
                estimate,
                data=contrast.data,
                n=estimate.n,
                seeds=contrast.seeds,
                policy_dependent=contrast.is_policy_dependent(),
                detail=f"Pooled over views {pooled.in_words()}.",
                conditional=True,
            )
    rows = [
        {"difference": contrast.name, "place": place} | contrast.estimate(place).row()
        for contrast in contrasts
        for place in (WITHIN_VIEW, POOLED)
    ]
    return pd.DataFrame(rows, columns=["difference", "place", *LIMITS, "n"])
