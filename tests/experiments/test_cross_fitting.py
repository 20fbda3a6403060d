"""Cross-fitting: who trained on which image, and whose predictions are whose."""

from dataclasses import replace

import numpy as np
import pytest

from cxrstudy.experiments import cross_fitting
from cxrstudy.experiments.cross_fitting import Arm, cross_fit_arms, final_scores, logged_epochs
from cxrstudy.experiments.image_labels import text_mined_targets
from cxrstudy.trainings.job import Kept
from cxrstudy.vision.training import TrainingConfig

ARMS = [
    Arm("short", TrainingConfig(epochs=1), seeds=2),
    Arm("long", TrainingConfig(epochs=3), label_noise=0.4),
]


@pytest.fixture(scope="module")
def images(draw_image_set):
    return draw_image_set(220)


@pytest.fixture
def jobs(monkeypatch) -> list:
    """Replace training: a job's predictions say which job, epoch, target and image they are of."""
    seen = []

    def pretend(jobs, folder, n_jobs):
        seen.extend(jobs)
        return [_pretended(folder, number, job) for number, job in enumerate(jobs)]

    def _pretended(folder, number, job):
        epochs, targets = np.arange(job.config.epochs), np.arange(job.targets.shape[1])
        watched = number + epochs[:, None, None] / 10 + job.watched[:, None] * 100
        arrays = {
            "logits": watched + targets / 100,
            "training_logits": -(number + job.training[:, None] * 100 + targets / 100),
            "losses": number + epochs / 10,
        }
        return Kept(folder / str(number), arrays, {})

    monkeypatch.setattr(cross_fitting, "train_many", pretend)
    return seen


def test_every_image_is_predicted_by_the_model_it_was_held_out_of(images, jobs, tmp_path):
    """And in training by the other one; after every epoch, for every seed, opacity alone."""
    found = cross_fit_arms(ARMS, images, tmp_path)
    column = list(text_mined_targets(images.labels["nlp"])).index("Lung Opacity") / 100
    numbers = {("short", 0): (0, 1), ("short", 1): (2, 3), ("long", 0): (4, 5)}
    rows = np.arange(len(images))
    for (name, seed), pair in numbers.items():
        trains = np.where(np.isin(rows, jobs[pair[0]].training), *pair)
        watches = np.where(np.isin(rows, jobs[pair[0]].watched), *pair)
        assert (trains != watches).all()
        expected = -(trains + rows * 100 + column)
        np.testing.assert_allclose(found[name].in_training[seed], expected, rtol=1e-6)
        for epoch in range(found[name].arm.config.epochs):
            expected = watches + epoch / 10 + rows * 100 + column
            np.testing.assert_allclose(found[name].held_out[seed, epoch], expected, rtol=1e-6)
    np.testing.assert_allclose(found["long"].losses, [[[4, 4.1, 4.2], [5, 5.1, 5.2]]])
    assert (jobs[4].training == np.flatnonzero(images.folds(2) == 0)).all()
    assert found["short"].held_out.shape == (2, 1, 220)


def test_no_patient_is_on_both_sides(images, jobs, tmp_path):
    cross_fit_arms(ARMS, images, tmp_path)
    patients = images.images["patient"].to_numpy()
    for job in jobs:
        assert sorted([*job.training, *job.watched]) == list(range(220))
        assert not set(patients[job.training]) & set(patients[job.watched])
    for first, second in zip(jobs[::2], jobs[1::2], strict=True):
        np.testing.assert_array_equal(first.training, second.watched)


def test_seeds_and_noise_are_the_arms(images, jobs, tmp_path):
    cross_fit_arms(ARMS, images, tmp_path)
    assert [job.config.seed for job in jobs] == [0, 0, 1, 1, 0, 0]
    assert [job.config.epochs for job in jobs] == [1, 1, 1, 1, 3, 3]
    targets = text_mined_targets(images.labels["nlp"]).to_numpy()
    flipped = [(job.targets != targets[job.training]).mean() for job in jobs]
    assert flipped[:4] == [0, 0, 0, 0]
    assert all(abs(share - 0.4) < 0.1 for share in flipped[4:])


def test_features_take_the_place_of_images(images, tmp_path):
    """A real run: a head that trains on the answer agrees with it in training and held out."""
    arms = [Arm("head", TrainingConfig(epochs=20, batch_size=32, head_learning_rate=0.05))]
    opacity = text_mined_targets(images.labels["nlp"])["Lung Opacity"].to_numpy()
    inputs = np.stack([opacity, 1 - opacity], axis=1)
    found = cross_fit_arms(arms, images, tmp_path, inputs, n_jobs=1)["head"]
    for scores in (found.in_training[0], found.held_out[0, -1]):
        np.testing.assert_array_equal(scores > 0, opacity > 0.5)


def test_a_network_trains_on_images(draw_image_set, small, tmp_path):
    """A real run of one epoch; called again it gives the same without training."""
    images = draw_image_set(130, size=32)
    arms = [Arm("one epoch", TrainingConfig(backbone=small, epochs=1))]
    first, again = (cross_fit_arms(arms, images, tmp_path, n_jobs=1)["one epoch"] for _ in range(2))
    assert first.held_out.shape == (1, 1, 130) and np.isfinite(first.held_out).all()
    np.testing.assert_array_equal(first.held_out, again.held_out)
    np.testing.assert_array_equal(first.in_training, again.in_training)
    other = replace(arms[0], name="noisy", label_noise=0.4)
    noisy = cross_fit_arms([other], images, tmp_path, n_jobs=1)["noisy"]
    assert not np.array_equal(noisy.held_out, first.held_out)


@pytest.mark.parametrize("epochs", [1, 2, 5, 60])
def test_logged_epochs_span_the_run(epochs):
    logged = logged_epochs(epochs)
    assert logged[0] == 1 and logged[-1] == epochs and len(logged) <= 12
    assert logged == sorted(set(logged))


def test_final_scores_are_those_of_the_last_epoch(images, jobs, tmp_path):
    found = cross_fit_arms(ARMS, images, tmp_path)
    scores = final_scores(found)
    assert scores["short"].shape == (2, 220)
    np.testing.assert_array_equal(scores["long"], found["long"].held_out[:, 2])
