"""Estimates derived from others on the same resamples: means, and any function of several."""

from collections.abc import Callable, Sequence

import numpy as np

from .result import Estimate


def derive(function: Callable[..., np.ndarray], *estimates: Estimate) -> Estimate:
    """Apply a function to estimates, replicate by replicate.

    A quantity that mixes several statistics keeps the right interval only if all of them are
    recomputed within each resample; this does just that.

    Parameters
    ----------
    function : callable
        Takes as many arrays of one shape as there are estimates; returns one of that shape.
    *estimates : Estimate
        From the same resamples.

    Returns
    -------
    Estimate
        With the ``n`` and ``positives`` of the smallest sample among them.

    Raises
    ------
    ValueError
        If the estimates do not stem from the same resamples.
    """
    first = estimates[0]
    keys = {estimate.resample_key for estimate in estimates}
    if None in keys or len(keys) > 1:
        raise ValueError(
            "derive needs estimates from the same rows, clusters, strata, n_bootstrap and seed"
        )
    replicates = function(*(estimate.replicates for estimate in estimates))
    return Estimate(
        value=float(function(*(np.float64(estimate.value) for estimate in estimates))),
        replicates=replicates,
        jackknife=function(*(estimate.jackknife for estimate in estimates)),
        undefined=int(np.isnan(replicates).sum()),
        n=min(estimate.n for estimate in estimates),
        positives=min(estimate.positives for estimate in estimates),
        resample_key=first.resample_key,
        stratum_sizes=first.stratum_sizes,
        undefined_as=first.undefined_as,
    )


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Average estimates of the same resamples.

    Parameters
    ----------
    estimates : sequence of Estimate

    Returns
    -------
    Estimate
    """
    return derive(lambda *values: sum(values) / len(values), *estimates)
