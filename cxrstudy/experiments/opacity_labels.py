"""Lung Opacity as three sources label it: reports, RSNA's experts and Google's."""

from collections.abc import Mapping

import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.targets import LUNG_OPACITY, NIH_TERMS

# Expert source to the term that stands for Lung Opacity.
EXPERT_TERMS: Mapping[str, str] = {"rsna": "Lung Opacity", "google": "Airspace opacity"}

# Whose labels a head learns.
REPORTS, EXPERTS = "report labels", "RSNA's experts"


def report_labels(image_set: ImageSet) -> pd.Series:
    """Return the report's label of every image: any pneumonia-like term."""
    return image_set.labels["nlp"][list(NIH_TERMS[LUNG_OPACITY])].max(axis=1)


def lung_opacity_labels(image_set: ImageSet, experts: str) -> pd.DataFrame:
    """Put an expert source's label of opacity beside the report's, for the images it read.

    ``experts`` is "rsna" or "google"; columns are expert, report, view and patient.
    """
    expert = image_set.labels[experts][EXPERT_TERMS[experts]].dropna()
    labels = pd.DataFrame({"expert": expert, "report": report_labels(image_set)[expert.index]})
    return labels.join(image_set.images[["view", "patient"]])


def training_labels(image_set: ImageSet) -> pd.DataFrame:
    """Lay out what a head can learn, `REPORTS` and `EXPERTS`; NaN where the source says nothing."""
    experts = lung_opacity_labels(image_set, "rsna")["expert"]
    return pd.DataFrame(
        {REPORTS: report_labels(image_set), EXPERTS: experts.reindex(image_set.images.index)}
    )
