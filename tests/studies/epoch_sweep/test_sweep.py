"""The epoch sweep: its arms, and the tables made of what they say."""

import numpy as np
import pytest
from cxrstudy.studies.epoch_sweep.memorisation import Memorisation
from cxrstudy.studies.epoch_sweep.sweep import (
    arm_name,
    contrasts,
    curve_table,
    recorded_curves,
    recorded_in_words,
    summary_table,
    sweep_arms,
    training_table,
)

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import N_HALVES, CrossFitted, final_scores, logged_epochs
from cxrstudy.experiments.opacity_scores import opacity_scores
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


def test_arms_are_named_in_words():
    assert arm_name(1) == "1 epoch" and arm_name(60) == "60 epochs"
    assert arm_name(3, 0.4) == "3 epochs, 40% of labels flipped"


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
    compared = contrasts(scores, 2, 20, "images", seeds=2)
    assert [contrast.decides for contrast in compared] == [False, False]
    assert compared[0].name == "against experts: 2 epochs minus 20 epochs"
    difference = scores.difference("2 epochs", "20 epochs")
    assert compared[0].estimate().row() == difference.row()
    assert all(contrast.decides for contrast in contrasts(scores, 3, 60, "images", seeds=2))


def test_a_model_sees_half_of_the_images_in_each_epoch(trained):
    table = training_table(trained).set_index("arm")
    assert table["images seen"].to_dict() == {"2 epochs": 300, "20 epochs": 3000}
    assert table.loc["20 epochs", ["first loss", "last loss"]].tolist() == pytest.approx([0.7, 0.1])
    assert (table["labels flipped"] == 0).all() and (table["seeds"] == 2).all()


def test_the_curve_scores_each_logged_epoch(trained, images):
    """Its last point is the score of the final weights."""
    table = curve_table(trained["20 epochs"], images, resampling=Resampling(100))
    assert table["epoch"].unique().tolist() == logged_epochs(20)
    assert (table["images seen"] == table["epoch"] * N_IMAGES / 2).all()
    halves = images.folds(N_HALVES)
    scores = opacity_scores(images, final_scores(trained), folds=halves, resampling=Resampling(100))
    last = table.query("epoch == 20").set_index("labels")["estimate"]
    assert last["RSNA's experts"] == pytest.approx(scores.score("20 epochs", "expert").value)
    assert last["report labels"] == pytest.approx(scores.score("20 epochs", "report").value)


def test_the_summary_holds_scores_and_memorisation(trained, images):
    """Seven measures of each arm, as their own tables give them."""
    scores = opacity_scores(images, final_scores(trained), resampling=Resampling(100))
    memorisation = Memorisation(trained, images, resampling=Resampling(100))
    arms = [fitted.arm for fitted in trained.values()]
    table = summary_table(scores, memorisation, arms)
    assert table.groupby("arm").size().to_dict() == {"2 epochs": 7, "20 epochs": 7}
    value = table.set_index(["arm", "measure"])["estimate"]
    assert value["2 epochs", "gap"] == pytest.approx(scores.gap("2 epochs").value)
    assert value["20 epochs", "wrong labels repeated, difference"] == pytest.approx(
        memorisation.memorised("20 epochs").value
    )
    curves = recorded_curves(table)
    assert curves.groupby("measure")["epochs"].apply(list).to_dict() == {
        "auroc_expert": [2, 20],
        "auroc_report": [2, 20],
        "wrong labels repeated, in training": [2, 20],
        "wrong labels repeated, held out": [2, 20],
    }
    last = value["20 epochs", "auroc_expert"]
    assert f"auroc_expert: {value['2 epochs', 'auroc_expert']:.2f} after 2 epochs, " in (
        recorded_in_words(curves)
    )
    assert f"{last:.2f} after 20" in recorded_in_words(curves)
