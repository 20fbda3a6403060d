"""Which run decides a study's claims and makes its page: this machine's or the recorded one."""

from pathlib import Path

from cxrstudy.claims import LedgerRow, build_ledger
from cxrstudy.data.registry import dataset
from cxrstudy.recorded import SETS_BY_SIZE
from cxrstudy.runs.catalogue import RunFolders, Study, studies


def shown_run(study: Study, build: str | Path = "_build") -> RunFolders:
    """Locate the run that decides and is shown: the larger one, and of equals the own."""
    own, recorded = RunFolders.of(study.name, build), RunFolders.recorded(study.name)
    is_larger = set_size(study, recorded.read_stamp()) > set_size(study, own.read_stamp())
    return recorded if is_larger else own


def set_size(study: Study, stamp: dict) -> int:
    """Rank the set of a run: that of the largest set with the same parameters.

    No run, one without its data and one with overridden parameters come before the smallest.
    """
    if stamp.get("missing") or stamp.get("set") not in study.sets:
        return -1
    parameters = study.parameters(stamp["set"])
    return max(SETS_BY_SIZE.index(name) for name in study.sets if study.sets[name] == parameters)


def ledger_of_runs(build: str | Path = "_build") -> list[LedgerRow]:
    """Decide every claim by the run that its study's page shows."""
    results, missing_data = [], {}
    for study in studies().values():
        run = shown_run(study, build)
        stamp = run.read_stamp()
        if stamp:
            results.append(run.results)
        if missing := stamp.get("missing"):
            missing_data[study.name] = ", ".join(dataset(name).title for name in missing)
    return build_ledger(results, missing_data)
