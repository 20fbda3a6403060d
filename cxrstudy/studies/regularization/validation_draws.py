"""Repeated draws of a few expert images, as a team would have them, and the test beside them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES
from cxrstudy.experiments.image_labels import EXPERTS, training_labels


@dataclass(frozen=True, eq=False)
class Draws:
    """Repeated draws of expert images from one half of the patients; the rest is for testing.

    Attributes
    ----------
    half : ndarray of int64, shape (n_draws,)
        The half of each draw; models train on the other one.
    validation : ndarray of int64, shape (n_draws, n_validation)
        Rows of the drawn images.
    test : ndarray of bool, shape (n_draws, n_images)
        Images of the half that experts read and whose patient was not drawn.
    """

    half: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def draw_validation(image_set: ImageSet, n_validation: int, n_draws: int, seed: int = 0) -> Draws:
    """Draw validation images patient by patient.

    Parameters
    ----------
    image_set : ImageSet
    n_validation : int
        Images that experts labeled, such as CheXpert's 200.
    n_draws : int
        Draws from each half of the patients.
    seed : int

    Returns
    -------
    Draws

    Raises
    ------
    ValueError
        If a half has too few images that experts read.
    """
    read = training_labels(image_set)[EXPERTS].notna().to_numpy()
    halves = image_set.folds(N_HALVES)
    patients = image_set.images["patient"].to_numpy()
    half_of, validation, test = [], [], []
    for half in range(N_HALVES):
        rows = np.flatnonzero(read & (halves == half))
        if len(rows) < 2 * n_validation:
            raise ValueError(
                f"half {half} has {len(rows)} images that experts read: n_validation can be "
                f"{len(rows) // 2} at most"
            )
        codes, names = pd.factorize(patients[rows])
        for draw in range(n_draws):
            rank = np.random.default_rng([seed, half, draw]).permutation(len(names))[codes]
            chosen = rows[np.argsort(rank, kind="stable")][:n_validation]
            half_of.append(half)
            validation.append(chosen)
            tested = np.isin(np.arange(len(read)), rows)
            test.append(tested & ~np.isin(patients, patients[chosen]))
    return Draws(np.array(half_of), np.array(validation), np.array(test))


def draw_table(draws: Draws, image_set: ImageSet) -> pd.DataFrame:
    """Tabulate what a draw holds, on average.

    Parameters
    ----------
    draws : Draws
    image_set : ImageSet

    Returns
    -------
    DataFrame
        Columns drawn from, draws, positive (of the drawn), test images, test positive.
    """
    expert = training_labels(image_set)[EXPERTS].fillna(0).to_numpy()
    rows = []
    for half in range(N_HALVES):
        chosen = draws.half == half
        rows.append(
            {
                "drawn from": f"half {half + 1}",
                "draws": int(chosen.sum()),
                "positive": expert[draws.validation[chosen]].sum(axis=1).mean(),
                "test images": draws.test[chosen].sum(axis=1).mean(),
                "test positive": (draws.test[chosen] @ expert).mean(),
            }
        )
    return pd.DataFrame(rows)
