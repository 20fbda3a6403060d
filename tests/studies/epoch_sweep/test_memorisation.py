"""Memorisation by hand: who repeats a wrong label, and who only when it was in training."""

from dataclasses import replace

import numpy as np
import pytest
from cxrstudy.studies.epoch_sweep.memorisation import Memorisation, most_positive
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import N_HALVES, Arm, CrossFitted
from cxrstudy.vision.training import TrainingConfig

REPORT = np.array([1, 1, 1, 1, 0, 0, 0, 0])
EXPERT = np.array([1, 1, 0, 0, 0, 0, 1, 1])
HALF_RIGHT = np.array([9, 8, 7, 1, 2, 3, 0, 6])
"""Calls the images 0, 1, 2 and 7 positive: two of each half."""


@pytest.fixture(scope="module")
def images(draw_image_set):
    """Eight images that RSNA's experts read, four of them against the report, and two others.

    Their patients fall by turns into the two halves.
    """
    drawn = draw_image_set(10)
    labels = {source: table.copy() for source, table in drawn.labels.items()}
    labels["nlp"][:] = 0.0
    labels["nlp"]["Pneumonia"] = [1, *REPORT, 1]
    labels["rsna"]["Lung Opacity"] = [np.nan, *EXPERT, np.nan]
    many = draw_image_set(80)
    halves = many.folds(N_HALVES)[::2]
    patients = np.column_stack([np.flatnonzero(halves == half)[:5] for half in range(N_HALVES)])
    people = drawn.images.assign(patient=np.roll(patients.flatten(), 1))
    return replace(drawn, images=people, labels=labels)


def trained(in_training, *held_out_by_epoch) -> CrossFitted:
    """One seed's scores of the eight images; the two others have scores that would disturb."""

    def spread(scores):
        return np.array([99, *scores, 99], np.float32)

    config = TrainingConfig(epochs=len(held_out_by_epoch))
    held_out = np.stack([spread(scores) for scores in held_out_by_epoch])
    losses = np.zeros((1, config.epochs))
    return CrossFitted(Arm("arm", config), held_out[None], spread(in_training)[None], losses)


def memorise(images, arm: CrossFitted) -> Memorisation:
    return Memorisation({"arm": arm}, images, resampling=Resampling(100))


def test_a_model_that_repeats_its_labels_has_memorised_all(images):
    """In training it says what the reports say; held out it says what the experts say."""
    found = memorise(images, trained(REPORT, EXPERT))
    assert found.counts.to_dict() == {"wrong": 4, "right": 4}
    assert found.agreement("arm", "in training").value == 1
    assert found.agreement("arm", "held out").value == 0
    assert found.memorised("arm").value == 1
    assert found.memorised("arm", "right").value == 0


def test_half_of_the_wrong_labels_would_be_repeated_anyway(images):
    """Held out, it agrees with the wrong labels of images 2 and 6 and not with those of 3 and 7."""
    found = memorise(images, trained(REPORT, HALF_RIGHT))
    assert found.agreement("arm", "held out").value == 0.5
    assert found.memorised("arm").value == 0.5
    assert found.agreement("arm", "held out", "right").value == 1


def test_an_oracle_and_a_parrot_memorise_nothing(images):
    """Whoever says the same in training and held out has no difference, right or wrong."""
    for scores in (EXPERT, REPORT):
        found = memorise(images, trained(scores, scores))
        assert found.memorised("arm").value == found.memorised("arm", "right").value == 0
        assert found.memorised("arm").interval() == (0, 0)


def test_the_final_weights_count(images):
    """Held-out predictions are those after the last epoch."""
    assert memorise(images, trained(REPORT, REPORT, EXPERT)).memorised("arm").value == 1
    assert memorise(images, trained(REPORT, EXPERT, REPORT)).memorised("arm").value == 0


@pytest.mark.parametrize("part", ["in training", "held out"])
def test_a_shift_or_a_stretch_of_all_scores_changes_nothing(part, images):
    """A surer or a more anxious model has not memorised more."""
    moved = {"in training": REPORT, "held out": HALF_RIGHT}
    moved[part] = 3.0 * moved[part] - 50
    found = memorise(images, trained(*moved.values()))
    assert found.memorised("arm").value == 0.5


@pytest.mark.parametrize("shift", [0.3, 5.0])
def test_a_surer_model_of_one_half_has_not_memorised(shift, images):
    """Both models see the same; one of them gives all of its images a higher score."""
    halves = images.folds(N_HALVES)[1:-1]
    arm = trained(HALF_RIGHT + 10 * shift * (halves == 0), HALF_RIGHT + 10 * shift * (halves == 1))
    found = memorise(images, arm)
    assert found.memorised("arm").value == found.memorised("arm", "right").value == 0


def test_seeds_are_averaged(images):
    """One seed memorised all and one nothing."""
    arms = trained(REPORT, EXPERT), trained(EXPERT, EXPERT)
    both = CrossFitted(
        replace(arms[0].arm, seeds=2),
        *(
            np.concatenate([getattr(arm, name) for arm in arms])
            for name in ("held_out", "in_training", "losses")
        ),
    )
    found = memorise(images, both)
    assert found.memorised("arm").value == 0.5
    assert found.agreement("arm", "in training").value == 0.5
    assert found.memorised("arm").interval() == (0, 1)


def test_the_table_holds_both_kinds_and_their_difference(images):
    table = memorise(images, trained(REPORT, HALF_RIGHT)).table()
    assert table["quantity"].tolist() == ["in training", "held out", "difference"] * 2
    assert table["estimate"].tolist() == [1, 0.5, 0.5, 1, 1, 0]
    assert table["labels"].tolist() == ["wrong"] * 3 + ["right"] * 3
    assert (table["n"] == 4).all() and (table["seeds"] == 1).all()


def test_as_many_are_called_positive_as_the_share_says():
    """The highest scores; among equal ones the first."""
    assert most_positive(np.array([0.1, 0.9, 0.5, 0.7]), 0.5).tolist() == [0, 1, 0, 1]
    assert most_positive(np.zeros(5), 0.4).tolist() == [1, 1, 0, 0, 0]
    assert most_positive(np.ones(3), 0.0).tolist() == [0, 0, 0]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_no_negative_scores_above_a_positive(values, share):
    scores = np.array(values)
    called = most_positive(scores, share)
    assert called.sum() == round(share * len(scores))
    if 0 < called.sum() < len(scores):
        assert scores[called == 1].min() >= scores[called == 0].max()
