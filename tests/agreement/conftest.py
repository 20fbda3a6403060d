"""Simulated label tables shared by the agreement tests."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def rng():
    """Make a generator with a fixed seed."""
    return np.random.default_rng(20240607)


@pytest.fixture
def labels(rng):
    """Make truth of varied prevalence and, per method, labels that flip with a given chance."""

    def make(n_rows, n_observations, **errors):
        prevalence = rng.uniform(0.15, 0.5, n_observations)
        columns = [f"observation {i}" for i in range(n_observations)]
        truth = (rng.random((n_rows, n_observations)) < prevalence).astype(float)
        methods = {
            name: np.where(rng.random(truth.shape) < error, 1 - truth, truth)
            for name, error in errors.items()
        }
        tables = {name: pd.DataFrame(table, columns=columns) for name, table in methods.items()}
        return pd.DataFrame(truth, columns=columns), tables

    return make


@pytest.fixture
def scores(rng):
    """Make truth and, per method, scores of given separation rounded to create ties."""

    def make(n_rows, n_observations, decimals=1, **separations):
        columns = [f"observation {i}" for i in range(n_observations)]
        truth = (rng.random((n_rows, n_observations)) < 0.3).astype(float)
        methods = {
            name: np.round(separation * truth + rng.normal(size=truth.shape), decimals)
            for name, separation in separations.items()
        }
        tables = {name: pd.DataFrame(table, columns=columns) for name, table in methods.items()}
        return pd.DataFrame(truth, columns=columns), tables

    return make
