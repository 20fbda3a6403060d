"""The run graph: data and code -> one run for each study -> ledger -> site.

Each run is a pure function of its notebook, parameters, data hashes and the package modules that
the notebook imports; Snakemake compares these and re-runs what changed. `cxrstudy book` calls it
with a lock and a second, tolerant pass after a failure.
"""

import sys
from pathlib import Path

from cxrstudy.data.registry import datasets
from cxrstudy.runs.catalogue import studies
from cxrstudy.runs.stamp import study_sources

SET = config.get("set", "quick")
CXRSTUDY = f"{sys.executable} -m cxrstudy.cli"
ROOT = Path.cwd()
RECORDED = sorted(str(p) for p in Path("book/recorded").glob("**/*") if p.is_file())


def sources(wildcards):
    return [str(path.relative_to(ROOT)) for path in study_sources(studies()[wildcards.study])]


def stamps(wildcards):
    wanted = [f"_build/runs/{name}/stamp.json" for name in studies()]
    if config.get("after_failure"):
        wanted = [path for path in wanted if Path(path).exists()]
    return wanted


def failures(wildcards):
    # A first pass may still mend what failed in an earlier build, and then removes the note.
    notes = Path("_build/runs").glob("*/failure.json") if config.get("after_failure") else []
    return sorted(str(path) for path in notes)


def data_hashes(wildcards):
    names = studies()[wildcards.study].data
    return {name: list(datasets()[name].files.values()) for name in names}


wildcard_constraints:
    study="|".join(studies()),


rule site:
    input:
        ledger="_build/ledger.json",
        stamps=stamps,
        failures=failures,
        sources=[
            "_config.yml",
            "CITATION.cff",
            *sorted(str(p) for p in Path("book").glob("*.*")),
            *sorted(str(p) for p in Path("book/examples").iterdir()),
            *sorted(str(p) for p in Path("book/_static").iterdir()),
            *sorted(str(p) for p in Path("book/_templates").iterdir()),
            *sorted(str(p) for p in Path("cxrstudy/book").glob("*.py")),
            "cxrstudy/table_html.py",
            "notebooks/studies.yaml",
            *RECORDED,
        ],
    output:
        "_build/html/index.html",
    log:
        "_build/log/site.log",
    shell:
        CXRSTUDY + " site > {log} 2>&1"


rule ledger:
    input:
        stamps=stamps,
        claims=sorted(str(p) for p in Path("cxrstudy/claims").iterdir() if p.is_file()),
        recorded=RECORDED,
    output:
        "_build/ledger.json",
    log:
        "_build/log/ledger.log",
    shell:
        CXRSTUDY + " ledger > {log} 2>&1"


rule run:
    input:
        sources=sources,
        style="matplotlibrc",
        versions="requirements.lock",
    output:
        stamp="_build/runs/{study}/stamp.json",
        results=directory("_build/results/{study}"),
    log:
        "_build/log/{study}.log",
    params:
        set=SET,
        parameters=lambda wildcards: studies()[wildcards.study].parameters(SET),
        data=data_hashes,
    shell:
        CXRSTUDY + " run {wildcards.study} --set {params.set} --in-build > {log} 2>&1"
