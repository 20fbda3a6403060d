"""The whole book in one call: lock, run graph, and a site even if a study fails."""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cxrstudy.data.registry import unavailable
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import RunFolders, studies
from cxrstudy.runs.progress import LOG_FOLDER, print_summary, stamp_times

_LOG = f"{LOG_FOLDER}/snakemake.log"


def build_book(
    set_name: str = "quick", cores: int | None = None, profile: str | None = None
) -> int:
    """Run every study that is out of date, decide the ledger and build the site; 0 if all went.

    A failed study leaves a page that says so. A killed build is taken up where it stopped. With a
    profile of Snakemake, studies run where it says, such as on a cluster.
    """
    with _only_build() as lock:
        (project_root() / LOG_FOLDER).mkdir(exist_ok=True)
        (project_root() / _LOG).unlink(missing_ok=True)
        stamps_before = stamp_times()
        # Asked once: studies that run are told of a network that does not answer.
        missing = unavailable(dict.fromkeys(n for study in studies().values() for n in study.data))
        if any((project_root() / ".snakemake" / "locks").glob("*")):
            _snakemake(lock, "--unlock")
        options = [*_place(cores, profile), "--rerun-incomplete", "--keep-going"]
        options += ["--logger", "cxrstudy", "--logger-cxrstudy-set-name", set_name]
        config = ["--config", f"set={set_name}"]
        stale = _stale_stamps(set_name, missing)
        forced = ["--forcerun", *stale] if stale else []
        status = _snakemake(lock, "site", *options, *forced, *config)
        if status:
            _snakemake(lock, "site", *options, *config, "after_failure=true")
        print_summary(stamps_before)
        if status:
            print(f"the build failed; see {_LOG}{_error_of_snakemake()}", file=sys.stderr)
        return status


def _place(cores: int | None, profile: str | None) -> list[str]:
    """Say where the studies run: on this machine one for each core, or where the profile says."""
    if profile is None:
        return ["--set-threads", "run=1", "--cores", str(cores) if cores else "all"]
    # A path as seen from where the user is; any other name Snakemake looks up in its own folders.
    return ["--profile", str(Path(profile).absolute()) if Path(profile).exists() else profile]


def _error_of_snakemake() -> str:
    """Find why no study could begin: what Snakemake says of a profile that it cannot use."""
    # "__main__.py: error: argument --executor/-e: invalid choice: 'slurm' (choose from ...)"
    errors = re.findall(
        r"^(?:\S+: )?error: (.+)", (project_root() / _LOG).read_text("utf-8"), re.M | re.I
    )
    if not errors:
        return ""
    hint = "; an executor is a plugin: pip install -e '.[cluster]' brings that of SLURM"
    return f"\n{errors[-1]}" + hint * ("--executor" in errors[-1])


def _stale_stamps(set_name: str, missing: Container[str]) -> list[str]:
    """List runs without tables, of other parameters, or that lacked data which are here now."""
    stale = []
    for folders in map(RunFolders.of, studies()):
        stamp = folders.read_stamp() if folders.results.exists() else {}
        came = any(name not in missing for name in stamp.get("missing", []))
        if came or stamp.get("set") != set_name:
            stale.append(str(folders.stamp.relative_to(project_root())))
    return stale


def _snakemake(lock: IO, *arguments: str) -> int:
    """Run Snakemake; it inherits the lock, and so keeps it even if this process is killed.

    The logger plugin writes to stdout, everything else to a log.
    """
    command = [sys.executable, "-m", "snakemake", *arguments]
    # Studies run side by side, one for each core; threads of theirs would wait for one another.
    # Numba's own count would undo that of OpenMP, and torch's with it.
    environment = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", **os.environ}
    with (project_root() / _LOG).open("a") as log:
        snakemake = subprocess.Popen(
            command, cwd=project_root(), pass_fds=[lock.fileno()], env=environment, stderr=log
        )
        try:
            return snakemake.wait()
        except KeyboardInterrupt:  # It has had the same signal, and stops what it runs.
            snakemake.wait()
            raise


@contextmanager
def _only_build() -> Iterator[IO]:
    """Wait until no other build of this checkout is alive.

    The system frees the lock when its last holder ends, however it ends. Snakemake's own lock
    outlives a killed process; one of filelock could not be handed on to Snakemake.
    """
    folder = project_root() / "_build"
    folder.mkdir(exist_ok=True)
    with (folder / ".build.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build of this checkout is running; waiting for it", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
