"""Time the agreement engine against named peers on the two workloads of the study.

W1: 500 studies, 14 observations, 3 methods, F1 and kappa, 2 averages, 3 paired differences, so
192 intervals.  W2: 25,000 rows, 14 observations, 10 models, AUROC, 1,000 replicates.

Peers that would take minutes are timed on fewer replicates and extrapolated linearly, which the
table states.  Peers report percentile intervals or none; ours are BCa with an exact jackknife.
Peak memory is that of a fresh Linux process that runs one workload only, imports included
(``VmHWM``; ``ru_maxrss`` of a child counts its parent).

Run ``python -m benchmarks.agreement``; needs scikit-learn, and scors for its row.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling, agree

RESULTS = Path("_build/bench/agreement.csv")
CONTRASTS = [("a", "b"), ("a", "c"), ("b", "c")]
OURS = "cxrstudy.agreement"
LOOP = "scikit-learn loop"
NUMPY = "numpy product"
SCORS = "scors"


def w1_tables() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    rng = np.random.default_rng(0)
    prevalence = np.linspace(0.03, 0.55, 14)
    truth = (rng.random((500, 14)) < prevalence).astype(float)
    columns = [f"observation {i}" for i in range(14)]
    methods = {
        name: np.where(rng.random(truth.shape) < error, 1 - truth, truth)
        for name, error in (("a", 0.08), ("b", 0.12), ("c", 0.16))
    }
    frames = {name: pd.DataFrame(table, columns=columns) for name, table in methods.items()}
    return pd.DataFrame(truth, columns=columns), frames


def w2_tables() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    rng = np.random.default_rng(1)
    truth = (rng.random((25_000, 14)) < np.linspace(0.02, 0.3, 14)).astype(float)
    columns = [f"observation {i}" for i in range(14)]
    models = {f"model {m}": np.round(truth + rng.normal(size=truth.shape), 3) for m in range(10)}
    frames = {name: pd.DataFrame(table, columns=columns) for name, table in models.items()}
    return pd.DataFrame(truth, columns=columns), frames


def ours_w1(n_bootstrap: int) -> Callable[[], pd.DataFrame]:
    """From label tables to 192 BCa intervals."""
    tables = w1_tables()
    return lambda: agree(*tables, contrasts=CONTRASTS, resampling=Resampling(n_bootstrap)).table()


def ours_w2(n_bootstrap: int) -> Callable[[], pd.DataFrame]:
    """From score tables to BCa intervals, sorting and exact jackknife included."""
    tables = w2_tables()
    return lambda: agree(*tables, metrics=("auroc",), resampling=Resampling(n_bootstrap)).table()


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def _best(run: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Fastest of several calls, the usual defence against a shared machine."""
    return min(_timed(run) for _ in range(repeats))


def scikit_learn_w1(n_replicates: int) -> Callable[[], None]:
    from sklearn.metrics import cohen_kappa_score, f1_score

    truth, predictions = w1_tables()
    labels = truth.to_numpy(int)
    methods = [table.to_numpy(int) for table in predictions.values()]

    def run() -> None:
        rng = np.random.default_rng(0)
        for _ in range(n_replicates):
            drawn = rng.integers(0, 500, 500)
            for method in methods:
                for o in range(14):
                    f1_score(labels[drawn, o], method[drawn, o], zero_division=0)
                    cohen_kappa_score(labels[drawn, o], method[drawn, o])

    return run


def _numpy_metrics(counts: np.ndarray) -> np.ndarray:
    """F1 and kappa with averages and differences, (2, 6, 16, n), of counts (98, n)."""
    p, q, tp = counts[:14], counts[14:56].reshape(3, 14, -1), counts[56:].reshape(3, 14, -1)
    f1 = 2 * tp / np.maximum(p + q, 1)
    disagreements = p + q - 2 * tp
    kappa = 1 - 500 * disagreements / np.maximum(p * (500 - q) + q * (500 - p), 1)
    both = np.stack([f1, kappa])
    averages = np.stack([both.mean(axis=2), (both * p).sum(axis=2) / p.sum(axis=0)], axis=2)
    values = np.concatenate([both, averages], axis=2)
    return np.concatenate([values, values[:, [0, 0, 1]] - values[:, [1, 2, 2]]], axis=1)


def numpy_w1(n_replicates: int) -> Callable[[], None]:
    """One product of multiplicities and indicators, then all metrics at once.

    What a careful user would write for this workload: single precision, chunks, no missing values.
    """
    truth, predictions = w1_tables()
    labels = truth.to_numpy()
    methods = [table.to_numpy() for table in predictions.values()]
    indicators = np.hstack([labels, *methods, *(labels * method for method in methods)])
    indicators = indicators.T.astype(np.float32)

    def run() -> None:
        rng = np.random.default_rng(0)
        replicates = np.empty((2, 6, 16, n_replicates))
        for first in range(0, n_replicates, 1000):
            drawn = rng.multinomial(500, np.full(500, 1 / 500), min(1000, n_replicates - first))
            counts = indicators @ drawn.T.astype(np.float32)
            replicates[..., first : first + 1000] = _numpy_metrics(counts.astype(float))

    return run


def numpy_percentiles(n_replicates: int) -> Callable[[], None]:
    replicates = np.random.default_rng(0).normal(size=(192, n_replicates))
    return lambda: np.percentile(replicates, [2.5, 97.5], axis=1)


