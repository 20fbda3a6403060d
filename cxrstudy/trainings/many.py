"""Many trainings, each kept as soon as it is done, so that a stopped study resumes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from filelock import FileLock
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from cxrstudy.paths import in_project
from cxrstudy.trainings.job import Job, Kept, keep, limited_threads, read_kept
from cxrstudy.trainings.key import result_key


def train_many(jobs: Sequence[Job], folder: str | Path, n_jobs: int = -1) -> list[Kept]:
    """Run the trainings that the folder does not hold yet, and return all in the jobs' order.

    On a CPU each of `n_jobs` processes trains on one thread; on a GPU the trainings follow one
    another. Equal jobs are trained once. What is kept of another configuration, other data or
    other code is never used. The folder, relative to the project, is made when missing.
    """
    folder = in_project(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_key(job)}.safetensors" for job in jobs]
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if not path.exists()}
    # The longest first: a long one that starts last would keep the other processes waiting.
    missing = dict(sorted(missing.items(), key=lambda item: -item[1].cost))
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(
            n_jobs=1 if torch.cuda.is_available() else n_jobs, return_as="generator_unordered"
        )(delayed(_train_and_keep)(job, path) for path, job in missing.items())
        for _ in tqdm(done, total=len(missing), desc="trainings", mininterval=5, disable=None):
            pass
    return [read_kept(path) for path in paths]


def _key(job: Job) -> str:
    return result_key(type(job).__module__, job.config, *job.data())


def _train_and_keep(job: Job, path: Path) -> None:
    """Train, unless another study just did while this one waited for the lock."""
    n_threads = torch.get_num_threads() if torch.cuda.is_available() else 1
    with FileLock(path.with_suffix(".lock")), limited_threads(n_threads):
        if path.exists():
            return
        # Half files of a process that was killed while it wrote: ".4711.<key>.checkpoint"
        for leftover in path.parent.glob(f".*.{path.stem}.*"):
            leftover.unlink()
        checkpoint = path.with_suffix(".checkpoint")
        keep(path, job.config, job.train(checkpoint))
        checkpoint.unlink(missing_ok=True)
