"""One array with its tables: subsets, sizes, folds by patient, fingerprints."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrstudy.data.images import ImageSet


def _image_set(patients: list, pixels: np.ndarray | None = None) -> ImageSet:
    index = pd.Index([f"i{number}" for number in range(len(patients))], name="image")
    if pixels is None:
        pixels = np.arange(len(patients) * 16, dtype=np.uint8).reshape(-1, 4, 4)
    return ImageSet(
        name="Own",
        build="made here",
        pixels=pixels,
        images=pd.DataFrame({"patient": patients, "view": "PA", "sex": "F", "age": 50.0}, index),
        labels={"nlp": pd.DataFrame({"Edema": np.arange(len(patients), dtype=float)}, index)},
        excluded=pd.DataFrame([("x", "missing")], columns=["image", "reason"]),
    )


def test_a_subset_follows_the_order_given():
    part = _image_set([1, 2, 3]).subset(["i2", "i0"])
    assert part.pixels[:, 0, 0].tolist() == [32, 0]
    assert part.images["patient"].tolist() == [3, 1]
    assert part.labels["nlp"]["Edema"].tolist() == [2, 0]
    assert len(part) == 2 and part.excluded["image"].tolist() == ["x"]


def test_a_subset_names_known_images_once():
    """A repeated id would count one image twice."""
    with pytest.raises(KeyError, match="Own has no image 'i9'"):
        _image_set([1, 2]).subset(["i0", "i9"])
    with pytest.raises(ValueError, match="different ids"):
        _image_set([1, 2]).subset(["i0", "i0"])


def test_shrinking_averages_and_says_so():
    """Each pixel of the smaller image is the mean of four."""
    images = _image_set([1, 1])
    small = images.resized(2)
    means = images.pixels.reshape(2, 2, 2, 2, 2).astype(float).mean((2, 4))
    assert np.abs(small.pixels - means).max() <= 0.5
    assert small.pixels.dtype == np.uint8 and small.size == 2
    assert small.build == "made here; averaged down to 2 px"
    assert images.resized(4) is images
    assert images.resized(8).build == "made here; bilinearly enlarged to 8 px"


@given(st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=8), st.integers(2, 10))
@settings(max_examples=25)
def test_a_patient_stays_in_its_fold(patients, n_folds):
    images = _image_set(pd.array([*patients, patients[0]], dtype=object))
    folds = images.folds(n_folds)
    assert folds[0] == folds[-1] and ((folds >= 0) & (folds < n_folds)).all()
    some = images.images.index[::-2]
    assert (images.subset(some).folds(n_folds) == folds[::-2]).all()
    assert _image_set(patients[-1:]).folds(n_folds) == folds[-2]


def test_folds_are_about_equally_large_and_fixed():
    """Of 2,000 patients each fold has about 400; another salt divides independently."""
    images = _image_set(list(range(2000)), np.zeros((2000, 1, 1), np.uint8))
    folds = images.folds(5)
    assert (np.abs(np.bincount(folds) - 400) < 3 * np.sqrt(400)).all()
    assert folds[:10].tolist() == [4, 3, 0, 0, 4, 4, 0, 2, 4, 3]
    assert abs((folds == images.folds(5, salt="other")).mean() - 0.2) < 0.04


def test_images_without_a_patient_have_no_fold():
    """A missing patient would be one large patient."""
    with pytest.raises(ValueError, match="image 'i1' has no patient"):
        _image_set([1, None]).folds(5)
    with pytest.raises(ValueError, match="at least 2"):
        _image_set([1]).folds(1)


def test_the_fingerprint_sees_pixels_ids_and_order():
    images = _image_set([1, 2, 3])
    assert images.sha256() == _image_set([1, 2, 3]).sha256()
    changed = images.pixels.copy()
    changed[2, 3, 3] += 1
    others = [
        dataclasses.replace(images, pixels=changed),
        images.subset(["i1", "i0", "i2"]),
        images.subset(["i0", "i1"]),
        _image_set([1, 2, 3], images.pixels[::-1]),
    ]
    assert len({other.sha256() for other in [images, *others]}) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": np.zeros((2, 4, 4))}, "must be uint8"),
        ({"pixels": np.zeros((3, 4, 4), np.uint8)}, "3 images need"),
        ({"labels": {"nlp": pd.DataFrame({"Edema": [0.0]}, index=["i0"])}}, "not on the images'"),
    ],
)
def test_tables_off_the_pixels_order_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(_image_set([1, 2]), **changes)
