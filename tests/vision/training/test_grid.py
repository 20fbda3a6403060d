"""Many trainings: each kept once, found again, and never taken for another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxrstudy.vision.training import Job, grid, predict_logits, train, train_many

TRAINING, WATCHED = np.arange(0, 30), np.arange(30, 40)


@pytest.fixture
def inputs(features) -> np.ndarray:
    return features[0].numpy()


@pytest.fixture
def jobs(features, config) -> list[Job]:
    """Two different trainings and the first once more."""
    targets = features[1].numpy()[TRAINING]
    return [Job(replace(config, epochs=epochs), targets, TRAINING, WATCHED) for epochs in (1, 2, 1)]


@pytest.fixture
def trained_epochs(monkeypatch) -> list[int]:
    """Run lengths of the trainings that take place, in their order."""
    lengths = []

    def recording(inputs, targets, config, *more):
        lengths.append(config.epochs)
        return train(inputs, targets, config, *more)

    monkeypatch.setattr(grid, "train", recording)
    return lengths


def assert_kept(kept, job: Job, inputs: np.ndarray) -> None:
    """What is kept is what a training without the grid gives."""
    rows, watched = (torch.from_numpy(inputs[chosen]) for chosen in (job.training, job.watched))
    training = train(rows, torch.from_numpy(job.targets), job.config, watched)
    np.testing.assert_array_equal(kept.logits, training.logits)
    np.testing.assert_array_equal(kept.losses, training.losses)
    np.testing.assert_array_equal(kept.training_logits, predict_logits(training.model, rows))
    assert kept.seconds > 0


def test_what_is_kept_is_the_training(jobs, inputs, tmp_path, trained_epochs):
    """In the order of the jobs; equal ones are trained once, the longest first."""
    kept = train_many(inputs, jobs, tmp_path / "new", n_jobs=1)
    assert trained_epochs == [2, 1]
    for job, each in zip(jobs, kept, strict=True):
        assert each.logits.shape == (job.config.epochs, 10, 3)
        assert_kept(each, job, inputs)
    assert sorted(file.suffix for file in (tmp_path / "new").iterdir()) == [
        ".lock", ".lock", ".safetensors", ".safetensors",
    ]  # fmt: skip


def test_kept_trainings_are_used_again(jobs, inputs, tmp_path, trained_epochs):
    """A second call trains nothing and says the same."""
    first = train_many(inputs, jobs, tmp_path, n_jobs=1)
    trained_epochs.clear()
    again = train_many(inputs, jobs[::-1], tmp_path, n_jobs=1)[::-1]
    assert trained_epochs == []
    for before, after in zip(first, again, strict=True):
        np.testing.assert_array_equal(before.logits, after.logits)
        assert before.seconds == after.seconds


def test_other_data_or_configuration_is_trained_anew(jobs, inputs, tmp_path, trained_epochs):
    """Nothing that is kept is taken for a training on other data; unused rows do not count."""
    train_many(inputs, jobs[:1], tmp_path, n_jobs=1)
    targets = jobs[0].targets.copy()
    targets[0] = 1 - targets[0]
    changed = [
        replace(jobs[0], config=replace(jobs[0].config, seed=1)),
        replace(jobs[0], targets=targets),
        replace(jobs[0], watched=WATCHED[1:]),
        replace(jobs[0], training=TRAINING[::-1]),
    ]
    train_many(inputs, changed, tmp_path, n_jobs=1)
    assert len(trained_epochs) == 5
    train_many(np.concatenate([inputs, inputs]), jobs[:1], tmp_path, n_jobs=1)
    assert len(trained_epochs) == 5


def test_a_stopped_grid_goes_on_where_it_was(jobs, inputs, tmp_path, monkeypatch, trained_epochs):
    """Stopped while the second training is written: the first is kept, the second is not half."""
    save = grid.save_file

    def stopping(tensors, path, metadata):
        save(tensors, path, metadata)
        if len(tensors["losses"]) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(grid, "save_file", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_many(inputs, jobs, tmp_path, n_jobs=1)
    (only,) = tmp_path.glob("*.safetensors")
    # The half-written file and the checkpoint of the finished training wait to be used.
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1
    written = only.stat().st_mtime_ns
    trained_epochs.clear()
    kept = train_many(inputs, jobs, tmp_path, n_jobs=1)
    assert trained_epochs == [1]
    assert not [file for file in tmp_path.iterdir() if file.suffix not in {".lock", ".safetensors"}]
    assert only.stat().st_mtime_ns == written
    assert_kept(kept[0], jobs[0], inputs)


def test_two_processes_give_the_same(jobs, inputs, tmp_path):
    """Each on one thread, as here."""
    for job, kept in zip(jobs, train_many(inputs, jobs, tmp_path, n_jobs=2), strict=True):
        assert_kept(kept, job, inputs)


def test_no_jobs_are_no_trouble(inputs, tmp_path):
    assert train_many(inputs, [], tmp_path, n_jobs=1) == []
