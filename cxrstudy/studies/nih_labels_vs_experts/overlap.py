"""Images that both expert sources read, to see how far experts agree with experts."""

from dataclasses import dataclass

import pandas as pd

from cxrstudy.data.nih_experts.nih import NihLabels
from cxrstudy.data.nih_experts.rsna import LUNG_OPACITY, RsnaLabels
from cxrstudy.data.nih_experts.term_pairs import AIRSPACE, PNEUMONIA_LIKE

AIRSPACE_OPACITY = "Airspace opacity"


@dataclass(frozen=True, eq=False)
class Overlap:
    """Three sources' labels of the same images.

    Attributes
    ----------
    truth : DataFrame of float, shape (n_images, 1)
        Google's airspace opacity.
    others : dict of str to DataFrame, each of the same shape
        RSNA's lung opacity, and the narrow and wide NIH terms.
    patients : Series
        Patient of each image.
    counts : DataFrame of int
        Images by RSNA class, with and without Google's airspace opacity.
    """

    truth: pd.DataFrame
    others: dict[str, pd.DataFrame]
    patients: pd.Series
    counts: pd.DataFrame


def overlap(google: pd.DataFrame, rsna: RsnaLabels, nih: NihLabels) -> Overlap:
    """Put the labels of the images that both expert sources read side by side.

    Parameters
    ----------
    google : DataFrame of float
        One of Google's sets.
    rsna : RsnaLabels
    nih : NihLabels

    Returns
    -------
    Overlap
    """
    images = google.index.intersection(rsna.labels.index)
    truth = google.loc[images, [AIRSPACE_OPACITY]]
    classes = rsna.labels.loc[images]
    others = {
        "RSNA Lung Opacity": classes[LUNG_OPACITY],
        "NIH, narrow": nih.any_of(PNEUMONIA_LIKE).loc[images],
        "NIH, wide": nih.any_of(AIRSPACE).loc[images],
    }
    airspace = truth[AIRSPACE_OPACITY]
    yes, no = classes.mul(airspace, axis=0).sum(), classes.mul(1 - airspace, axis=0).sum()
    counts = pd.DataFrame({"airspace opacity": yes, "no airspace opacity": no}).astype(int)
    return Overlap(
        truth=truth,
        others={name: labels.to_frame(AIRSPACE_OPACITY) for name, labels in others.items()},
        patients=nih.images["patient"].loc[images],
        counts=counts.rename_axis("RSNA class"),
    )
