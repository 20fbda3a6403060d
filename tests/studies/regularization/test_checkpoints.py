"""Choosing among moments of runs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import Arm, CrossFitted
from cxrstudy.studies.regularization import checkpoints as study
from cxrstudy.vision.training import TrainingConfig


@pytest.fixture(scope="module")
def checkpoints(draw_image_set):
    """A good moment with a high loss and a bad one with a low loss."""
    image_set = draw_image_set(400)
    rng = np.random.default_rng(0)
    brightness = image_set.pixels.mean(axis=(1, 2))
    held_out = np.stack([brightness, rng.normal(size=400)])[None].astype(np.float32)
    arm = Arm("run", TrainingConfig(epochs=2), seeds=1)
    # Of the model that trained on the judges it is the other way round.
    losses = np.array([[[0.1, 0.6], [0.6, 0.1]]], np.float32)
    noisy = Arm("noisy", TrainingConfig(epochs=1), label_noise=0.4)
    trained = {
        "run": CrossFitted(arm, held_out, held_out[:, -1], losses),
        "noisy": CrossFitted(noisy, held_out[:, 1:], held_out[:, -1], losses[:, :, :1] + 0.2),
    }
    return study.gather_checkpoints(trained, image_set)[1]


def test_one_image_stands_for_each_patient(checkpoints, draw_image_set):
    patients = draw_image_set(400).images.loc[checkpoints.expert.index, "patient"]
    assert patients.is_unique
    assert list(checkpoints.scores) == [
        "run, seed 0, after 1", "run, seed 0, after 2", "noisy, seed 0, after 1",
    ]  # fmt: skip
    assert checkpoints.losses.tolist() == pytest.approx([0.6, 0.1, 0.8])


def test_the_spread_is_that_of_plain_aurocs(checkpoints):
    expected = sorted(
        roc_auc_score(checkpoints.expert["opacity"], table["opacity"])
        for table in checkpoints.scores.values()
    )
    row = study.spread_table({1: checkpoints}).iloc[0]
    assert [row["worst"], row["best"]] == pytest.approx([expected[0], expected[-1]])
    assert row["checkpoints"] == 3


def test_the_training_loss_misleads_and_expert_images_do_not(checkpoints):
    table = study.compass_table({1: checkpoints}, 40, resampling=Resampling(60))
    regret = table.query("outcome == 'regret'").set_index("chosen_by")["estimate"]
    assert list(regret.index) == list(study.CHOOSERS)
    assert regret["expert_labels"] == pytest.approx(0, abs=0.01)
    assert regret["training_loss"] > 0.2


def test_only_finished_runs_get_thresholds(checkpoints):
    """On unchanged labels; its end is noise, on which no rule beats the prevalence by much."""
    assert checkpoints.finished == ["run, seed 0, after 2"]
    table = study.threshold_table({1: checkpoints}, 40, resampling=Resampling(60))
    assert set(table["rule"]) == {"tuned for Youden", "tuned for F1", "at 0.5"}
    assert set(table["metric"]) == {"youden", "f1"}
    assert table["estimate"].abs().max() < 0.5 and len(table) == 6
