"""Students as jobs: what is kept of one is the student, and wrong data are refused at once."""

import dataclasses

import numpy as np
import pytest

from cxrstudy.text.students import StudentJob, predict, train_student
from cxrstudy.trainings.many import train_many


@pytest.fixture
def job(toy, toy_config, teacher) -> StudentJob:
    training, held_out = toy
    config = dataclasses.replace(toy_config, epochs=1)
    return StudentJob(config, training, teacher(training), held_out)


def test_what_is_kept_is_the_student(job, tmp_path):
    """Same predictions as without the folder; equal jobs run once, another seed is another."""
    other = dataclasses.replace(job, config=dataclasses.replace(job.config, seed=1))
    jobs = [job, other, dataclasses.replace(job)]
    kept = train_many(jobs, tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    for each, read in zip(jobs, kept, strict=True):
        student = train_student(each.texts, each.targets, each.config, device="cpu")
        np.testing.assert_array_equal(
            read.arrays["probabilities"], predict(student, each.held_out_texts)
        )
        assert read.about["n_parameters"] == student.model.n_parameters
        assert read.about["training_loss"] == student.training_loss
        assert read.about["seconds"] > 0


def test_every_part_of_a_job_is_its_data(job, tmp_path):
    targets = job.targets.copy()
    targets[0, 0] = [0.25, 0.5, 0.25]
    changed = [
        job,
        dataclasses.replace(job, texts=[*job.texts[:-1], "another"]),
        dataclasses.replace(job, held_out_texts=job.held_out_texts[:-1]),
        dataclasses.replace(job, targets=targets),
    ]
    train_many(changed, tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.safetensors"))) == 4


def test_wrong_jobs_are_refused_when_they_are_written_down(job):
    with pytest.raises(ValueError, match="targets have shape"):
        dataclasses.replace(job, targets=job.targets[:-1])
    with pytest.raises(ValueError, match="training report 4 is also held out"):
        dataclasses.replace(job, held_out_texts=[*job.held_out_texts, job.texts[4].upper()])
