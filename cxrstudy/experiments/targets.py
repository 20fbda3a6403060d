"""What image models learn: the NIH's text-mined terms under the names of the 14 observations."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.data.nih_experts import PNEUMONIA_LIKE

# The target that RSNA's experts judge; its text-mined counterpart is any pneumonia-like term.
LUNG_OPACITY = "Lung Opacity"

# Observation to the NIH terms of which any one counts; see the crosswalk for how close they are.
# The NIH has no term for enlarged cardiomediastinum, fractures and devices.
NIH_TERMS: Mapping[str, tuple[str, ...]] = {
    "No Finding": ("No Finding",),
    "Cardiomegaly": ("Cardiomegaly",),
    LUNG_OPACITY: PNEUMONIA_LIKE,
    "Lung Lesion": ("Mass", "Nodule"),
    "Edema": ("Edema",),
    "Consolidation": ("Consolidation",),
    "Pneumonia": ("Pneumonia",),
    "Atelectasis": ("Atelectasis",),
    "Pneumothorax": ("Pneumothorax",),
    "Pleural Effusion": ("Effusion",),
    "Pleural Other": ("Pleural_Thickening",),
}

MINIMUM_POSITIVES = 50


def text_mined_targets(
    labels: pd.DataFrame, minimum_positives: int = MINIMUM_POSITIVES
) -> pd.DataFrame:
    """Turn text-mined labels into training targets.

    Parameters
    ----------
    labels : DataFrame of float
        The NIH's fifteen columns.
    minimum_positives : int
        Observations with fewer positives or negatives are left out: a head that saw ten cases
        says nothing.

    Returns
    -------
    DataFrame of float32
        A column for each observation with enough of both; same index.
    """
    targets = pd.DataFrame(
        {name: labels[list(terms)].max(axis=1) for name, terms in NIH_TERMS.items()}
    )
    positives = targets.sum()
    enough = np.minimum(positives, targets.count() - positives) >= minimum_positives
    return targets.loc[:, enough].astype(np.float32)


def with_label_noise(targets: pd.DataFrame, rate: float, seed: int = 0) -> pd.DataFrame:
    """Flip each label with a probability from 0 to 0.5, whatever the image shows.

    The flips of a lower rate are among those of a higher one, so that a dose is added and not
    exchanged.
    """
    if not 0 <= rate <= 0.5:
        raise ValueError(f"rate must be from 0 to 0.5, not {rate}")
    drawn = np.random.default_rng(seed).random(targets.shape)
    return targets.where(drawn >= rate, 1 - targets)
