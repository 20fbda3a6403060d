"""Differences of scores that decide claims, recorded and tabulated in one way."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cxrstudy import claims
from cxrstudy.agreement.result import LIMITS
from cxrstudy.experiments.scoring import PLACES, POOLED, WITHIN_VIEW, LabelScores

CONDITIONAL = (
    "Conditional on the trained models: patients and seeds are resampled, training is not repeated."
)


@dataclass(frozen=True, eq=False)
class Contrast:
    """One difference of scores, and the claim that it decides."""

    claim: str
    name: str  # what is subtracted from what, in words that hold for this run
    scores: LabelScores
    terms: tuple[tuple[float, str, str], ...]  # of `combine`; above 0 if it goes the claim's way
    data: str  # which images, in words
    seeds: int | None = None  # independent trainings, where there are any
    # Whether the run has what the claim is about, such as its run lengths. If not, the difference
    # is shown and the claim is left alone.
    decides: bool = True
    alternatives: Sequence[LabelScores] = ()  # the same methods under another weighting

    def row(self, where: str) -> dict[str, float]:
        """Return the difference within view or pooled, with its 95 % interval."""
        return self.scores.combine(*self.terms, where=where).row()

    def is_policy_dependent(self) -> bool:
        """Whether pooling or another weighting shows a significant difference of opposite sign."""
        primary = self.row(WITHIN_VIEW)["estimate"]
        others = [
            other.combine(*self.terms, where=where).row()
            for other in (self.scores, *self.alternatives)
            for where in (WITHIN_VIEW, POOLED)
        ]
        return any(row["low"] * row["high"] > 0 and row["estimate"] * primary < 0 for row in others)


def record_contrasts(results: str, contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """Record the differences within view for their claims, and tabulate all of them.

    Parameters
    ----------
    results : str
        The study's result folder.
    contrasts : sequence of Contrast

    Returns
    -------
    DataFrame
        Tidy: columns difference, images (within view, pooled), estimate, low, high, n.
    """
    for contrast in contrasts:
        if contrast.decides:
            pooled = contrast.row(POOLED)
            interval = f"{pooled['low']:+.3f} to {pooled['high']:+.3f}"
            claims.record(
                results,
                contrast.claim,
                contrast.scores.combine(*contrast.terms),
                data=contrast.data,
                n=contrast.scores.n_scored,
                seeds=contrast.seeds,
                policy_dependent=contrast.is_policy_dependent(),
                detail=f"Pooled over views {pooled['estimate']:+.3f} ({interval}). {CONDITIONAL}",
            )
    rows = [
        {"difference": contrast.name, "images": PLACES[where]} | contrast.row(where)
        for contrast in contrasts
        for where in (WITHIN_VIEW, POOLED)
    ]
    return pd.DataFrame(rows, columns=["difference", "images", *LIMITS, "n"])
