"""The key of a training: data, configuration and code, but no prose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cxrstudy.vision.training.fingerprint import training_key

from cxrstudy.vision.training import TrainingConfig, fingerprint


@pytest.fixture
def edit(monkeypatch):
    """Return the hash of the sources as if one file had something appended."""
    read = Path.read_text

    def hash_with(name: str, addition: str, augmented: bool = False) -> str:
        def edited(path, *arguments):
            text = read(path, *arguments)
            return text + addition if path.name == name else text

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", edited)
            return fingerprint._source.__wrapped__(augmented)

    return hash_with


@pytest.mark.parametrize(
    "name", ["backbones.py", "batch_norm.py", "classifier.py", "grey_input.py", "loop.py",
             "schedule.py", "bce.py", "one_pass.py"]
)  # fmt: skip
def test_an_edit_of_deciding_code_is_another_training(name, edit):
    """New code in these modules retrains everything; a new comment nothing."""
    assert edit(name, "\nlater = 1\n") != edit(name, "") == edit(name, "\n# later\n")


def test_an_edit_of_the_augmentation_concerns_augmented_runs_alone(edit):
    for name in ("batches.py", "augment.py", "philox.py"):
        assert edit(name, "\nlater = 1\n") == edit(name, "")
        assert edit(name, "\nlater = 1\n", augmented=True) != edit(name, "", augmented=True)


def test_an_edit_elsewhere_retrains_nothing(edit):
    assert edit("memorisation.py", "\nlater = 1\n") == edit("memorisation.py", "")


def test_another_version_of_torch_is_another_training(monkeypatch):
    arrays = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 1), np.float32), np.zeros((1, 4, 4))
    key = training_key(*arrays, TrainingConfig())
    monkeypatch.setattr(fingerprint, "version", lambda name: "99.0")
    assert training_key(*arrays, TrainingConfig()) != key


def test_equal_data_have_an_equal_key(tmp_path):
    """Whether they lie in memory, in a file or in a strided view."""
    rng = np.random.default_rng(0)
    images, targets = rng.integers(0, 256, (6, 4, 4), np.uint8), rng.random((6, 2), np.float32)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    spread = np.repeat(targets, 2, axis=0)[::2]
    key = training_key(images, targets, images[:2], TrainingConfig())
    assert key == training_key(mapped, spread, mapped[:2], TrainingConfig())
    assert len(key) == 24 and int(key, 16) >= 0


def test_any_change_of_data_or_configuration_changes_the_key():
    """Eight different trainings have eight keys."""
    rng = np.random.default_rng(0)
    images, targets = rng.integers(0, 256, (6, 4, 4), np.uint8), rng.random((6, 2), np.float32)
    config = TrainingConfig()
    other_images, other_targets = images.copy(), targets.copy()
    other_images[5, 3, 3] += 1
    other_targets[0, 0] = np.nan
    keys = [
        training_key(images, targets, images[:2], config),
        training_key(other_images, targets, images[:2], config),
        training_key(images, other_targets, images[:2], config),
        training_key(images, targets, images[:3], config),
        training_key(images.reshape(6, 2, 8), targets, images[:2], config),
        training_key(images.view(np.int8), targets, images[:2], config),
        training_key(images, targets, images[:2], replace(config, seed=1)),
        training_key(
            images, targets, images[:2], replace(config, backbone=replace(config.backbone, seed=1))
        ),
    ]
    assert len(set(keys)) == 8
