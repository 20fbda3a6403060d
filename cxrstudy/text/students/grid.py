"""Many trainings, each kept as soon as it is done, so that a stopped study resumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config
from safetensors import safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from cxrstudy.text.students.checks import check_training_data
from cxrstudy.text.students.config import StudentConfig
from cxrstudy.text.students.fingerprint import training_key
from cxrstudy.text.students.predict import predict
from cxrstudy.text.students.train import train_student
from cxrstudy.whole_files import written_whole


@dataclass(frozen=True, eq=False)
class Job:
    """One training and the reports that measure it.

    Attributes
    ----------
    config : StudentConfig
    texts : sequence of str, length n_reports
        Training reports.
    targets : ndarray of float32, shape (n_reports, n_findings, 3)
    held_out_texts : sequence of str, length n_held_out
    """

    config: StudentConfig
    texts: Sequence[str]
    targets: np.ndarray
    held_out_texts: Sequence[str]

    @property
    def key(self) -> str:
        """Name of what is kept of this training."""
        return training_key(self.texts, self.targets, self.config, self.held_out_texts)


@dataclass(frozen=True, eq=False)
class HeldOutPrediction:
    """What is kept of one training.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n_held_out, n_findings, 3)
        Of absent, present and uncertain, in the order of the held-out reports.
    n_parameters : int
        Size of the student.
    training_loss : float
        Mean over all steps.
    seconds : float
        Wall time of the training.
    """

    probabilities: np.ndarray
    n_parameters: int
    training_loss: float
    seconds: float


def train_many(jobs: Sequence[Job], folder: str | Path, n_jobs: int = 2) -> list[HeldOutPrediction]:
    """Train the students that are not kept yet, and return what all of them predict.

    Each process trains on one thread. Called again after an interruption, with the same jobs and
    folder, it trains what is missing. What is kept of another configuration, other data or other
    code is never used.

    Parameters
    ----------
    jobs : sequence of Job
        Equal ones are trained once.
    folder : path
        Holds one safetensors file for each training; made when missing.
    n_jobs : int
        Processes.

    Returns
    -------
    list of HeldOutPrediction
        In the order of the jobs.

    Raises
    ------
    ValueError
        If the data of a job do not fit together; before any training.
    """
    for job in jobs:
        check_training_data(job.texts, np.asarray(job.targets), job.held_out_texts)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{job.key}.safetensors" for job in jobs]
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if not path.exists()}
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(_train_and_keep)(job, path) for path, job in missing.items()
        )
        for _ in tqdm(done, total=len(missing), desc="students", disable=None):
            pass
    return [_read(path) for path in paths]


def _train_and_keep(job: Job, path: Path) -> None:
    """Train, predict the held-out reports, and write the file whole."""
    student = train_student(job.texts, job.targets, job.config, job.held_out_texts)
    with written_whole(path) as unfinished:
        save_file(
            {"probabilities": predict(student, job.held_out_texts)},
            unfinished,
            metadata={
                "n_parameters": str(student.model.n_parameters),
                "training_loss": repr(student.training_loss),
                "seconds": repr(student.seconds),
            },
        )


def _read(path: Path) -> HeldOutPrediction:
    with safe_open(path, framework="numpy") as kept:
        about = kept.metadata()
        return HeldOutPrediction(
            kept.get_tensor("probabilities"),
            int(about["n_parameters"]),
            float(about["training_loss"]),
            float(about["seconds"]),
        )
