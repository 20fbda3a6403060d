"""Many trainings: each kept once, found again, and never taken for another."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxrstudy.trainings import job as trainings_job
from cxrstudy.trainings.job import Kept, keep, limited_threads, own_randomness
from cxrstudy.trainings.many import train_many
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.training import ImageJob, TrainingConfig, job, predict_logits, train

TRAINING, WATCHED = np.arange(0, 30), np.arange(30, 40)


def feature_jobs() -> list[ImageJob]:
    """Two different trainings of a head on features, and the first once more."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 6)).astype(np.float32)
    targets = (features[TRAINING, :3] > 0).astype(np.float32)
    return [
        ImageJob(features, TrainingConfig(epochs=n, batch_size=8), targets, TRAINING, WATCHED)
        for n in (1, 2, 1)
    ]


jobs = pytest.fixture(feature_jobs)


@pytest.fixture
def trained_epochs(monkeypatch) -> list[int]:
    """Run lengths of the trainings that take place, in their order."""
    lengths = []

    def recording(inputs, targets, config, *more):
        lengths.append(config.epochs)
        return train(inputs, targets, config, *more)

    monkeypatch.setattr(job, "train", recording)
    return lengths


def assert_kept(kept: Kept, job: ImageJob) -> None:
    rows, targets, watched = (torch.from_numpy(part) for part in job.data())
    with limited_threads(1):
        training = train(rows, targets, job.config, watched)
        of_training = predict_logits(training.model, rows)
    np.testing.assert_array_equal(kept.arrays["logits"], training.logits)
    np.testing.assert_array_equal(kept.arrays["losses"], training.losses)
    np.testing.assert_array_equal(kept.arrays["training_logits"], of_training)
    tensors = load_file(kept.path)
    for name, weight in training.model.state_dict().items():
        assert torch.equal(tensors[f"weight.{name}"], weight.half()), name
    assert kept.about["seconds"] > 0 and kept.about["config"]["epochs"] == job.config.epochs


def test_what_is_kept_is_the_training_and_used_again(jobs, tmp_path, trained_epochs):
    """In the order of the jobs; equal ones are trained once, the longest first."""
    folder = tmp_path / "new"
    kept = train_many(jobs, folder, n_jobs=1)
    assert trained_epochs == [2, 1]
    for each, own in zip(jobs, kept, strict=True):
        assert own.arrays["logits"].shape == (each.config.epochs, 10, 3)
        assert_kept(own, each)
    suffixes = sorted(file.suffix for file in folder.iterdir())
    assert suffixes == [".lock", ".lock", ".safetensors", ".safetensors"]
    trained_epochs.clear()
    again = train_many(jobs[::-1], folder, n_jobs=1)[::-1]
    assert trained_epochs == [] and train_many([], folder, n_jobs=1) == []
    for before, after in zip(kept, again, strict=True):
        np.testing.assert_array_equal(before.arrays["logits"], after.arrays["logits"])
        assert before.about == after.about


def test_other_data_or_configuration_is_trained_anew(jobs, tmp_path, trained_epochs):
    train_many(jobs[:1], tmp_path, n_jobs=1)
    targets = jobs[0].targets.copy()
    targets[0] = 1 - targets[0]
    changed = [
        replace(jobs[0], config=replace(jobs[0].config, seed=1)),
        replace(jobs[0], targets=targets),
        replace(jobs[0], watched=WATCHED[1:]),
        replace(jobs[0], training=TRAINING[::-1]),
    ]
    train_many(changed, tmp_path, n_jobs=1)
    assert len(trained_epochs) == 5
    longer = replace(jobs[0], inputs=np.concatenate([jobs[0].inputs, jobs[0].inputs]))
    train_many([longer], tmp_path, n_jobs=1)
    assert len(trained_epochs) == 5


def die_in_the_second_write(folder: str) -> None:
    """Run the trainings in this process, which is killed with the second file half written."""
    written = []

    def dying(tensors, path, metadata):
        written.append(path)
        save_file(tensors, path, metadata)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    save_file, trainings_job.save_file = trainings_job.save_file, dying
    train_many(feature_jobs(), folder, n_jobs=1)


def test_a_killed_call_goes_on_where_it_was(jobs, tmp_path, trained_epochs):
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['die_in_the_second_write'](sys.argv[2])"
    killed = subprocess.run([sys.executable, "-c", code, __file__, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (only,) = tmp_path.glob("[!.]*.safetensors")
    # The half-written file and the checkpoint of the finished training.
    assert len(list(tmp_path.glob(".*.safetensors"))) == 1
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1
    written = only.stat().st_mtime_ns
    kept = train_many(jobs, tmp_path, n_jobs=1)
    assert trained_epochs == [1]
    assert {file.suffix for file in tmp_path.iterdir()} == {".lock", ".safetensors"}
    assert len(list(tmp_path.iterdir())) == 4
    assert only.stat().st_mtime_ns == written
    assert_kept(kept[0], jobs[0])


def test_two_processes_give_the_same(jobs, tmp_path):
    for each, kept in zip(jobs, train_many(jobs, tmp_path, n_jobs=2), strict=True):
        assert_kept(kept, each)


def uneven_jobs() -> list[ImageJob]:
    """Batches that do not divide by two: 25 images, and labels that half of them lack."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (30, 32, 32), np.uint8)
    targets = rng.integers(0, 2, (25, 2)).astype(np.float32)
    targets[::2, 0] = np.nan
    backbone = BackboneName("shufflenet_v2_x0_5", "random")
    config = TrainingConfig(backbone, epochs=2, batch_size=8, augmented=True)
    return [
        ImageJob(images, replace(config, seed=seed), targets, np.arange(25), np.arange(25, 30))
        for seed in (0, 1)
    ]


@pytest.mark.slow
def test_two_processes_of_accelerate_share_each_batch_with_the_numbers_of_one(tmp_path):
    """Sums in another order: float32 differs in its last digits, which AdamW makes larger."""
    code = "import runpy, sys; each = runpy.run_path(sys.argv[1]); "
    code += "each['train_many'](each['uneven_jobs'](), sys.argv[2])"
    (tmp_path / "launched.py").write_text(code, "utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launch += ["--dynamo_backend", "no", "--main_process_port", "0"]
    launched = [tmp_path / "launched.py", __file__, tmp_path / "two"]
    on_cpu = os.environ | {"ACCELERATE_USE_CPU": "true"}
    subprocess.run([*launch, *launched], check=True, env=on_cpu, timeout=300)
    one = train_many(uneven_jobs(), tmp_path / "one", n_jobs=1)
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {path.name for path in (tmp_path / "one").iterdir()}
    for single, shared in zip(one, train_many(uneven_jobs(), tmp_path / "two"), strict=True):
        for name, array in single.arrays.items():
            np.testing.assert_allclose(shared.arrays[name], array, rtol=1e-3, atol=1e-4)


def test_weights_that_no_job_keeps_are_none(jobs, tmp_path):
    keep(tmp_path / "kept", jobs[0].config, trainings_job.Trained({"losses": np.ones(2)}, {}))
    read = trainings_job.read_kept(tmp_path / "kept")
    assert read.arrays["losses"].tolist() == [1, 1]
    assert not [name for name in load_file(read.path) if name.startswith("weight.")]


def test_threads_are_as_before(jobs):
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt), limited_threads(before + 1), own_randomness(0):
        assert torch.get_num_threads() == before + 1
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
