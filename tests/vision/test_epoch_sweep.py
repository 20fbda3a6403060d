"""The epoch sweep: its arms, and the tables made of what they say."""

import numpy as np
import pytest

from cxrstudy.vision.cross_fitting import CrossFitted
from cxrstudy.vision.epoch_sweep import (
    arm_name,
    curve_table,
    final_scores,
    logged_epochs,
    summary_table,
    sweep_arms,
    training_table,
)
from cxrstudy.vision.memorisation import Memorisation
from cxrstudy.vision.scoring import LabelScores
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
        losses = np.tile(np.linspace(0.7, 0.1, epochs), (arm.seeds, 1))
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


@pytest.mark.parametrize("epochs", [1, 2, 5, 60])
def test_logged_epochs_span_the_run(epochs):
    """First and last are among them, none twice, none outside."""
    logged = logged_epochs(epochs)
    assert logged[0] == 1 and logged[-1] == epochs and len(logged) <= 12
    assert logged == sorted(set(logged))


def test_final_scores_are_those_of_the_last_epoch(trained):
    scores = final_scores(trained)
    assert scores["20 epochs"].shape == (2, N_IMAGES)
    np.testing.assert_array_equal(scores["20 epochs"], trained["20 epochs"].held_out[:, 19])


def test_a_model_sees_half_of_the_images_in_each_epoch(trained):
    table = training_table(trained).set_index("arm")
    assert table["images seen"].to_dict() == {"2 epochs": 300, "20 epochs": 3000}
    assert table.loc["20 epochs", ["first loss", "last loss"]].tolist() == pytest.approx([0.7, 0.1])
    assert (table["labels flipped"] == "0%").all() and (table["seeds"] == 2).all()


def test_the_curve_scores_each_logged_epoch(trained, images):
    """Its last point is the score of the final weights."""
    table = curve_table(trained["20 epochs"], images, n_bootstrap=100)
    assert table["epoch"].unique().tolist() == logged_epochs(20)
    assert (table["images seen"] == table["epoch"] * N_IMAGES / 2).all()
    scores = LabelScores(images, final_scores(trained), n_bootstrap=100)
    last = table.query("epoch == 20").set_index("labels")["estimate"]
    assert last["RSNA's experts"] == pytest.approx(scores.score("20 epochs", "expert").value)
    assert last["report labels"] == pytest.approx(scores.score("20 epochs", "report").value)


def test_the_summary_holds_scores_and_memorisation(trained, images):
    """Seven measures of each arm, as their own tables give them."""
    scores = LabelScores(images, final_scores(trained), n_bootstrap=100)
    memorisation = Memorisation(trained, images, n_bootstrap=100)
    table = summary_table(scores, memorisation)
    assert table.groupby("arm").size().to_dict() == {"2 epochs": 7, "20 epochs": 7}
    value = table.set_index(["arm", "measure"])["estimate"]
    assert value["2 epochs", "experts minus report labels"] == pytest.approx(
        scores.gap("2 epochs").value
    )
    assert value["20 epochs", "wrong labels repeated, difference"] == pytest.approx(
        memorisation.memorised("20 epochs").value
    )
