"""Many trainings, each kept as soon as it is done, so that a stopped study resumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from joblib import Parallel, delayed, parallel_config
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from cxrstudy.paths import in_project
from cxrstudy.torch_threads import limited_threads
from cxrstudy.vision.training.config import TrainingConfig
from cxrstudy.vision.training.fingerprint import training_key
from cxrstudy.vision.training.loop import predict_logits, train


@dataclass(frozen=True, eq=False)
class Job:
    """One training on some rows of an array, and the rows that it predicts.

    Attributes
    ----------
    config : TrainingConfig
    targets : ndarray of float32, shape (n_training, n_targets)
        Of the training rows.
    training, watched : ndarray of int64
        Rows that train, and rows that are predicted after every epoch.
    """

    config: TrainingConfig
    targets: np.ndarray
    training: np.ndarray
    watched: np.ndarray


@dataclass(frozen=True, eq=False)
class KeptTraining:
    """What is kept of one training.

    Attributes
    ----------
    logits : ndarray of float32, shape (epochs, n_watched, n_targets)
        For the watched rows after every epoch.
    training_logits : ndarray of float32, shape (n_training, n_targets)
        For the training rows, by the final weights.
    losses : ndarray of float32, shape (epochs,)
        Mean training loss of each epoch.
    seconds : float
        Wall time; of the last part, if it was resumed.
    """

    logits: np.ndarray
    training_logits: np.ndarray
    losses: np.ndarray
    seconds: float


def train_many(
    inputs: np.ndarray, jobs: Sequence[Job], folder: str | Path, n_jobs: int = -1
) -> list[KeptTraining]:
    """Run the trainings that are not kept yet, and return what all of them predict.

    On a CPU each process trains on one thread; on a GPU the trainings follow one another. Called
    again after an interruption it finishes what was begun and trains what is missing. What is
    kept of another configuration, other data or other code is never used.

    Parameters
    ----------
    inputs : ndarray
        Images of uint8, shape (n, size, size), or features of float32, shape (n, n_features).
    jobs : sequence of Job
        Equal ones are trained once.
    folder : path
        Holds one safetensors file for each training; made when missing. Relative to the project.
    n_jobs : int
        Processes; -1 for as many as there are cores.

    Returns
    -------
    list of KeptTraining
        In the order of the jobs.
    """
    folder = in_project(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_key(inputs, job)}.safetensors" for job in jobs]
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if not path.exists()}
    # The longest first: a long one that starts last would keep the other processes waiting.
    missing = dict(sorted(missing.items(), key=lambda item: -_cost(item[1])))
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(
            n_jobs=1 if torch.cuda.is_available() else n_jobs, return_as="generator_unordered"
        )(
            delayed(_train_and_keep)(
                inputs[job.training], job.targets, inputs[job.watched], job.config, path
            )
            for path, job in missing.items()
        )
        for _ in tqdm(done, total=len(missing), desc="trainings", mininterval=5, disable=None):
            pass
    return [_read(path) for path in paths]


def _key(inputs: np.ndarray, job: Job) -> str:
    return training_key(inputs[job.training], job.targets, inputs[job.watched], job.config)


def _cost(job: Job) -> int:
    return job.config.epochs * len(job.training)


def _train_and_keep(
    inputs: np.ndarray, targets: np.ndarray, watched: np.ndarray, config: TrainingConfig, path: Path
) -> None:
    """Train unless another study just did, and write the file under a temporary name first."""
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _train_and_write(inputs, targets, watched, config, path)


def _train_and_write(inputs, targets, watched, config: TrainingConfig, path: Path) -> None:
    inputs, targets, watched = (torch.from_numpy(np.array(a)) for a in (inputs, targets, watched))
    checkpoint = path.with_name(f"{path.stem}.checkpoint")
    n_threads = torch.get_num_threads() if torch.cuda.is_available() else 1
    with limited_threads(n_threads):
        done = train(inputs, targets.float(), config, watched, checkpoint)
    unfinished = path.with_name(f".{path.name}.unfinished")
    save_file(
        {
            "logits": done.logits,
            "training_logits": predict_logits(done.model, inputs),
            "losses": done.losses,
        },
        unfinished,
        metadata={"seconds": repr(done.seconds)},
    )
    unfinished.replace(path)
    checkpoint.unlink(missing_ok=True)


def _read(path: Path) -> KeptTraining:
    with safe_open(path, framework="numpy") as kept:
        arrays = {name: kept.get_tensor(name) for name in ("logits", "training_logits", "losses")}
        return KeptTraining(**arrays, seconds=float(kept.metadata()["seconds"]))
