"""What closing labels upward does to agreement."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from cxrstudy.agreement import Resampling
from cxrstudy.observations import close_upward
from cxrstudy.studies.report_vs_image_agreement.hierarchy import (
    POLICIES,
    closing_contrast,
    hierarchy_effect,
    scored_parents,
)

CONDITIONS = ["Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion", "Support Devices",
              "Enlarged Cardiomediastinum", "Lung Opacity", "No Finding"]  # fmt: skip


def test_scored_parents_are_those_with_children():
    """Of three columns only the two parents of the hierarchy are listed, in column order."""
    truth = pd.DataFrame(columns=["Lung Opacity", "Edema", "Enlarged Cardiomediastinum"])
    assert scored_parents(truth) == ["Lung Opacity", "Enlarged Cardiomediastinum"]


def test_effect_equals_scikit_learns_f1(chexpert):
    """With unmentioned as negative, each parent's gain is the difference of two plain F1s."""
    truth = chexpert.truth[CONDITIONS]
    effect = hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    closed = close_upward(chexpert.labeler)
    gains = []
    for parent in scored_parents(truth):
        f1 = [f1_score(truth[parent], table[parent] == 1) for table in (chexpert.labeler, closed)]
        found = effect.estimate(closing_contrast("zeros"), parent, "f1")
        assert found.value == pytest.approx(f1[1] - f1[0])
        gains.append(f1[1] - f1[0])
    average = effect.estimate(closing_contrast("zeros"), "Average", "f1")
    assert average.value == pytest.approx(np.mean(gains))


def test_children_that_are_not_scored_count_for_their_parent():
    """A lesion makes the lung opaque although only Lung Opacity is scored."""
    n = 40
    truth = pd.DataFrame({"Lung Opacity": [1.0, 0.0] * (n // 2)})
    labels = pd.DataFrame({"Lung Lesion": truth["Lung Opacity"], "Lung Opacity": np.nan})
    effect = hierarchy_effect(truth, labels, resampling=Resampling(20))
    assert effect.estimate("zeros, closed", "Lung Opacity", "f1").value == 1.0
    assert effect.estimate("zeros", "Lung Opacity", "f1").value == 0.0


def test_observations_without_children_do_not_change(chexpert):
    """Closing moves no score of an observation that is nobody's parent."""
    truth = chexpert.truth[["Edema", "Pleural Effusion", "Lung Opacity"]]
    effect = hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    for policy in POLICIES:
        for name in ("Edema", "Pleural Effusion"):
            difference = effect.estimate(closing_contrast(policy), name, "f1")
            assert difference.value == 0.0 and not difference.replicates.any()


def test_without_a_scored_parent_all_observations_are_averaged(chexpert):
    """Scored children alone still give an average instead of an error."""
    truth = chexpert.truth[["Edema", "Pleural Effusion"]]
    effect = hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    parts = [effect.estimate("zeros", name, "f1").value for name in truth]
    assert effect.estimate("zeros", "Average", "f1").value == pytest.approx(np.mean(parts))
