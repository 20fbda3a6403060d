"""Nominal 95 % intervals cover the known truth of simulated tables 93-97 % of the time.

Independent simulations are the columns of one wide table.  The default run uses fewer of them and
widens the band by what 99.9 % of such runs would stay within if the coverage were just 93 or 97 %.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from cxrstudy.agreement import Resampling, agree, count_metric

PREVALENCE = 0.3
SIZES = [pytest.param(600, id="small"), pytest.param(6000, id="full", marks=pytest.mark.slow)]


def _assert_nominal(covered):
    n = len(covered)
    low, high = binom.ppf(0.001, n, 0.93) / n, binom.ppf(0.999, n, 0.97) / n
    assert low <= np.mean(covered) <= high, f"{np.mean(covered):.4f} of {n}"


def _population(metric, error):
    true_positives = PREVALENCE * (1 - error)
    predicted = true_positives + (1 - PREVALENCE) * error
    return count_metric(metric, 1.0, PREVALENCE, predicted, true_positives)


def _noisy_tables(rng, n_simulations, n_patients, rows_per_patient, errors):
    """Labels that a patient's rows share wholly (half of the patients) or not at all."""
    shape = (n_patients, rows_per_patient, n_simulations)
    shared = rng.random((n_patients, 1, n_simulations)) < 0.5

    def events(chance):
        drawn = rng.random(shape) < chance
        return np.where(shared, drawn[:, :1], drawn).reshape(-1, n_simulations)

    truth = events(PREVALENCE)
    tables = {name: np.where(events(e), ~truth, truth) for name, e in errors.items()}
    frames = {name: pd.DataFrame(t, dtype=float).add_prefix("s") for name, t in tables.items()}
    return pd.DataFrame(truth, dtype=float).add_prefix("s"), frames


def _covered(table, method, metric, value):
    rows = table[(table.method == method) & (table.metric == metric)]
    rows = rows[rows.observation.str.startswith("s")]
    return ((rows.low <= value) & (value <= rows.high)).to_numpy()


@pytest.mark.parametrize("n_simulations", SIZES)
@pytest.mark.parametrize("rows_per_patient", [1, 3], ids=["rows", "patients"])
def test_bca_and_paired_intervals(rng, n_simulations, rows_per_patient):
    """F1 and kappa, alone and as paired differences, by row and by patient."""
    errors = {"a": 0.1, "b": 0.2}
    truth, predictions = _noisy_tables(rng, n_simulations, 250, rows_per_patient, errors)
    resampling = Resampling(1000, clusters=np.repeat(np.arange(250), rows_per_patient))
    table = agree(truth, predictions, contrasts=[("a", "b")], resampling=resampling).table()
    for metric in ("f1", "kappa"):
        values = {name: _population(metric, error) for name, error in errors.items()}
        values["a - b"] = values["a"] - values["b"]
        for method, value in values.items():
            _assert_nominal(_covered(table, method, metric, value))


def test_ignoring_patients_under_covers(rng):
    """The check can fail: the same tables resampled by row cover far less than 93 %."""
    truth, predictions = _noisy_tables(rng, 300, 250, 3, {"a": 0.1})
    table = agree(truth, predictions, metrics=("f1",), resampling=Resampling(1000)).table()
    assert _covered(table, "a", "f1", _population("f1", 0.1)).mean() < 0.9


@pytest.mark.parametrize("n_simulations", SIZES)
def test_auroc_intervals(rng, n_simulations):
    """AUROC of normal scores, alone and as a paired difference of correlated scores."""
    truth = (rng.random((250, n_simulations)) < PREVALENCE).astype(float)
    common = rng.normal(size=truth.shape)
    columns = [f"s{i}" for i in range(n_simulations)]
    separations = {"a": 1.5, "b": 1.0}
    scores = {
        name: pd.DataFrame(
            separation * truth + 0.8 * common + 0.6 * rng.normal(size=truth.shape), columns=columns
        )
        for name, separation in separations.items()
    }
    truth = pd.DataFrame(truth, columns=columns)
    table = agree(
        truth, scores, metrics=("auroc",), contrasts=[("a", "b")], resampling=Resampling(1000)
    ).table()
    values = {name: norm.cdf(d / np.sqrt(2)) for name, d in separations.items()}
    values["a - b"] = values["a"] - values["b"]
    for method, value in values.items():
        _assert_nominal(_covered(table, method, "auroc", value))
