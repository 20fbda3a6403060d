"""The epoch sweep: its arms, the tables made of what they say, and memorisation by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import (
    N_HALVES,
    Arm,
    CrossFitted,
    final_scores,
    logged_epochs,
    sweep_arms,
)
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies import epoch_sweep
from cxrstudy.vision.training import TrainingConfig

N_IMAGES = 300


@pytest.fixture(scope="module")
def images(draw_image_set):
    return draw_image_set(N_IMAGES)


@pytest.fixture(scope="module")
def trained(images) -> dict[str, CrossFitted]:
    """Two lengths with two seeds each, whose scores get better from epoch to epoch."""
    rng = np.random.default_rng(0)
    brightness = images.pixels.mean((1, 2)) / 60

    def pretend(arm):
        epochs = arm.config.epochs
        noise = rng.normal(0, 1, (arm.seeds, epochs, N_IMAGES)) * np.linspace(3, 1, epochs)[:, None]
        losses = np.tile(np.linspace(0.7, 0.1, epochs), (arm.seeds, 2, 1))
        return CrossFitted(arm, brightness + noise, brightness + noise[:, -1] / 2, losses)

    arms = sweep_arms(TrainingConfig(), (2, 20), seeds=2)
    return {arm.name: pretend(arm) for arm in arms}


def test_every_length_is_a_run_of_its_own():
    """Three lengths, of which two again with each of two rates."""
    arms = sweep_arms(TrainingConfig(batch_size=7), (1, 3, 60), 3, (0.1, 0.4), (3, 60), 2)
    assert [(arm.config.epochs, arm.label_noise, arm.seeds) for arm in arms] == [
        (1, 0, 3), (3, 0, 3), (60, 0, 3), (3, 0.1, 2), (60, 0.1, 2), (3, 0.4, 2), (60, 0.4, 2),
    ]  # fmt: skip
    assert {arm.config.batch_size for arm in arms} == {7}
    assert len({arm.name for arm in arms}) == 7


@pytest.mark.parametrize(
    "settings", [{"epochs": (3, 3)}, {"epochs": (0, 3)}, {"noise_rates": (0.1, 0.1)}]
)
def test_lengths_and_rates_differ(settings):
    """A length named twice would be one arm under two claims."""
    with pytest.raises(ValueError, match="must be different numbers above 0"):
        sweep_arms(TrainingConfig(), **{"epochs": (1, 3), "seeds": 1} | settings)


def test_only_the_lengths_of_the_claim_decide_it(trained, images):
    """Twenty epochs are compared and shown, but the claim is about sixty and more."""
    scores = opacity_scores(images, final_scores(trained), resampling=Resampling(60))
    compared = epoch_sweep.contrasts(scores, 2, 20, "images", seeds=2)
    assert [contrast.decides for contrast in compared] == [False, False]
    assert compared[0].name == "against experts: 2 epochs minus 20 epochs"
    difference = scores.difference("2 epochs", "20 epochs")
    assert compared[0].estimate().row() == difference.row()
    decided = epoch_sweep.contrasts(scores, 3, 60, "images", seeds=2)
    assert all(contrast.decides for contrast in decided)


def test_a_model_sees_half_of_the_images_in_each_epoch(trained):
    table = epoch_sweep.training_table(trained).set_index("arm")
    assert table["images_seen"].to_dict() == {"2 epochs": 300, "20 epochs": 3000}
    assert table.loc["20 epochs", ["first_loss", "last_loss"]].tolist() == pytest.approx([0.7, 0.1])
    assert (table["labels_flipped"] == 0).all() and (table["seeds"] == 2).all()


def test_the_curve_scores_each_logged_epoch(trained, images):
    """Its last point is the score of the final weights."""
    table = epoch_sweep.curve_table(trained["20 epochs"], images, resampling=Resampling(100))
    assert table["epoch"].unique().tolist() == logged_epochs(20)
    assert (table["images_seen"] == table["epoch"] * N_IMAGES / 2).all()
    halves = images.folds(N_HALVES)
    scores = opacity_scores(images, final_scores(trained), folds=halves, resampling=Resampling(100))
    last = table.query("epoch == 20").set_index("labels")["estimate"]
    assert last["rsna"] == pytest.approx(scores.score("20 epochs", "expert").value)
    assert last["report"] == pytest.approx(scores.score("20 epochs", "report").value)


def test_the_summary_holds_scores_and_memorisation(trained, images):
    """Seven measures of each arm, as their own tables give them."""
    scores = opacity_scores(images, final_scores(trained), resampling=Resampling(100))
    memorised = epoch_sweep.memorisation_table(trained, images, resampling=Resampling(100))
    arms = [fitted.arm for fitted in trained.values()]
    table = epoch_sweep.summary_table(scores, memorised, arms)
    assert table.groupby("epochs").size().to_dict() == {2: 7, 20: 7}
    value = table.set_index(["epochs", "measure"])["estimate"]
    assert value[2, "gap"] == pytest.approx(scores.gap("2 epochs").value)
    difference = memorised.query("labels == 'wrong' and quantity == 'difference'")
    assert value[20, "wrong_difference"] == difference.set_index("arm")["estimate"]["20 epochs"]
    curves = epoch_sweep.run_length_curves(table)
    shown = ("auroc_expert", "auroc_report", "wrong_in_training", "wrong_held_out")
    epochs = curves.groupby("measure")["epochs"].apply(list).to_dict()
    assert epochs == {measure: [2, 20] for measure in shown}
    first, last = value[2, "auroc_expert"], value[20, "auroc_expert"]
    words = epoch_sweep.curves_in_words(curves)
    assert f"AUROC, experts: {first:.2f} at 2, at most " in words and f"{last:.2f} at 20" in words


def test_the_dose_has_the_lengths_that_were_flipped(trained, images):
    arms = sweep_arms(TrainingConfig(), (2, 20), 2, (0.4,), (20,), 2)
    fitted = trained | {arms[-1].name: trained["20 epochs"]}
    scores = opacity_scores(images, final_scores(fitted), resampling=Resampling(60))
    table = epoch_sweep.dose_table(scores, arms)
    assert table["labels_flipped"].tolist() == [0, 0, 0.4, 0.4]
    assert set(table["run"]) == {"20 epochs, experts", "20 epochs, report labels"}


REPORT = np.array([1, 1, 1, 1, 0, 0, 0, 0])
EXPERT = np.array([1, 1, 0, 0, 0, 0, 1, 1])
HALF_RIGHT = np.array([9, 8, 7, 1, 2, 3, 0, 6])
"""Calls the images 0, 1, 2 and 7 positive: two of each half."""


@pytest.fixture(scope="module")
def eight(draw_image_set):
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


def trained_on(in_training, *held_out_by_epoch) -> CrossFitted:
    """One seed's scores of the eight images; the two others have scores that would disturb."""

    def spread(scores):
        return np.array([99, *scores, 99], np.float32)

    config = TrainingConfig(epochs=len(held_out_by_epoch))
    held_out = np.stack([spread(scores) for scores in held_out_by_epoch])
    losses = np.zeros((1, config.epochs))
    return CrossFitted(Arm("arm", config), held_out[None], spread(in_training)[None], losses)


