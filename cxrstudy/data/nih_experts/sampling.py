"""How RSNA's images were drawn from the NIH's, by text-mined label, and the weights that undo it.

The draw depended on the very labels that are under test. Sensitivity and specificity computed on
the drawn images are therefore those of the drawn mixture; weighting each image by one over its
stratum's sampling fraction gives those of the whole NIH table.
"""

import numpy as np
import pandas as pd

from cxrstudy.data.nih_experts.nih import NO_FINDING, NihLabels
from cxrstudy.data.nih_experts.term_pairs import PNEUMONIA_LIKE

STRATA: tuple[str, ...] = ("pneumonia-like term", "other finding", "no finding")


def sampling_strata(nih: NihLabels) -> pd.Series:
    """Sort every NIH image into one of three strata of the draw.

    Parameters
    ----------
    nih : NihLabels

    Returns
    -------
    Series of str
        One of `STRATA` for each image.
    """
    chosen = [nih.any_of(PNEUMONIA_LIKE) == 1, nih.labels[NO_FINDING] == 0]
    strata = np.select(chosen, STRATA[:2], STRATA[2])
    return pd.Series(strata, nih.labels.index, name="stratum")


def sampling_fractions(strata: pd.Series, drawn: pd.Index) -> pd.DataFrame:
    """Count the images and the drawn images of each stratum.

    Parameters
    ----------
    strata : Series of str
        Stratum of every image that could be drawn.
    drawn : Index
        Names of the drawn images.

    Returns
    -------
    DataFrame
        Columns images, drawn and fraction; indexed by stratum.
    """
    return _fractions([strata], drawn)


def sampling_fractions_by_group(
    strata: pd.Series, drawn: pd.Index, groups: pd.DataFrame
) -> pd.DataFrame:
    """Split the strata further, to see whether the draw depended on more than the stratum.

    Parameters
    ----------
    strata, drawn
        As for `sampling_fractions`.
    groups : DataFrame of str
        Each column sorts the images into levels, such as views.

    Returns
    -------
    DataFrame
        Columns group, level, stratum, images, drawn and fraction.
    """
    tables = {group: _fractions([groups[group].rename("level"), strata], drawn) for group in groups}
    return pd.concat(tables, names=["group"]).reset_index()


def inverse_sampling_weights(strata: pd.Series, drawn: pd.Index) -> pd.Series:
    """Weight each drawn image by the number of NIH images that it stands for.

    Parameters
    ----------
    strata, drawn
        As for `sampling_fractions`.

    Returns
    -------
    Series of float
        Indexed by `drawn`; within each stratum they sum to its size.
    """
    fractions = sampling_fractions(strata, drawn)["fraction"]
    return 1 / strata.loc[drawn].map(fractions)


def _fractions(keys: list[pd.Series], drawn: pd.Index) -> pd.DataFrame:
    groups = pd.Series(keys[0].index.isin(drawn), keys[0].index).groupby(keys)
    table = pd.DataFrame({"images": groups.size(), "drawn": groups.sum()})
    return table.assign(fraction=table["drawn"] / table["images"])