def _w2_loop(score: Callable, n_replicates: int) -> Callable[[], None]:
    """Score every presorted cell of W2 under each replicate's weights."""
    truth, predictions = w2_tables()
    cells = []
    for table in predictions.values():
        for name in truth:
            order = np.argsort(-table[name].to_numpy())
            labels = truth[name].to_numpy()[order].astype(np.uint8)
            cells.append((order, labels, np.ascontiguousarray(table[name].to_numpy()[order])))
    rng = np.random.default_rng(0)
    weights = rng.multinomial(25_000, np.full(25_000, 1 / 25_000), n_replicates).astype(float)

    def run() -> None:
        for order, labels, scores in cells:
            for drawn in weights:
                score(labels, scores, drawn[order])

    return run


def scikit_learn_w2(n_replicates: int) -> Callable[[], None]:
    from sklearn.metrics import roc_auc_score

    return _w2_loop(lambda y, s, w: roc_auc_score(y, s, sample_weight=w), n_replicates)


def scors_w2(n_replicates: int) -> Callable[[], None]:
    import scors

    descending = scors.Order.DESCENDING
    return _w2_loop(lambda y, s, w: scors.roc_auc(y, s, w, descending), n_replicates)


WORKLOADS = {"W1": ours_w1, "W2": ours_w2}


def _alone(argument: str, n_bootstrap: int, **environment: str) -> float:
    """Run this module in a fresh process and return the number that it prints."""
    command = [sys.executable, "-m", "benchmarks.agreement", argument, str(n_bootstrap)]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    return float(done.stdout)


def _print_peak_megabytes(workload: str, n_bootstrap: int) -> None:
    WORKLOADS[workload](n_bootstrap)()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1000)


def _print_first_call_seconds(n_bootstrap: int) -> None:
    calls = [workload(n_bootstrap) for workload in WORKLOADS.values()]
    print(_timed(lambda: [call() for call in calls])[0])


def _row(workload, n_bootstrap, method, seconds, timed, note, memory=None) -> dict:
    return {
        "workload": workload,
        "replicates": n_bootstrap,
        "method": method,
        "seconds": seconds[0],
        "processor_seconds": seconds[1],
        "timed_replicates": timed,
        "extrapolated": timed < n_bootstrap,
        "peak_megabytes": memory,
        "note": note,
    }


def _extrapolated(seconds: tuple[float, float], timed: int, n_bootstrap: int) -> np.ndarray:
    return np.array(seconds) * (n_bootstrap / timed)


def w1_rows(n_bootstrap: int) -> list[dict]:
    ours = _best(ours_w1(n_bootstrap))
    memory = _alone("W1", n_bootstrap)
    loop = _extrapolated(_best(scikit_learn_w1(4), 2), 4, n_bootstrap)
    product = np.array(_best(numpy_w1(n_bootstrap), 3))
    cuts = np.array(_best(numpy_percentiles(n_bootstrap), 2))
    at = ("W1", n_bootstrap)
    return [
        _row(*at, OURS, ours, n_bootstrap, "192 BCa intervals, exact jackknife", memory),
        _row(*at, LOOP, loop, 4, "42 pairs, no averages, no intervals"),
        _row(*at, NUMPY, product, n_bootstrap, "no intervals"),
        _row(*at, f"{NUMPY} + percentile", product + cuts, n_bootstrap, "192 percentile intervals"),
    ]


def w2_rows(n_bootstrap: int) -> list[dict]:
    ours = _best(ours_w2(n_bootstrap), 3)
    memory = _alone("W2", n_bootstrap)
    note = "presorted, weights, one thread, no intervals"
    at = ("W2", n_bootstrap)
    loop = _extrapolated(_best(scikit_learn_w2(2), 1), 2, n_bootstrap)
    rows = [
        _row(*at, OURS, ours, n_bootstrap, "sorting, exact jackknife, BCa included", memory),
        _row(*at, LOOP, loop, 2, note),
    ]
    if importlib.util.find_spec("scors"):
        seconds = _extrapolated(_best(scors_w2(10), 3), 10, n_bootstrap)
        rows.append(_row(*at, SCORS, seconds, 10, note))
    else:
        print("scors is not installed, so its row is absent; pip install scors adds it")
    return rows


def first_call_rows() -> list[dict]:
    """Both workloads once in a fresh process: compiled, and loaded from numba's cache."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = [_alone("first-call", 64, NUMBA_CACHE_DIR=folder) for _ in range(2)]
    notes = "W1 and W2, compiling", "W1 and W2, loading compiled code from numba's cache"
    return [
        _row("first call", 64, OURS, (wall, np.nan), 64, note)
        for wall, note in zip(seconds, notes, strict=True)
    ]


def main() -> None:
    """Run both workloads, print the table and write it beside the other benchmarks."""
    rows = [*first_call_rows(), *w1_rows(1_000), *w1_rows(10_000), *w2_rows(1_000)]
    table = pd.DataFrame(rows)
    own = table[table.method == OURS].groupby(["workload", "replicates"]).seconds.min()
    keys = pd.MultiIndex.from_frame(table[["workload", "replicates"]])
    table.insert(5, "times_ours", table.seconds.to_numpy() / own.reindex(keys).to_numpy())
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS, index=False, float_format="%.6g")
    print(f"{numba.get_num_threads()} threads, numba {numba.__version__}, numpy {np.__version__}")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["first-call", n_bootstrap]:
            _print_first_call_seconds(int(n_bootstrap))
        case [workload, n_bootstrap]:
            _print_peak_megabytes(workload, int(n_bootstrap))
