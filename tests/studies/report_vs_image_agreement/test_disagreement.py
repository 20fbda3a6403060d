"""Counts of who disagrees with whom, and the floor of F1."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cxrstudy.studies.report_vs_image_agreement.disagreement import (
    always_positive_f1,
    disagreement_counts,
)


def test_counts_by_hand():
    """Each of the eight pairs of image label and report code is counted where it belongs."""
    truth = pd.DataFrame({"Edema": [1, 1, 1, 1, 0, 0, 0, 0]})
    labels = pd.DataFrame({"Edema": [1, 0, -1, np.nan, 1, 0, -1, np.nan]})
    assert disagreement_counts(truth, labels).loc["Edema"].to_dict() == {
        "image_positive_report_negative": 2,
        "image_negative_report_positive": 1,
        "uncertain_image_positive": 1,
        "uncertain_image_negative": 1,
    }


def test_an_unknown_truth_is_no_disagreement():
    """A study whose truth is blank is counted nowhere."""
    truth = pd.DataFrame({"Edema": [np.nan, np.nan]})
    labels = pd.DataFrame({"Edema": [1, -1]})
    assert not disagreement_counts(truth, labels).to_numpy().any()


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([1.0, 0.0, -1.0, np.nan])),
                min_size=1, max_size=60))  # fmt: skip
def test_disagreements_and_agreements_are_all_studies(pairs):
    """Every study agrees, disagrees or is uncertain, and none twice."""
    image, report = zip(*pairs, strict=True)
    truth, labels = (pd.DataFrame({"Edema": column}) for column in (image, report))
    agreeing = sum((y == 1 and r == 1) or (y == 0 and (r == 0 or np.isnan(r))) for y, r in pairs)
    assert disagreement_counts(truth, labels).to_numpy().sum() + agreeing == len(pairs)


def test_floor_of_enlarged_cardiomediastinum(chexpert):
    """Always answering positive scores 0.672, as much as the paper's learned mapping."""
    floor = always_positive_f1(chexpert.truth)
    assert floor["Enlarged Cardiomediastinum"] == pytest.approx(0.672, abs=5e-4)


def test_floor_equals_scikit_learns_f1_of_all_positive(chexpert):
    """The closed form is the F1 of a constant."""
    floor = always_positive_f1(chexpert.truth)
    for name, column in chexpert.truth.items():
        assert floor[name] == pytest.approx(f1_score(column, np.ones(500)))
