"""Compare the rule labeler with medspaCy's ConText on the CheXpert labeler's phrases.

Speed, on the same texts: impressions, findings with impressions, and a corpus in which no sentence
occurs twice, since a labeler that remembers sentences would gain from the many that OpenI repeats.
Every program runs in a process of its own with one thread; the times are those of labeling alone.
The peer's repeats follow each other in one process, so that spaCy's own caches serve it; each of
ours is the first call of a fresh process. ConText with medspaCy's own sentence splitter, PyRuSH,
is several times slower and is timed on the first reports of each corpus only.

Accuracy, against what people coded (strict MeSH mapping, uncertain as 1): F1 on the reports of one
half of OpenI that have a text and were indexed, and the paired difference with a bootstrap of
texts. The rules were developed on the development half, where they look better than they are; the
held-out half measures them once, at the end, and is scored only when asked for.

Run ``python -m benchmarks.reports [--score-held-out]``.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.peers.environment import peer_python
from cxrstudy.agreement import MACRO_AVERAGE, WEIGHTED_AVERAGE, Resampling, agree
from cxrstudy.data.openi import (
    findings_and_impression,
    load_reports,
    mesh_labels,
    not_indexed,
)
from cxrstudy.observations import OBSERVATIONS, apply_uncertainty_policy
from cxrstudy.text.reports import development_half, text_hash_fraction

SPEED = Path("_build/bench/reports_speed.csv")
ACCURACY = Path("_build/bench/reports_accuracy.csv")
OURS = "cxrstudy.labeler"
PEER = "medspaCy ConText"
PEER_WITH_ITS_SPLITTER = "medspaCy ConText with PyRuSH"
CONTEXT_PROGRAM = Path(__file__).parent / "peers" / "medspacy_context.py"

REPEATS = 5
FEW = {"impressions": 1_500, "findings + impressions": 600, "low repeat": 600}  # for PyRuSH

MIN_POSITIVES = 15
NO_FINDING = "No Finding"
FINDINGS = [name for name in OBSERVATIONS if name != NO_FINDING]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Labeled:
    """What a program made of texts."""

    codes: pd.DataFrame  # float, (n_texts, 14): 1, 0, -1 and NaN
    seconds: np.ndarray  # (n_repeats, 2): wall and processor seconds


def label(program: Sequence[str | Path], texts: Sequence[str], repeats: int = 1) -> Labeled:
    """Let a program of `benchmarks.peers` label texts in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        source, codes, seconds = (Path(folder) / name for name in ("texts", "codes", "seconds"))
        source.write_text("".join(json.dumps(text) + "\n" for text in texts), "utf-8")
        command = [*program, source, codes, seconds, "--repeats", str(repeats)]
        subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD})
        table = pd.read_csv(codes, skip_blank_lines=False).reindex(columns=list(OBSERVATIONS))
        return Labeled(table, np.array(json.loads(seconds.read_text())))


def ours() -> list[str]:
    return [sys.executable, "-m", "benchmarks.peers.cxrstudy_rules"]


@cache
def peer() -> tuple[Path, Path]:
    return peer_python("medspacy"), CONTEXT_PROGRAM


def corpora() -> dict[str, list[str]]:
    """Return texts to time on."""
    reports = load_reports()
    impressions = _with_words(reports["impression"]).to_list()
    whole = _with_words(findings_and_impression(reports)).to_list()
    return {
        "impressions": impressions,
        "findings + impressions": whole,
        "low repeat": low_repeat(impressions, whole),
    }


def low_repeat(impressions: list[str], whole: list[str]) -> list[str]:
    """Deal the distinct sentences into reports, each sentence once.

    The numbers of sentences are those of real reports, half of the two kinds, until the sentences
    run out; full reports alone would make too few.
    """
    rng = np.random.default_rng(0)
    sizes = rng.permutation([len(sentences(text)) for text in [*impressions, *whole]])
    distinct = {" ".join(s.lower().split()): s for text in whole for s in sentences(text)}
    shuffled = rng.permutation(list(distinct.values()))
    ends = np.cumsum(sizes)
    ends = ends[: np.searchsorted(ends, len(shuffled), side="right")]
    return [" ".join(part) for part in np.split(shuffled, ends)[:-1] if len(part)]


def sentences(text: str) -> list[str]:
    """Split after full stops; pieces without a word, such as an item's number, are left out."""
    return [piece for piece in re.split(r"(?<=[.!?])\s+", text) if re.search("[A-Za-z]{2}", piece)]


