"""Compare the audit with cleanlab, deepchecks and Evidently on tables with one planted defect each.

Every tool sees the same files: labels with a defect of a known kind, the truth that they are
compared with, and the groups; and for each the same files before the defect was planted, its twin.
The tools serve other purposes and know no codes of uncertainty and no reports. Each is set up as a
careful user would (`benchmarks.peers.audit_*`; limits were chosen on other tables), what it reports
is translated into the kinds of the audit, and a kind that none of its checks speaks of is said to
be beyond it rather than missed.

- **named**: it reports this kind of defect, in these columns, and does not in the twin.
- **located**: it points to the rows, at least half of the union shared, whatever it calls them.
- **alerted**: it reports anything that it does not report in the twin.
- **clean**: it reports this kind in so many of the clean tables, which are the twins.

Of the audit's findings only errors and warnings count. ``python -m benchmarks.audit_tools`` runs
the audit; the tools run again only if the tables, their programs or their requirements have
changed. ``--record`` keeps the table for the book.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from functools import partial
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml

from benchmarks.peers.environment import peer_python
from cxrstudy.data import chexpert_test
from cxrstudy.runs import record_benchmark, study
from tests.audit.planted import KINDS, Planted, clean, plant

OURS = "cxrstudy audit"
TOOLS = {
    OURS: "cxrstudy",
    "cleanlab": "cleanlab",
    "deepchecks": "deepchecks",
    "Evidently": "evidently",
}
PEERS = Path(__file__).parent / "peers"
EXPRESSES = PEERS / "audit_tools.yaml"
FLAGS = Path("_build/bench/audit_tools")
TABLE = Path("_build/bench/audit_tools.csv")

PLANTED = 5
FIRST_SEED = 900  # the tests plant with others
SHARED = 0.5  # of the union of the rows flagged and planted
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def cases() -> dict[str, tuple[str, Planted, str]]:
    """Plant the defects: by name of a case its kind, its tables and the name of its twin."""
    data = chexpert_test.load()
    tables = {"truth": data.truth, "labels": data.labeler, **data.readers}
    made = {}
    for kind in KINDS:
        for seed in range(FIRST_SEED, FIRST_SEED + PLANTED):
            case = plant(tables, kind, seed)
            name, twin = _twin(tables, case, kind, seed)
            made[f"{kind} {seed}"] = kind, case, name
            made[name] = "clean", twin, name
    return made


def _twin(tables: dict, case: Planted, kind: str, seed: int) -> tuple[str, Planted]:
    """Draw the tables of a case again without its defect; patients then stay in one part."""
    for attempt in range(100):
        number = 1000 * seed + attempt
        twin = clean(tables, number, bootstrap=seed % 2 == 1)
        if not twin.truth.equals(case.truth):
            continue
        if kind != "patient_overlap":
            return f"clean {number}", twin
        twin.groups = case.groups.copy()
        twin.groups["split"] = twin.groups.groupby("patient")["split"].transform("first")
        return f"clean {number}, patients", twin
    raise AssertionError(f"no twin of {kind}, seed {seed}")


def flags_of(tool: str, folder: Path) -> dict[str, dict]:
    """Let a tool audit every folder in one, or take what it said of the same files before."""
    name = TOOLS[tool]
    program = PEERS / f"audit_{name}.py"
    made_of = [*sorted(folder.glob("*/*.csv")), PEERS / "audit_cases.py", program]
    made_of += [] if tool == OURS else [PEERS / f"{name}_requirements.txt"]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()[:16]
    stored = FLAGS / f"{name}_{key}.json"
    if tool == OURS or not stored.exists():
        python = sys.executable if tool == OURS else peer_python(name)
        subprocess.run([python, program, folder], check=True, env={**environ, **THREADS})
        FLAGS.mkdir(parents=True, exist_ok=True)
        stored.write_bytes((folder / "flags.json").read_bytes())
    return json.loads(stored.read_text("utf-8"))


def judged(case: Planted, kind: str, flags: list[dict], twin: list[dict]) -> dict[str, bool]:
    """Say whether the flags name, locate or at least notice a defect, beside those of its twin."""
    fits = partial(_fits, case, kind)
    expected = {_key(flag, "kind") for flag in twin if fits(flag)}
    known = {_key(flag, "check") for flag in twin}
    fitting = [flag for flag in flags if fits(flag)]
    located = any(_shared(case, flag) >= SHARED for flag in flags)
    located &= not any(_shared(case, flag) >= SHARED for flag in twin)
    named = any(
        _key(flag, "kind") not in expected or (located and _shared(case, flag) >= SHARED)
        for flag in fitting
    )
    alerted = named or located or any(_key(flag, "check") not in known for flag in flags)
    return {"named": named, "located": located, "alerted": alerted}


def _fits(case: Planted, kind: str, flag: dict) -> bool:
    same = flag["kind"] == kind and flag["table"] == case.table
    return same and (not case.columns or set(flag["columns"]) == set(case.columns))


def _key(flag: dict, name: str) -> tuple:
    return flag[name], flag["table"], *sorted(flag["columns"])


def _shared(case: Planted, flag: dict) -> float:
    """Return which part of all rows that were planted or flagged is both."""
    if case.rows is None or not flag["rows"] or flag["table"] != case.table:
        return 0.0
    planted, flagged = set(range(case.rows[0], case.rows[1] + 1)), set(flag["rows"])
    return len(planted & flagged) / len(planted | flagged)


def table_of(made: dict, found: dict[str, dict]) -> pd.DataFrame:
    """Count by kind and tool; the rows ``none`` count clean tables with any flag as alerted."""
    expresses = yaml.safe_load(EXPRESSES.read_text("utf-8"))
    clean_ones = [name for name, (kind, _, _) in made.items() if kind == "clean"]
    rows = []
    for kind in KINDS:
        for tool, results in found.items():
            scores = [
                judged(case, kind, results[name]["flags"], results[twin]["flags"])
                for name, (planted, case, twin) in made.items()
                if planted == kind
            ]
            counts = {"planted": len(scores), **pd.DataFrame(scores).sum().to_dict()}
            raised = [{flag["kind"] for flag in results[name]["flags"]} for name in clean_ones]
            counts["clean"] = sum(kind in kinds for kinds in raised)
            said, note = expresses[kind].get(tool, ["yes", ""])
            rows.append({"kind": kind, "tool": tool, **counts, "expresses": said, "note": note})
    for tool, results in found.items():
        alerted = sum(bool(results[name]["flags"]) for name in clean_ones)
        seconds = np.median([each["seconds"] for each in results.values()])
        note = f"{seconds:.2g} processor seconds for one table{_version(tool)}"
        rows.append({"kind": "none", "tool": tool, "planted": len(clean_ones), "named": 0})
        rows[-1] |= {"located": 0, "alerted": alerted, "clean": 0, "expresses": "", "note": note}
    return pd.DataFrame(rows)


def _version(tool: str) -> str:
    if tool == OURS:
        return ""  # stands in every row
    name = TOOLS[tool]
    pins = (PEERS / f"{name}_requirements.txt").read_text("utf-8").splitlines()
    return next(f"; {tool} {pin.split('==')[1]}" for pin in pins if pin.startswith(f"{name}=="))


def measure() -> pd.DataFrame:
    """Write the tables, let every tool audit them, and judge what they flag."""
    made = cases()
    with TemporaryDirectory() as temporary:
        for name, (_, case, _) in made.items():
            folder = Path(temporary) / name
            folder.mkdir()
            case.written(folder)
        return table_of(made, {tool: flags_of(tool, Path(temporary)) for tool in TOOLS})


def main(record: bool = False) -> None:
    """Measure, print and, if asked, keep the table."""
    table = measure()
    table.to_csv(TABLE, index=False)
    print(table.drop(columns="note").to_string(index=False))
    if record:
        setting = f"{PLANTED} of a kind"
        record_benchmark(table, "audit_tools", study("data_integrity"), setting)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="keep the table in book/recorded")
    main(**vars(parser.parse_args()))
