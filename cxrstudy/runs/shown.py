"""Which run a study's page and verdicts come from: this machine's own, or the recorded one."""

from pathlib import Path

from cxrstudy.claims import LedgerRow, build_ledger
from cxrstudy.data.registry import dataset
from cxrstudy.recorded import SETS_BY_SIZE, load_recorded
from cxrstudy.runs.catalogue import RunFolders, Study, studies


def shown_run(study: str, build: str | Path = "_build") -> RunFolders:
    """Locate the run that a study's page shows: the recorded one if its own had no data."""
    own, recorded = RunFolders.of(study, build), RunFolders.recorded(study)
    return recorded if own.read_stamp().get("missing") and recorded.stamp.exists() else own


def ledger_of_runs(build: str | Path = "_build") -> list[LedgerRow]:
    """Decide every claim by the run that its page shows, or by a larger recorded one."""
    results, larger, missing_data = [], [], {}
    for study in studies().values():
        run = shown_run(study.name, build)
        stamp = run.read_stamp()
        missing = stamp.get("missing", [])
        if stamp:
            results.append(run.results)
        if missing:
            missing_data[study.name] = ", ".join(dataset(name).title for name in missing)
        set_name = "" if missing else stamp.get("set", "")
        if study.recorded and _size(recorded_set(study)) > _size(set_name):
            larger.append(RunFolders.recorded(study.name).results)
    return build_ledger(results, missing_data, larger)


def recorded_set(study: Study) -> str:
    """Name the set of a study's recorded run; empty if there is none."""
    table = load_recorded(study.name)
    if table is None:
        return RunFolders.recorded(study.name).read_stamp().get("set", "")
    return table["set"].iloc[0]


def _size(set_name: str) -> int:
    """Rank a set; overridden parameters and no run at all come before the smallest."""
    return SETS_BY_SIZE.index(set_name) if set_name in SETS_BY_SIZE else -1
