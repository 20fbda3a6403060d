"""The NIH table: shapes, published counts, and text that is not understood."""

import pandas as pd
import pytest

from cxrstudy.data.nih_experts.nih import FINDINGS, NO_FINDING, read_findings
from cxrstudy.data.tables import LabelTableError

POSITIVES = {
    "No Finding": 60361, "Infiltration": 19894, "Effusion": 13317, "Atelectasis": 11559,
    "Nodule": 6331, "Mass": 5782, "Pneumothorax": 5302, "Consolidation": 4667,
    "Pleural_Thickening": 3385, "Cardiomegaly": 2776, "Emphysema": 2516, "Edema": 2303,
    "Fibrosis": 1686, "Pneumonia": 1431, "Hernia": 227,
}  # fmt: skip


def test_findings_are_spread_over_columns():
    """Joined findings become 1, all others 0, and each image keeps its row."""
    text = pd.Series(["Effusion|Mass", NO_FINDING, "Mass"], index=["a", "b", "c"])
    labels = read_findings(text)
    assert list(labels) == [*FINDINGS, NO_FINDING]
    assert labels.index.tolist() == ["a", "b", "c"]
    assert labels.loc["a"].sum() == 2 and labels.loc["a", ["Effusion", "Mass"]].all()
    assert labels[NO_FINDING].tolist() == [0, 1, 0]


@pytest.mark.parametrize("text", ["Effusion|Masses", "No Finding|Mass", ""])
def test_text_that_is_not_understood_is_refused(text):
    """An unknown finding, a contradiction and an empty cell stop the reading."""
    with pytest.raises((LabelTableError, ValueError)):
        read_findings(pd.Series([text, "Mass"], index=["a", "b"]))


def test_the_real_table_has_the_published_size(nih):
    """112,120 images of 30,805 patients, each named once and labeled."""
    assert nih.labels.shape == (112120, 15) and nih.labels.index.is_unique
    assert nih.images["patient"].nunique() == 30805
    assert nih.labels.max(axis=1).eq(1).all()


def test_the_counts_of_each_finding(nih):
    """Positives of each term in the corrected table."""
    assert nih.labels.sum().astype(int).to_dict() == POSITIVES


def test_views_sexes_and_ages_are_clean(nih):
    """Two views, two sexes, and ages of living people."""
    assert set(nih.images["view"]) == {"AP", "PA"} and set(nih.images["sex"]) == {"F", "M"}
    assert nih.images["age"].between(0, 95).all()


def test_image_names_start_with_their_patient(nih):
    """The patient's number is the first part of the name, so clusters are right."""
    patients = nih.labels.index.str.split("_").str[0].astype(int)
    assert (patients == nih.images["patient"]).all()