def memorise(eight, arm: CrossFitted) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Estimate, low and high by kind of label and quantity."""
    table = epoch_sweep.memorisation_table({"arm": arm}, eight, resampling=Resampling(100))
    rows = table.itertuples()
    return {(row.labels, row.quantity): (row.estimate, row.low, row.high) for row in rows}


def differences(found) -> list[float]:
    """What was memorised of wrong and of right labels."""
    return [found[kind, "difference"][0] for kind in ("wrong", "right")]


def test_a_model_that_repeats_its_labels_has_memorised_all(eight):
    """In training it says what the reports say; held out it says what the experts say."""
    found = memorise(eight, trained_on(REPORT, EXPERT))
    assert found["wrong", "in_training"][0] == 1 and found["wrong", "held_out"][0] == 0
    assert differences(found) == [1, 0]


def test_half_of_the_wrong_labels_would_be_repeated_anyway(eight):
    """Held out, it agrees with the wrong labels of images 2 and 6 and not with those of 3 and 7."""
    arms = {"arm": trained_on(REPORT, HALF_RIGHT)}
    table = epoch_sweep.memorisation_table(arms, eight, resampling=Resampling(100))
    assert table["quantity"].tolist() == ["in_training", "held_out", "difference"] * 2
    assert table["estimate"].tolist() == [1, 0.5, 0.5, 1, 1, 0]
    assert table["labels"].tolist() == ["wrong"] * 3 + ["right"] * 3
    assert (table["n"] == 4).all() and (table["seeds"] == 1).all()


def test_an_oracle_and_a_parrot_memorise_nothing(eight):
    """Whoever says the same in training and held out has no difference, right or wrong."""
    for scores in (EXPERT, REPORT):
        found = memorise(eight, trained_on(scores, scores))
        assert differences(found) == [0, 0]
        assert found["wrong", "difference"] == (0, 0, 0)


def test_the_final_weights_count(eight):
    assert differences(memorise(eight, trained_on(REPORT, REPORT, EXPERT)))[0] == 1
    assert differences(memorise(eight, trained_on(REPORT, EXPERT, REPORT)))[0] == 0


@pytest.mark.parametrize("part", ["in training", "held out"])
def test_a_shift_or_a_stretch_of_all_scores_changes_nothing(part, eight):
    """A surer or a more anxious model has not memorised more."""
    moved = {"in training": REPORT, "held out": HALF_RIGHT}
    moved[part] = 3.0 * moved[part] - 50
    assert differences(memorise(eight, trained_on(*moved.values())))[0] == 0.5


@pytest.mark.parametrize("shift", [0.3, 5.0])
def test_a_surer_model_of_one_half_has_not_memorised(shift, eight):
    """Both models see the same; one of them gives all of its images a higher score."""
    first = eight.folds(N_HALVES)[1:-1] == 0
    arm = trained_on(HALF_RIGHT + 10 * shift * first, HALF_RIGHT + 10 * shift * ~first)
    assert differences(memorise(eight, arm)) == [0, 0]


def test_seeds_are_averaged(eight):
    """One seed memorised all and one nothing."""
    arms = trained_on(REPORT, EXPERT), trained_on(EXPERT, EXPERT)
    parts = zip(*((arm.held_out, arm.in_training, arm.losses) for arm in arms), strict=True)
    both = CrossFitted(replace(arms[0].arm, seeds=2), *map(np.concatenate, parts))
    found = memorise(eight, both)
    assert found["wrong", "in_training"][0] == 0.5
    assert found["wrong", "difference"] == (0.5, 0, 1)


def test_as_many_are_called_positive_as_the_share_says():
    """The highest scores; among equal ones the first."""
    assert epoch_sweep.most_positive(np.array([0.1, 0.9, 0.5, 0.7]), 0.5).tolist() == [0, 1, 0, 1]
    assert epoch_sweep.most_positive(np.zeros(5), 0.4).tolist() == [1, 1, 0, 0, 0]
    assert epoch_sweep.most_positive(np.ones(3), 0.0).tolist() == [0, 0, 0]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_no_negative_scores_above_a_positive(values, share):
    scores = np.array(values)
    called = epoch_sweep.most_positive(scores, share)
    assert called.sum() == round(share * len(scores))
    if 0 < called.sum() < len(scores):
        assert scores[called == 1].min() >= scores[called == 0].max()
