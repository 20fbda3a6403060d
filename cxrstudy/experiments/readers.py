"""How well each reader of the same images agrees with the other readers, beside a report labeler.

A reader who helped to make the truth agrees with it too well. So each reader is compared with the
majority of the others, and the labeler with the same majorities.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, Agreement, Resampling, agree
from cxrstudy.agreement.result import mean_estimate

READER = "image reader"
"""Method that stands for the mean over all readers, each against the others."""

MINIMUM_EVENTS = 10


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
            truth, {READER: readers[name], **others}, averages_over=judged, resampling=resampling
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


def majority(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Label each study as most of an odd number of readers do.

    >>> answers = {"a": [1, 1, 0], "b": [1, 0, 0], "c": [0, 1, 0]}
    >>> majority({name: pd.DataFrame({"Edema": column}) for name, column in answers.items()})
       Edema
    0    1.0
    1    1.0
    2    0.0
    """
    if len(readers) % 2 == 0:
        raise ValueError(f"a majority of {len(readers)} readers can tie; give an odd number")
    return (count_votes(readers) > len(readers) / 2).astype(float)


def count_votes(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count the readers who answer yes."""
    tables = list(readers.values())
    first = tables[0]
    for name, table in readers.items():
        if not (table.index.equals(first.index) and table.columns.equals(first.columns)):
            raise ValueError(f"reader {name!r} has other studies or observations than the first")
        if not table.isin([0, 1]).all(axis=None):
            raise ValueError(f"reader {name!r} must answer 1 or 0 for every study")
    return sum(tables[1:], start=first.astype(float))


def _judged_everywhere(truths: Mapping[str, pd.DataFrame]) -> list[str]:
    """List the observations with enough positives and negatives in every truth."""
    events = [np.minimum(truth.sum(), len(truth) - truth.sum()) for truth in truths.values()]
    fewest = pd.concat(events, axis=1).min(axis=1)
    return fewest.index[fewest >= MINIMUM_EVENTS].tolist()
