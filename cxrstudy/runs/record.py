"""Record a run in the repository: its whole page, for builds that lack the data or the hours."""

import json
import os
import platform
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cxrstudy.recorded import PROVENANCE, recorded_path
from cxrstudy.runs.catalogue import RunFolders, Study
from cxrstudy.runs.execute import publish, scratch_folder
from cxrstudy.runs.shown import set_size
from cxrstudy.runs.stamp import provenance
from cxrstudy.whole_files import written_whole

# Such as CheXpert-v1.0/test/patient64741/study1; labels without a licence are counted, not listed.
_STUDY_ID = re.compile(r"CheXpert-v1\.0[\w/-]*/patient\d+/study\d+")


class RecordError(ValueError):
    """A run that cannot be recorded; the message says why and what to do."""


def record_run(study: Study, build: str | Path = "_build") -> Path:
    """Record a finished run: its page, tables, measurements and provenance."""
    run, recorded = RunFolders.of(study.name, build), RunFolders.recorded(study.name)
    stamp = run.read_stamp()
    if not stamp:
        raise RecordError(
            f"{study.name}: no finished run in {build}; run it first: "
            f"cxrstudy run {study.name} --set full --build {build}"
        )
    if set_size(study, stamp) < 0:
        raise RecordError(
            f"{study.name}: the run in {build} is of set {stamp['set']!r} and lacks "
            f"{stamp['missing'] or 'nothing'}; record a complete run of a named set"
        )
    _refuse_smaller(study, stamp)
    stamp = _dated(stamp)
    recorded.stamp.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(recorded) as scratch:
        shutil.copytree(run.results, scratch / "results")
        for table in (scratch / "results").glob("*.csv"):
            table.write_text(without_ids(table.read_text("utf-8")), "utf-8")
        page = without_ids(_without_warnings(run.executed.read_text("utf-8")))
        (scratch / "executed.ipynb").write_text(page, "utf-8")
        (scratch / "stamp.json").write_text(json.dumps(stamp, indent=1) + "\n", "utf-8")
        publish(scratch, recorded)
    return recorded.executed


def record_benchmark(table: pd.DataFrame, name: str, study: Study, setting: str) -> Path:
    """Record what a benchmark measured; `setting` stands where a run has the name of its set."""
    stamp = provenance(study, {}, seconds=0.0) | {"set": f"benchmark, {setting}"}
    return _write(table.assign(**_columns(_dated(stamp))), name)


def _write(table: pd.DataFrame, name: str) -> Path:
    path = recorded_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")
    return path


def _refuse_smaller(study: Study, stamp: dict) -> None:
    recorded = RunFolders.recorded(study.name)
    larger = recorded.read_stamp()
    if set_size(study, larger) > set_size(study, stamp):
        raise RecordError(
            f"{study.name}: a run of the larger set {larger['set']!r} is recorded in "
            f"{recorded.stamp.parent}; delete that to replace it"
        )


def _dated(stamp: dict) -> dict:
    return stamp | {"hardware": hardware(), "date": datetime.now(UTC).date().isoformat()}


def _columns(stamp: dict) -> dict[str, str]:
    """Lay the provenance out as columns, the same in every row."""
    pairs = {key: ", ".join(map(" ".join, stamp[key].items())) for key in ("versions", "data")}
    return {name: (stamp | pairs)[name] for name in PROVENANCE}


def without_ids(text: str) -> str:
    """Withhold the ids of CheXpert's studies."""
    return _STUDY_ID.sub("(study id withheld)", text)


def _without_warnings(executed: str) -> str:
    """Leave out what is of the machine: warnings name its folders."""
    notebook = json.loads(executed)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [out for out in cell["outputs"] if out.get("name") != "stderr"]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def hardware() -> str:
    """Name what computes: the GPU if torch sees one, else processor type and cores."""
    cores = f"{os.cpu_count()} {platform.machine()} cores"
    try:
        import torch
    except ImportError:
        return cores
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cores
