"""Draws in which every text is right as often as elsewhere it is wrong."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cxrstudy.observations.definitions import ancestors
from cxrstudy.studies.chexagent.texts import NO_FINDING


def drawn(captions: pd.DataFrame, n: int, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Draw n captions, of no label set more than a share of n."""
    shuffled = captions.sample(frac=1, random_state=rng)
    return shuffled.groupby("label_set").head(max(int(n * share), 1)).head(n)


def exchanged(
    pairs: pd.DataFrame, times: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, list[NDArray[np.intp]]]:
    """Send every sentence to other images, for which it is wrong; each image gets one at a time.

    No two sentences of one image, its own among them, may both hold for some image: otherwise the
    more special one could never be the wrong answer beside the other. Pairs for which there is no
    place are left out; returned are the others, and for each time the row of the image to which
    each row's sentence goes.
    """
    while len(pairs):
        codes, names = pd.factorize(pairs["label_set"])
        fit = np.array([[unlike(one, other) for other in names] for one in names], dtype=bool)
        allowed = fit[np.ix_(codes, codes)]
        images, placed = [], np.ones(len(pairs), dtype=bool)
        for _ in range(times):
            image, in_place = assigned(allowed, rng)
            images.append(image)
            placed &= in_place
            got = codes[np.argsort(image)]
            allowed = allowed & fit[np.ix_(codes, got)]
        if placed.all():
            return pairs, images
        # Half of those without a place: the others may find one, now that there is more room.
        unplaced = rng.permutation(np.flatnonzero(~placed))
        pairs = pairs.drop(pairs.index[unplaced[: (len(unplaced) + 1) // 2]])
    return pairs, [np.array([], dtype=np.intp)] * times


def assigned(
    allowed: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Draw a permutation of allowed places, as far as there is one; mark the rows it suits."""
    cost = rng.random(allowed.shape) + len(allowed) * ~allowed
    _, places = linear_sum_assignment(cost)
    return places, allowed[np.arange(len(places)), places]


def unlike(one: str, other: str) -> bool:
    """Say whether neither label set holds where the other is the truth.

    A set holds where all its findings are there, themselves or under a more special name.

    >>> unlike("Edema", "Pneumonia"), unlike("Edema", "Edema, Pneumonia")
    (True, False)
    >>> unlike("Lung Opacity", "Pneumonia"), unlike("No Finding", "Edema")
    (False, True)
    """
    if NO_FINDING in (one, other):
        return one != other
    return not (_holds(one, other) or _holds(other, one))


def even_shares(room: Sequence[int], total: int) -> list[int]:
    """Share out a total as evenly as there is room.

    >>> even_shares([1, 9, 9], 7)
    [1, 3, 3]
    """
    shares = [0] * len(room)
    for place in _turns(room):
        if sum(shares) >= total:
            break
        shares[place] += 1
    return shares


def _holds(said: str, truth: str) -> bool:
    own = set(truth.split(", "))
    return set(said.split(", ")) <= own.union(*map(ancestors, own))


def _turns(room: Sequence[int]) -> Iterator[int]:
    for turn in range(max(room, default=0)):
        yield from (place for place, most in enumerate(room) if most > turn)
