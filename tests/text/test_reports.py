"""Splits by text: the same text is always in the same part."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.observations import OBSERVATIONS
from cxrstudy.text.reports import (
    FINDINGS,
    classes_from_codes,
    development_half,
    one_hot,
    split_by_text,
    text_hash_fraction,
)

THREE = {"train": 0.7, "tune": 0.1, "test": 0.2}
TEXTS = [f"Report number {n}." for n in range(4000)]


def test_the_fraction_is_the_start_of_the_sha256():
    digest = hashlib.sha256(b"salt" + b"lungs are clear.").hexdigest()
    expected = int(digest[:16], 16) / 2**64
    assert text_hash_fraction("  Lungs  are\n\tCLEAR. ", "salt") == expected
    # sha256 of nothing starts with e3b0c44298fc1c14.
    assert text_hash_fraction("") == 0xE3B0C44298FC1C14 / 2**64


@given(st.text())
def test_any_text_has_a_fraction(text):
    fraction = text_hash_fraction(text)
    assert 0 <= fraction <= 1
    assert text_hash_fraction(f" {text}\n") == fraction
    assert 0 <= text_hash_fraction(text + "\ud800") <= 1


@given(st.lists(st.sampled_from(TEXTS[:20]), min_size=1), st.sampled_from(TEXTS[:20]))
def test_a_report_keeps_its_part_whatever_the_others_are(texts, text):
    alone = split_by_text([text], THREE)[0]
    parts = split_by_text([*texts, text, text.upper()], THREE)
    assert parts.tolist()[-2:] == [alone, alone]


def test_another_salt_gives_an_independent_split():
    halves = {"a": 0.5, "b": 0.5}
    first, second = split_by_text(TEXTS, halves), split_by_text(TEXTS, halves, salt="2")
    assert abs(((first == "a") & (second == "a")).mean() - 0.25) < 4 * np.sqrt(0.1875 / 4000)


def test_parts_follow_the_fractions_order():
    fractions = np.array([text_hash_fraction(text) for text in TEXTS])
    parts = split_by_text(TEXTS, THREE)
    assert (parts[fractions < 0.7] == "train").all()
    assert (parts[(fractions >= 0.7) & (fractions < 0.7999)] == "tune").all()
    assert (parts[fractions > 0.8001] == "test").all()
    parts = split_by_text(pd.Series(["a", "b"], index=["CXR7", "CXR9"]), {"all": 1.0})
    assert parts.to_dict() == {"CXR7": "all", "CXR9": "all"}
    for wrong in ({}, {"a": 0.5}, {"a": 1.2, "b": -0.2}, {"a": 1, "b": 0}):
        with pytest.raises(ValueError, match="positive and sum to 1"):
            split_by_text(["a"], wrong)


def test_the_development_half_is_the_lower_half():
    halves = split_by_text(TEXTS, {"development": 0.5, "measurement": 0.5})
    marked = development_half(TEXTS)
    assert marked.dtype == bool
    assert marked.tolist() == (halves == "development").tolist()
    assert development_half([]).shape == (0,)


def test_denied_and_unmentioned_are_absent():
    labels = pd.DataFrame(np.nan, index=[0], columns=list(OBSERVATIONS))
    labels.loc[0, ["Edema", "Pneumonia", "Fracture"]] = [1, -1, 0]
    classes = classes_from_codes(labels)
    found = {name: int(c) for name, c in zip(FINDINGS, classes[0], strict=True) if c}
    assert found == {"Edema": 1, "Pneumonia": 2}
    np.testing.assert_array_equal(one_hot(classes).argmax(axis=-1), classes)
