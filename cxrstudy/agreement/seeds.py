"""Trainings that differ only in their seed: averaged, and resampled with the cases."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .result import Estimate


def average_over_seeds(estimates: Sequence[Estimate], seed: int = 0) -> Estimate:
    """Average trainings that differ only in their seed; seeds are resampled with the cases.

    Parameters
    ----------
    estimates : sequence of Estimate
        Of one statistic, from the same resamples of cases.
    seed : int
        Of the resampling of seeds.

    Returns
    -------
    Estimate
        Use its percentile interval: leaving a case out says nothing of the seeds' spread.
    """
    replicates = np.stack([estimate.replicates for estimate in estimates])
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(estimates), size=replicates.shape)
    resampled = np.take_along_axis(replicates, drawn, axis=0).mean(axis=0)
    return replace(
        estimates[0],
        value=float(np.mean([estimate.value for estimate in estimates])),
        replicates=resampled,
        jackknife=np.mean([estimate.jackknife for estimate in estimates], axis=0),
        undefined=int(np.isnan(resampled).sum()),
        resample_key=None,
    )


def estimate_row(estimate: Estimate) -> dict[str, float]:
    """Write an estimate and its percentile interval as columns of a tidy table."""
    low, high = estimate.interval(method="percentile")
    return {"estimate": estimate.value, "low": low, "high": high}
