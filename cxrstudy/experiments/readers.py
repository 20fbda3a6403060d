"""How well readers of the same images agree with each other, beside a report labeler.

A reader who helped to make the truth agrees with it too well. So each reader is compared with the
majority of the others, and the labeler with the same majorities.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import (
    LIMITS,
    MACRO_AVERAGE,
    Agreement,
    Estimate,
    mean_estimate,
)

READER = "image reader"
"""Method that stands for the mean over all readers, each against the others."""

MINIMUM_EVENTS = 10


def majority(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Label each study as most of an odd number of readers do.

    Parameters
    ----------
    readers : mapping of str to DataFrame, each of shape (n_studies, n_observations)
        Labels 1 and 0 on the same studies and observations.

    Returns
    -------
    DataFrame of float

    Raises
    ------
    ValueError
        If the number of readers is even, so that ties could occur, or a label is missing.
    """
    if len(readers) % 2 == 0:
        raise ValueError(f"a majority of {len(readers)} readers can tie; give an odd number")
    first = next(iter(readers.values()))
    return (_votes(readers) > len(readers) / 2).astype(float).set_axis(first.columns, axis=1)


def compare_with_peers(
    readers: Mapping[str, pd.DataFrame],
    others: Mapping[str, pd.DataFrame],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Agreement:
    """Compare each reader, and others such as a labeler, with the majority of the other readers.

    Parameters
    ----------
    readers : mapping of str to DataFrame, each of shape (n_studies, n_observations)
        Labels 1 and 0 of an even number of readers, so that the others cannot tie.
    others : mapping of str to DataFrame
        Labels 1 and 0 to compare with the same majorities.
    resampling : Resampling

    Returns
    -------
    Agreement
        F1 and kappa. Methods are each reader, `READER` (their mean), each of `others` (mean over
        all majorities), and `READER` minus each of `others`. An observation with fewer than
        `MINIMUM_EVENTS` positives or negatives in some majority is flagged and leaves every
        average.
    """
    truths = {
        name: majority({peer: table for peer, table in readers.items() if peer != name})
        for name in readers
    }
    judged = _judged_everywhere(truths)
    by_reader = {
        name: agree(
            truth,
            {READER: readers[name], **others},
            averages_over=judged,
            resampling=resampling,
        ).estimates
        for name, truth in truths.items()
    }
    single = {
        (name, *key[1:]): estimate
        for name, estimates in by_reader.items()
        for key, estimate in estimates.items()
        if key[0] == READER
    }
    keys = next(iter(by_reader.values()))
    means = {key: mean_estimate([part[key] for part in by_reader.values()]) for key in keys}
    rare = [name for name in next(iter(truths.values())) if name not in judged]
    return Agreement(
        estimates=single | means,
        contrasts=tuple((READER, other) for other in others),
        too_few=frozenset((m, name) for m in [READER, *readers, *others] for name in rare),
    )


def fleiss_kappas(
    readers: Mapping[str, pd.DataFrame], resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Agreement of all readers with each other beyond chance, for each observation.

    Parameters
    ----------
    readers : mapping of str to DataFrame, each of shape (n_studies, n_observations)
        Labels 1 and 0.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns observation, estimate, low, high (BCa), positives (mean over readers), undefined
        (replicates) and too_few; the last row is the mean over the observations with enough
        positives and negatives.

    References
    ----------
    Fleiss 1971, "Measuring nominal scale agreement among many raters".
    """
    votes = _votes(readers)
    n, n_readers = len(votes), len(readers)
    counts = votes.to_numpy(np.float64)
    drawn = fleiss_kappa(counts, n_readers, resampling.drawn_rows(n))
    value = fleiss_kappa(counts, n_readers, np.ones((1, n)))[0]
    left_out = fleiss_kappa(counts, n_readers, 1 - np.eye(n))
    positives = votes.sum() / n_readers
    estimates = {
        name: Estimate(
            value=float(value[j]),
            replicates=drawn[:, j],
            jackknife=left_out[:, j],
            n=n,
            positives=round(positives[name]),
            resample_key=("fleiss", n, resampling.replicates, resampling.seed),
        )
        for j, name in enumerate(votes)
    }
    few = np.minimum(positives, n - positives) < MINIMUM_EVENTS
    kept = [estimates[name] for name in votes if not few[name]]
    if kept:
        estimates[MACRO_AVERAGE] = mean_estimate(kept)
    rows = [
        {"observation": name, "undefined": estimate.undefined, "too_few": bool(few.get(name))}
        | estimate.row()
        for name, estimate in estimates.items()
    ]
    names = ["observation", *LIMITS, "positives", "undefined", "too_few"]
    return pd.DataFrame(rows, columns=names)


def fleiss_kappa(votes: NDArray, n_readers: int, weights: NDArray) -> NDArray[np.float64]:
    """Fleiss' kappa from the number of readers who say yes, shape (n_studies, n_observations).

    Each row of ``weights``, shape (n_weightings, n_studies), gives a row of values; NaN where all
    readers give the same answer to every study.
    """
    weights = np.asarray(weights, np.float64)
    pairs = n_readers * (n_readers - 1)
    same = (votes * (votes - 1) + (n_readers - votes) * (n_readers - votes - 1)) / pairs
    total = weights.sum(axis=1, keepdims=True)
    observed = weights @ same / total
    yes = weights @ votes / (total * n_readers)
    by_chance = yes**2 + (1 - yes) ** 2
    constant = (yes <= 0) | (yes >= 1)
    return np.where(
        constant, np.nan, (observed - by_chance) / np.where(constant, 1.0, 1 - by_chance)
    )


def operating_points(
    truth: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Rates at which labels are positive where the truth is negative (fpr) and positive (tpr).

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Labels 1 and 0.
    predictions : mapping of str to DataFrame
        Labels 1 and 0 of each source.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns source, rate ("fpr" or "tpr"), observation, estimate, low, high, n, positives.
    """
    found = agree(
        truth,
        predictions,
        metrics=("specificity", "recall"),
        resampling=resampling,
        min_events=0,
    )
    rows = []
    for source in predictions:
        for observation in truth:
            rates = {
                "fpr": 1 - found.estimate(source, observation, "specificity"),
                "tpr": found.estimate(source, observation, "recall"),
            }
            rows += [
                {"source": source, "rate": rate, "observation": observation} | estimate.row()
                for rate, estimate in rates.items()
            ]
    return pd.DataFrame(rows)


def points_as_printed(points: pd.DataFrame) -> pd.DataFrame:
    """Lay `operating_points` out as CheXpert's Figure 3: ``"source rate"`` by observation."""
    rows = points["source"] + " " + points["rate"]
    named = points.assign(row=rows)
    return named.pivot_table("estimate", index="row", columns="observation")


def _votes(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count the readers who answer yes."""
    tables = list(readers.values())
    first = tables[0]
    for name, table in readers.items():
        if not (table.index.equals(first.index) and table.columns.equals(first.columns)):
            raise ValueError(f"reader {name!r} has other studies or observations than the first")
        if not table.isin([0, 1]).all(axis=None):
            raise ValueError(f"reader {name!r} must answer 1 or 0 for every study")
    return sum(tables[1:], start=tables[0].astype(float))


def _judged_everywhere(truths: Mapping[str, pd.DataFrame]) -> list[str]:
    """List the observations with enough positives and negatives in every truth."""
    events = [np.minimum(truth.sum(), len(truth) - truth.sum()) for truth in truths.values()]
    fewest = pd.concat(events, axis=1).min(axis=1)
    return fewest.index[fewest >= MINIMUM_EVENTS].tolist()
