"""Run the studies whose data are not in the box, and hold tables and verdicts to the records.

The book that stands in `_build` was built without these data, from the records. A study that keeps
trainings takes as long as they do, and is left out: study 10 fine-tunes a text encoder.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from cxrstudy.data.registry import datasets
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import RunFolders, studies
from cxrstudy.runs.record import without_ids
from cxrstudy.runs.shown import ledger_of_runs

BUILD = "_build/open"


def main() -> None:
    """Exit with an error that names the first table or claim that differs."""
    names = [
        study.name
        for study in studies().values()
        if any(datasets()[name].tier for name in study.data) and not _trains(study.name)
    ]
    # Verdicts hang together: the other studies' runs stand in both builds.
    for name in set(studies()) - set(names):
        for kind in ("runs", "results"):
            place = Path(BUILD, kind, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(Path("_build", kind, name).absolute())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_run, names))
    for name in names:
        own, recorded = RunFolders.of(name, BUILD).results, RunFolders.recorded(name).results
        files = sorted(path.name for path in recorded.glob("*.csv"))
        if files != sorted(path.name for path in own.glob("*.csv")):
            sys.exit(f"{name}: other tables than recorded; record it anew")
        for file in files:
            tables = (
                pd.read_csv(StringIO(without_ids((folder / file).read_text("utf-8"))))
                for folder in (own, recorded)
            )
            # Another processor may break a tie of resamples otherwise.
            assert_frame_equal(*tables, rtol=1e-4, atol=1e-3, obj=f"{name}/{file}")
    recorded_rows = {row["id"]: row for row in json.loads(Path("_build/ledger.json").read_text())}
    for row in ledger_of_runs(BUILD):
        if row.study in names and json.loads(json.dumps(asdict(row))) != recorded_rows[row.id]:
            sys.exit(f"claim {row.id} is decided otherwise by the record: {recorded_rows[row.id]}")
    print(f"{len(names)} studies give the recorded tables and verdicts: {', '.join(names)}")


def _trains(name: str) -> bool:
    return "kept" in RunFolders.recorded(name).read_stamp()["parameters"]


def _run(name: str) -> None:
    recorded = RunFolders.recorded(name).read_stamp()["set"]
    command = [sys.executable, "-m", "cxrstudy.cli", "run", name, "--set", recorded]
    command += ["--build", BUILD]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as in a build: two run side by side
    subprocess.run(command, cwd=project_root(), check=True, env=environment)


if __name__ == "__main__":
    main()
