"""NIH, Google and RSNA: published counts, text that is not understood, RSNA's match and draw."""

import pandas as pd
import pytest

from cxrstudy.data.nih_experts import (
    GOOGLE_FINDINGS,
    NIH_FINDINGS,
    NO_FINDING,
    inverse_sampling_weights,
    keep_one_for_each_image,
    read_findings,
    read_google,
    sampling_strata,
)
from cxrstudy.data.tables import LabelTableError

NIH_POSITIVES = {
    "No Finding": 60361, "Infiltration": 19894, "Effusion": 13317, "Atelectasis": 11559,
    "Nodule": 6331, "Mass": 5782, "Pneumothorax": 5302, "Consolidation": 4667,
    "Pleural_Thickening": 3385, "Cardiomegaly": 2776, "Emphysema": 2516, "Edema": 2303,
    "Fibrosis": 1686, "Pneumonia": 1431, "Hernia": 227,
}  # fmt: skip
GOOGLE_POSITIVES = {
    "test": {"Fracture": 72, "Pneumothorax": 195, "Airspace opacity": 1135, "Nodule or mass": 295},
    "validation": {
        "Fracture": 114, "Pneumothorax": 43, "Airspace opacity": 1031, "Nodule or mass": 310,
    },
}  # fmt: skip


# The NIH's text-mined labels


def test_findings_are_spread_over_columns():
    text = pd.Series(["Effusion|Mass", NO_FINDING, "Mass"], index=["a", "b", "c"])
    labels = read_findings(text)
    assert list(labels) == [*NIH_FINDINGS, NO_FINDING]
    assert labels.index.tolist() == ["a", "b", "c"]
    assert labels.loc["a"].sum() == 2 and labels.loc["a", ["Effusion", "Mass"]].all()
    assert labels[NO_FINDING].tolist() == [0, 1, 0]
    for strange in ("Effusion|Masses", "No Finding|Mass", ""):
        with pytest.raises((LabelTableError, ValueError)):
            read_findings(pd.Series([strange, "Mass"], index=["a", "b"]))


def test_the_real_table_is_the_published_one(nih):
    assert nih.labels.shape == (112120, 15) and nih.labels.index.is_unique
    assert nih.images["patient"].nunique() == 30805
    assert nih.labels.sum().astype(int).to_dict() == NIH_POSITIVES
    assert nih.labels.max(axis=1).eq(1).all()
    assert set(nih.images["view"]) == {"AP", "PA"} and set(nih.images["sex"]) == {"F", "M"}
    assert nih.images["age"].between(0, 95).all()
    patients = nih.labels.index.str.split("_").str[0].astype(int)
    assert (patients == nih.images["patient"]).all()


# Google's two sets


def _google_table(answer="YES", set_id="val") -> pd.DataFrame:
    rows = {finding: ["NO", answer] for finding in GOOGLE_FINDINGS}
    return pd.DataFrame({**rows, "Set Id": ["test", set_id]}, index=["a", "b"])


def test_answers_become_numbers_set_by_set():
    labels = read_google(_google_table())
    assert labels["test"].loc["a"].tolist() == [0.0] * 4
    assert labels["validation"].loc["b"].tolist() == [1.0] * 4
    assert len(labels["test"]) == len(labels["validation"]) == 1
    with pytest.raises(LabelTableError, match="HEDGE"):
        read_google(_google_table(answer="HEDGE"))
    with pytest.raises(LabelTableError, match="train"):
        read_google(_google_table(set_id="train"))


def test_the_real_sets(google, nih):
    test, validation = google["test"], google["validation"]
    assert (len(test), len(validation)) == (1962, 2414)
    names = test.index.append(validation.index)
    assert names.is_unique and names.isin(nih.labels.index).all()
    patients = [set(nih.images.loc[labels.index, "patient"]) for labels in google.values()]
    assert not patients[0] & patients[1]
    found = {name: labels.sum().astype(int).to_dict() for name, labels in google.items()}
    assert found == GOOGLE_POSITIVES


# RSNA's classes


def test_the_closest_of_two_claims_on_an_image_is_kept():
    candidates = pd.DataFrame(
        {"error": [2.0, 0.5, 9.0], "image": ["a.png", "a.png", "b.png"]}, ["r1", "r2", "r3"]
    )
    assert keep_one_for_each_image(candidates).index.tolist() == ["r2", "r3"]


def test_the_matching_keeps_26585_images(rsna, nih):
    """Of 26,684 images 26,586 match an NIH image, two of them the same one; headers vouch."""
    assert list(rsna.matching.values()) == [26684, 26586, 26585]
    assert rsna.labels.shape == (26585, 3) and rsna.labels.index.is_unique
    assert (rsna.labels.sum(axis=1) == 1).all()
    matched = nih.images.loc[rsna.headers.index]
    pd.testing.assert_frame_equal(rsna.headers, matched[["view", "sex"]])


# RSNA's draw


def test_weights_by_hand():
    """Two of four and one of six were drawn: they stand for two and for six images each."""
    strata = pd.Series(["x"] * 4 + ["y"] * 6, index=list("abcdefghij"), name="stratum")
    assert inverse_sampling_weights(strata, pd.Index(["a", "b", "e"])).tolist() == [2, 2, 6]


def test_weights_restore_the_nih_table(rsna, nih):
    strata = sampling_strata(nih)
    weights = inverse_sampling_weights(strata, rsna.labels.index)
    restored = weights.groupby(strata.loc[rsna.labels.index]).sum()
    assert restored.to_dict() == pytest.approx(strata.value_counts().to_dict())
