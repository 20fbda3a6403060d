"""Many trainings: kept one by one, resumed after a kill, never confused."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from cxrstudy.text.students import Job, StudentConfig, grid, predict, train_many, train_student

SEEDS = (0, 1, 2)


def grid_jobs() -> list[Job]:
    """Three short trainings that two processes describe alike."""
    texts = [f"there is word{i % 7} and word{i % 5}" for i in range(60)]
    targets = np.eye(3, dtype=np.float32)[[[i % 3, i % 2] for i in range(60)]]
    return [
        Job(
            StudentConfig(size="tiny", epochs=1, vocabulary_size=100, max_tokens=16, seed=seed),
            texts,
            targets,
            ["word1 alone"],
        )
        for seed in SEEDS
    ]


def run_until_second(folder: str) -> None:
    """Train the grid, and wait in its second training for the end."""

    def stopping(*data):
        if data[2].seed == SEEDS[1]:
            print("second", flush=True)
            sys.stdin.read()
        return train_student(*data)

    grid.train_student = stopping
    train_many(grid_jobs(), folder, n_jobs=1)


def test_a_killed_grid_trains_only_what_is_missing(tmp_path, monkeypatch):
    """Killed in its second training, it keeps the first and goes on with the other two."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['run_until_second'](sys.argv[2])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, __file__, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "second\n"
    process.kill()
    process.communicate()
    (first,) = tmp_path.glob("*.safetensors")
    written = first.stat().st_mtime_ns

    seeds = []

    def counting(*data):
        seeds.append(data[2].seed)
        return train_student(*data)

    monkeypatch.setattr(grid, "train_student", counting)
    assert len(train_many(grid_jobs(), tmp_path, n_jobs=1)) == len(SEEDS)
    assert seeds == [1, 2]
    assert first.stat().st_mtime_ns == written
    assert len(list(tmp_path.glob("*.safetensors"))) == len(SEEDS)


@pytest.fixture
def jobs(toy, toy_config, teacher) -> list[Job]:
    training, held_out = toy
    config = dataclasses.replace(toy_config, epochs=1)
    return [
        Job(dataclasses.replace(config, seed=seed), training, teacher(training), held_out)
        for seed in (0, 1, 0)
    ]


def test_two_processes_give_what_one_training_gives(jobs, tmp_path):
    """Same predictions as without the grid, in the order of the jobs; equal jobs run once."""
    kept = train_many(jobs, tmp_path, n_jobs=2)
    assert len(list(tmp_path.iterdir())) == 2
    for job, prediction in zip(jobs, kept, strict=True):
        student = train_student(job.texts, job.targets, job.config, device="cpu")
        np.testing.assert_array_equal(
            prediction.probabilities, predict(student, job.held_out_texts)
        )
        assert prediction.n_parameters == student.model.n_parameters
        assert prediction.training_loss == student.training_loss
        assert prediction.seconds > 0


def test_any_change_of_the_inputs_changes_the_key(jobs, monkeypatch):
    job = jobs[0]
    targets = job.targets.copy()
    targets[0, 0] = [0.25, 0.5, 0.25]
    changed = [
        dataclasses.replace(job, config=dataclasses.replace(job.config, alpha=0.75)),
        dataclasses.replace(job, texts=[*job.texts[:-1], "another"]),
        dataclasses.replace(job, held_out_texts=job.held_out_texts[:-1]),
        dataclasses.replace(job, targets=targets),
    ]
    keys = {job.key, *(other.key for other in changed)}
    assert len(keys) == 5 and jobs[2].key == job.key
    monkeypatch.setattr("cxrstudy.text.students.fingerprint._source", lambda: "other code")
    assert job.key not in keys


def test_wrong_jobs_are_refused_before_the_first_training(jobs, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("trained")

    monkeypatch.setattr(grid, "train_student", never)
    wrong = dataclasses.replace(jobs[1], targets=jobs[1].targets[:-1])
    with pytest.raises(ValueError, match="targets have shape"):
        train_many([jobs[0], wrong], tmp_path / "kept", n_jobs=1)
    assert not (tmp_path / "kept").exists()
