"""Many trainings, each kept as soon as it is done, so that a stopped study resumes."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env
from filelock import FileLock
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from cxrstudy.paths import in_project
from cxrstudy.trainings.job import Job, Kept, keep, limited_threads, read_kept
from cxrstudy.trainings.key import result_key


def train_many(jobs: Sequence[Job], folder: str | Path, n_jobs: int = -1) -> list[Kept]:
    """Run the trainings that the folder does not hold yet, and return all in the jobs' order.

    On a CPU each of `n_jobs` processes trains on one thread. On a GPU the trainings follow one
    another, and so they do in the processes of `accelerate launch`, which share each batch. Equal
    jobs are trained once. What is kept of another configuration, other data or other code is never
    used. The folder, relative to the project, is made when missing.
    """
    folder = in_project(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_key(job)}.safetensors" for job in jobs]
    together = _processes()
    (kept,) = broadcast_object_list([{path for path in paths if path.exists()}])
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if path not in kept}
    # The longest first: a long one that starts last would keep the other processes waiting.
    missing = dict(sorted(missing.items(), key=lambda item: -item[1].cost))
    n_jobs = 1 if torch.cuda.is_available() or together.num_processes > 1 else n_jobs
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(_train_and_keep)(job, path) for path, job in missing.items()
        )
        for _ in tqdm(done, total=len(missing), desc="trainings", mininterval=5, disable=None):
            pass
    together.wait_for_everyone()
    return [read_kept(path) for path in paths]


def _processes() -> PartialState:
    """Those that `accelerate launch` started, or this one alone."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def _key(job: Job) -> str:
    return result_key(type(job).__module__, job.config, *job.data())


def _train_and_keep(job: Job, path: Path) -> None:
    """Train, unless another study just did while this one waited for the lock."""
    n_threads = torch.get_num_threads() if torch.cuda.is_available() else 1
    # Of processes that train together, one decides and writes.
    is_first = _processes().is_main_process
    lock = FileLock(path.with_suffix(".lock")) if is_first else nullcontext()
    with lock, limited_threads(n_threads):
        if broadcast_object_list([path.exists()])[0]:
            return
        checkpoint = path.with_suffix(".checkpoint")
        if not is_first:
            job.train(checkpoint)
            return
        # Half files of a process that was killed while it wrote: ".4711.<key>.checkpoint"
        for leftover in path.parent.glob(f".*.{path.stem}.*"):
            leftover.unlink()
        keep(path, job.config, job.train(checkpoint))
        checkpoint.unlink(missing_ok=True)
