"""Time a sweep of linear probes in one batched solve against scikit-learn in parallel processes.

112 problems, 8 penalties x 14 labels, on 2,000 rows of 1,280 standardised features. Both sides
minimise the same objective to the same ``tol`` with L-BFGS: scikit-learn's default 1e-4, and 1e-8,
near where rounding of the loss ends both. At 1e-4 the coefficients of either side are still far
from the optimum where the penalty is weak; they are compared at 1e-8.

Without ``--features`` the matrix is synthetic: pooled, clipped activations with decaying singular
values, and labels that depend on the same latent factors. Run ``python -m benchmarks.probes``;
takes about three minutes.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from cxrstudy.vision.logistic import fit_logistic

RESULTS = Path("_build/bench/probes.csv")
INVERSE_PENALTIES = np.logspace(-6, 1, 8)
DEFAULT, TIGHT = 1e-4, 1e-8
MAX_ITERATIONS = 20_000
OURS = "cxrstudy.vision.logistic"
IN_PARALLEL = "scikit-learn, joblib"


def synthetic_problems(
    n: int = 2_000, n_features: int = 1_280, n_labels: int = 14
) -> tuple[NDArray, NDArray]:
    """Features like the pooled ReLU6 maps of a convolutional network, and 14 noisy labels."""
    rng = np.random.default_rng(0)
    n_factors, n_positions = 256, 16
    size = np.arange(1, n_factors + 1)[:, None]
    loadings = 2.0 * size**-0.8 * rng.normal(size=(n_factors, n_features))
    bias = rng.normal(-1.5, 1.0, n_features)
    factors = rng.normal(size=(n, n_factors))
    pooled = np.zeros((n, n_features))
    for _ in range(n_positions):
        local = (factors + rng.normal(size=factors.shape)) / np.sqrt(2.0)
        noise = rng.normal(0.0, 0.5, pooled.shape)
        pooled += np.clip(local @ loadings + bias + noise, 0.0, 6.0) / n_positions
    signal = factors @ (size**-0.5 * rng.normal(size=(n_factors, n_labels)))
    logits = 1.2 * signal / signal.std(0) + rng.logistic(size=signal.shape)
    prevalence = np.linspace(0.03, 0.4, n_labels)
    cuts = [np.quantile(*pair) for pair in zip(logits.T, 1.0 - prevalence, strict=True)]
    return pooled, (logits > cuts).astype(float)


def batched(features: NDArray, labels: NDArray, tolerance: float) -> NDArray:
    """Parameters of all problems, penalties before labels, intercept last."""
    n_penalties, n_labels = INVERSE_PENALTIES.size, labels.shape[1]
    heads = fit_logistic(
        features,
        np.tile(labels, (1, n_penalties)),
        np.repeat(INVERSE_PENALTIES, n_labels),
        tolerance=tolerance,
    )
    return np.column_stack([heads.coefficients, heads.intercepts])


def in_parallel(features: NDArray, labels: NDArray, tolerance: float, threads: int) -> NDArray:
    """Solve the same by scikit-learn's default solver, one problem to a process."""

    def fit(penalty: float, label: NDArray) -> NDArray:
        model = LogisticRegression(C=penalty, tol=tolerance, max_iter=MAX_ITERATIONS)
        with warnings.catch_warnings():
            # Its line search warns where rounding ends it, which the gradients report.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, label)
        return np.append(model.coef_[0], model.intercept_)

    problems = [(penalty, label) for penalty in INVERSE_PENALTIES for label in labels.T]
    # Processes share the features through a memory map.
    return np.array(Parallel(n_jobs=threads)(delayed(fit)(*problem) for problem in problems))


def largest_gradient(features: NDArray, labels: NDArray, parameters: NDArray) -> float:
    """Largest entry of any problem's mean gradient: how far a side really got."""
    logits = features @ parameters[:, :-1].T + parameters[:, -1]
    probabilities = 1.0 / (1.0 + np.exp(-logits))
    residuals = (probabilities - np.tile(labels, (1, INVERSE_PENALTIES.size))) / len(features)
    penalty = np.repeat(1.0 / INVERSE_PENALTIES, labels.shape[1])[:, None] * parameters[:, :-1]
    gradient = residuals.T @ features + penalty / len(features)
    return float(max(np.abs(gradient).max(), np.abs(residuals.sum(0)).max()))


def _timed(run: Callable[[], NDArray]) -> tuple[NDArray, float]:
    """Return result and wall seconds of one call."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def rows(features: NDArray, labels: NDArray, threads: int, tolerance: float) -> list[dict]:
    """Both sides in turn, ours three times and the fastest kept."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads), warnings.catch_warnings():
        # scikit-learn's line search warns where rounding ends it, which the gradients report.
        warnings.simplefilter("ignore", ConvergenceWarning)
        calls = [_timed(lambda: batched(features, labels, tolerance)) for _ in range(3)]
        own, wall = min(calls, key=lambda call: call[1])
        loop, loop_wall = _timed(lambda: in_parallel(features, labels, tolerance, threads))
    shared = {"threads": threads, "tolerance": tolerance}
    difference = np.abs(own - loop)[:, :-1].max()
    return [
        {
            **shared,
            "method": method,
            "seconds": seconds,
            "times_ours": seconds / wall,
            "largest_gradient": largest_gradient(features, labels, parameters),
            "largest_difference": difference,
        }
        for method, seconds, parameters in (
            (OURS, wall, own),
            (IN_PARALLEL, loop_wall, loop),
        )
    ]


def main(features: NDArray | None = None, labels: NDArray | None = None) -> None:
    """Run every setting, print the table and write it beside the other benchmarks."""
    if features is None or labels is None:
        features, labels = synthetic_problems()
    features = np.asarray(features, dtype=np.float64)
    features = (features - features.mean(0)) / features.std(0)
    cores = torch.get_num_threads()
    settings = [(1, DEFAULT), (1, TIGHT), (cores, DEFAULT)]
    table = pd.DataFrame([row for setting in settings for row in rows(features, labels, *setting)])
    torch.set_num_threads(cores)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS, index=False, float_format="%.6g")
    shape = f"{features.shape[0]:,} rows, {features.shape[1]:,} features"
    print(f"{labels.shape[1] * INVERSE_PENALTIES.size} logistic regressions, {shape}")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=np.load, help="features of real images, a .npy file")
    parser.add_argument("--labels", type=np.load, help="their classes 0 and 1, a .npy file")
    main(**vars(parser.parse_args()))