def speed_table() -> pd.DataFrame:
    """Time every labeler on every corpus."""
    rows = []
    for corpus, texts in corpora().items():
        few = texts[: FEW[corpus]]
        fast = label(peer(), texts, REPEATS).seconds
        own = np.concatenate([label(ours(), texts).seconds for _ in range(REPEATS)])
        slow = label([*peer(), "--splitter", "medspacy_pyrush"], few, REPEATS).seconds
        rows += [
            _speed_row(corpus, len(texts), OURS, own),
            _speed_row(corpus, len(texts), PEER, fast),
            _speed_row(corpus, len(few), PEER_WITH_ITS_SPLITTER, slow),
        ]
    table = pd.DataFrame(rows)
    rates = table.set_index("corpus").query("method == @OURS")
    for clock in ("processor", "wall"):
        own = table["corpus"].map(rates[f"reports_per_{clock}_second"])
        table[f"ours_times_{clock}"] = own / table[f"reports_per_{clock}_second"]
    return table


def _speed_row(corpus: str, n_reports: int, method: str, seconds: np.ndarray) -> dict:
    """Medians of the repeats, and the range of the rates."""
    wall, processor = (n_reports / seconds).T
    return {
        "corpus": corpus,
        "method": method,
        "reports": n_reports,
        "repeats": len(seconds),
        "reports_per_processor_second": np.median(processor),
        "lowest": processor.min(),
        "highest": processor.max(),
        "reports_per_wall_second": np.median(wall),
    }


def accuracy_table(score_held_out: bool) -> pd.DataFrame:
    """F1 by observation, macro and micro, with the paired difference."""
    reports = load_reports()
    texts = _with_words(findings_and_impression(reports[~not_indexed(reports)]))
    texts = texts[development_half(texts) != score_held_out]
    truth = mesh_labels(reports.loc[texts.index], "strict")
    predictions = {
        method: _as_binary(label(program, texts.to_list()).codes, texts.index)
        for method, program in ((OURS, ours()), (PEER, peer()))
    }
    clusters = texts.map(text_hash_fraction).to_numpy()
    macro = f"macro F1, {MIN_POSITIVES} positives or more"
    every = _f1(truth, predictions, clusters).rename({MACRO_AVERAGE: macro})
    findings = _f1(truth[FINDINGS], {m: t[FINDINGS] for m, t in predictions.items()}, clusters)
    cells = {method: _pooled(table) for method, table in predictions.items()}
    pooled = _f1(_pooled(truth), cells, np.repeat(clusters, len(FINDINGS)))
    return pd.concat(
        [
            every,
            findings.loc[[MACRO_AVERAGE]].rename({MACRO_AVERAGE: f"{macro}, {NO_FINDING} apart"}),
            pooled.drop(index=MACRO_AVERAGE),
        ]
    )


def _f1(
    truth: pd.DataFrame, predictions: dict[str, pd.DataFrame], clusters: np.ndarray
) -> pd.DataFrame:
    """One row for each observation and for their average."""
    agreement = agree(
        truth,
        predictions,
        metrics=("f1",),
        contrasts=[(OURS, PEER)],
        resampling=Resampling(clusters=clusters),
        min_events=MIN_POSITIVES,
    )
    rows = dict(iter(agreement.table().set_index("observation").groupby("method")))
    difference = rows[f"{OURS} - {PEER}"]
    return pd.DataFrame(
        {
            "positives": difference["positives"],
            OURS: rows[OURS]["estimate"],
            PEER: rows[PEER]["estimate"],
            "difference": difference["estimate"],
            "low": difference["low"],
            "high": difference["high"],
        }
    ).drop(index=WEIGHTED_AVERAGE)


def _pooled(labels: pd.DataFrame) -> pd.DataFrame:
    """All cells of the 13 findings, report by report, as one column: its F1 is the micro F1."""
    return pd.DataFrame({"micro F1, 13 findings": labels[FINDINGS].to_numpy().ravel()})


def _as_binary(codes: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    return apply_uncertainty_policy(codes.set_index(index), "ones")


def _with_words(texts: pd.Series) -> pd.Series:
    return texts[texts.str.strip() != ""]


def main(score_held_out: bool = False) -> None:
    """Measure speed and accuracy, print the tables and write them beside the other benchmarks."""
    speed = speed_table()
    accuracy = accuracy_table(score_held_out)
    SPEED.parent.mkdir(parents=True, exist_ok=True)
    speed.to_csv(SPEED, index=False, float_format="%.6g")
    accuracy.to_csv(ACCURACY, index_label="observation", float_format="%.6g")
    print(speed.to_string(index=False, float_format="{:,.4g}".format))
    half = "held-out" if score_held_out else "development"
    print(f"\nF1 against strict MeSH codes, {half} half of OpenI, findings + impressions")
    print(accuracy.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--score-held-out", action="store_true", help="score the held-out half")
    main(**vars(parser.parse_args()))
