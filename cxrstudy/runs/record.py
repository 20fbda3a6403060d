"""Record a long run's aggregate results in the repository, for pages of a smaller run."""

import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.paths import CLAIMS_FOLDER
from cxrstudy.recorded import SETS_BY_SIZE, load_recorded, recorded_folder, recorded_path
from cxrstudy.runs.catalogue import RunFolders, Study
from cxrstudy.runs.stamp import provenance
from cxrstudy.whole_files import written_whole


class RecordError(ValueError):
    """A run that cannot be recorded; the message says why and what to do."""


def record_run(study: Study, build: str | Path = "_build") -> Path:
    """Record the table that ``studies.yaml`` names and the measurements of a finished run."""
    folders = RunFolders.of(study.name, build)
    if not study.recorded:
        raise RecordError(f"{study.name}: studies.yaml names no table to record for it")
    if not folders.stamp.exists():
        raise RecordError(
            f"{study.name}: no finished run in {build}; run it first: "
            f"cxrstudy run {study.name} --set cpu --build {build}"
        )
    stamp = json.loads(folders.stamp.read_text("utf-8"))
    if stamp["missing"] or stamp["set"] not in SETS_BY_SIZE:
        raise RecordError(
            f"{study.name}: the run in {build} is of set {stamp['set']!r} and lacks "
            f"{stamp['missing'] or 'nothing'}; record a complete run of a named set"
        )
    _refuse_smaller(study, stamp["set"])
    table = pd.read_csv(folders.results / f"{study.recorded}.csv")
    # Measurements first: a table without them would look complete.
    _record_measurements(folders.results / CLAIMS_FOLDER, study.name)
    return _write(table.assign(set=stamp["set"], **_provenance(stamp)), study.name)


def record_benchmark(table: pd.DataFrame, name: str, study: Study, setting: str) -> Path:
    """Record under `name` what a benchmark of a study's code measured, with its provenance.

    `setting` says what was timed, and stands where a run has the name of its set.
    """
    described = _provenance(provenance(study, {}, seconds=0.0))
    return _write(table.assign(set=f"benchmark, {setting}", **described), name)


def _write(table: pd.DataFrame, name: str) -> Path:
    path = recorded_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")
    return path


def _refuse_smaller(study: Study, set_name: str) -> None:
    recorded = load_recorded(study.name)
    larger = "" if recorded is None else recorded["set"].iloc[0]
    if larger and SETS_BY_SIZE.index(larger) > SETS_BY_SIZE.index(set_name):
        raise RecordError(
            f"{study.name}: a run of the larger set {larger!r} is recorded in "
            f"{recorded_path(study.name)}; delete that file to replace it"
        )


def _provenance(stamp: dict) -> dict[str, str]:
    return {
        "hardware": hardware(),
        "versions": ", ".join(f"{name} {number}" for name, number in stamp["versions"].items()),
        "date": datetime.now(UTC).date().isoformat(),
        "data": ", ".join(f"{name} {digest}" for name, digest in stamp["data"].items()),
        "commit": stamp["commit"],
    }


def hardware() -> str:
    """Name what computes: the GPU if torch sees one, else processor type and cores."""
    cores = f"{os.cpu_count()} {platform.machine()} cores"
    try:
        import torch
    except ImportError:
        return cores
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cores


def _record_measurements(source: Path, study: str) -> None:
    """Copy measurements; resamples in single precision to keep the repository small."""
    target = recorded_folder() / study / CLAIMS_FOLDER
    temporary = target.with_name(f".{CLAIMS_FOLDER}.{os.getpid()}")
    temporary.mkdir(parents=True)
    # Counts of a paper's own figures do not grow with a run; only estimates are copied.
    for path in sorted(source.glob("*.npz")):
        shutil.copy(path.with_suffix(".json"), temporary)
        with np.load(path, allow_pickle=False) as arrays:
            small = {
                name: array.astype(np.float32) if array.ndim and array.dtype == float else array
                for name, array in arrays.items()
            }
        np.savez_compressed(temporary / path.name, **small)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
