"""RSNA's labels under NIH names: the matching and what vouches for it."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.nih_experts.rsna import keep_one_for_each_image, read_candidates
from cxrstudy.data.tables import LabelTableError


def _match(label, image="a.png", error=1.0):
    return {"info": label, "mse": np.float64(error), "cxr_match": image}


def test_the_closest_of_two_claims_on_an_image_is_kept():
    """Two RSNA images that match one NIH image: the smaller error decides."""
    matches = {
        "r1": _match(["Normal"], error=2.0), "r2": _match(["Normal"], error=0.5),
        "r3": _match(["Normal"], image="b.png", error=9.0),
    }  # fmt: skip
    kept = keep_one_for_each_image(read_candidates(matches))
    assert kept.index.tolist() == ["r2", "r3"]


def test_a_class_is_given_once_for_each_box():
    """Several boxes repeat the class and make no second one."""
    table = read_candidates({"r1": _match(["Lung Opacity"] * 3)})
    assert table["class"].tolist() == ["Lung Opacity"]


@pytest.mark.parametrize("label", [["Normal", "Lung Opacity"], ["Odd"]])
def test_an_image_needs_one_known_class(label):
    """Contradictory and unknown classes stop the reading."""
    with pytest.raises(LabelTableError, match="r1"):
        read_candidates({"r1": _match(label)})


def test_the_matching_keeps_26585_images(rsna):
    """Of 26,684 images 26,586 match an NIH image, two of them the same one."""
    assert list(rsna.matching.values()) == [26684, 26586, 26585]
    assert rsna.labels.shape == (26585, 3) and rsna.labels.index.is_unique
    assert (rsna.labels.sum(axis=1) == 1).all()


def test_rsna_headers_vouch_for_every_match(rsna, nih):
    """View and sex in RSNA's own headers are the matched NIH image's, in every row."""
    matched = nih.images.loc[rsna.headers.index]
    pd.testing.assert_series_equal(rsna.headers["view"], matched["view"])
    pd.testing.assert_series_equal(rsna.headers["sex"], matched["sex"])
