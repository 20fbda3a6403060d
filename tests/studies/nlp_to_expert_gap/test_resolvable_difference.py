"""Paired errors of mean AUROC against DeLong, the bootstrap and simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from cxrstudy.agreement import Resampling
from cxrstudy.studies.nlp_to_expert_gap.resolvable_difference import (
    mean_auroc_influence,
    paired_errors,
)


def _placements(labels, values):
    """DeLong's structural components from every positive-negative pair, ties counted half."""
    difference = values[labels == 1][:, None] - values[labels == 0][None]
    won = (difference > 0) + 0.5 * (difference == 0)
    return won.mean(axis=1), won.mean(axis=0)


def test_one_observation_equals_delong(scores):
    """Products of influences are DeLong's covariance, ties included."""
    truth, models = scores(150, 1, decimals=1, a=1.0, b=1.5, c=0.5)
    influence = mean_auroc_influence(truth, models)
    labels = truth.to_numpy()[:, 0]
    placed = [_placements(labels, table.to_numpy()[:, 0]) for table in models.values()]
    of_positives, of_negatives = zip(*placed, strict=True)
    expected = np.cov(of_positives) / labels.sum() + np.cov(of_negatives) / (1 - labels).sum()
    np.testing.assert_allclose(influence.T @ influence, expected, rtol=1e-12)


def test_observations_that_repeat_bring_no_precision(scores):
    """The mean of one observation and its copy has the error of the one."""
    truth, models = scores(150, 1, a=1.0, b=1.5)
    doubled = {name: table.join(table.add_suffix(" copy")) for name, table in models.items()}
    np.testing.assert_allclose(
        mean_auroc_influence(truth.join(truth.add_suffix(" copy")), doubled),
        mean_auroc_influence(truth, models),
    )


def test_delong_and_bootstrap_agree(scores):
    """Two roads to the error of a difference of means over three observations."""
    truth, models = scores(500, 3, a=1.0, b=1.5)
    pair = paired_errors(truth, models, resampling=Resampling(2000)).pairs.iloc[0]
    assert pair["bootstrap"] == pytest.approx(pair["delong"], rel=0.07)


def test_shared_rankings_are_counted_and_left_out(scores):
    """A model that repeats another's ranking of one observation is no distinct pair."""
    truth, models = scores(200, 2, a=1.0, b=1.5)
    copied = 3 * models["a"] + 1
    copied["observation 1"] = models["b"]["observation 1"] + models["a"]["observation 1"]
    errors = paired_errors(truth, {**models, "copy": copied}, resampling=Resampling(50))
    shared = errors.pairs.set_index(["first", "second"])["shared"]
    assert shared.to_dict() == {("a", "b"): 0, ("a", "copy"): 1, ("b", "copy"): 0}
    assert len(errors.distinct) == 2


def test_resolvable_difference_is_2_8_standard_errors(scores):
    """80 % power at 5 % takes 2.8 standard errors; two samples are worse than one."""
    truth, models = scores(300, 2, a=1.0, b=1.2, c=1.4)
    errors = paired_errors(truth, models, resampling=Resampling(200))
    table = errors.resolvable().set_index(["design", "pair"])
    np.testing.assert_allclose(table["estimate"] / table["standard_error"], 2.8016, atol=1e-3)
    widest = errors.pairs["delong"].max()
    assert table.loc[("all pairs", "least alike"), "standard_error"] == pytest.approx(widest)
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()


def test_published_difference_has_the_pairs_error(scores):
    """Its replicates centre on the printed value and spread as the pair's bootstrap does."""
    truth, models = scores(300, 2, a=1.0, b=1.2)
    errors = paired_errors(truth, models, resampling=Resampling(2000))
    estimate = errors.published_difference(0.01)
    spread = errors.pairs["bootstrap"].iloc[0]
    assert estimate.value == 0.01
    assert estimate.replicates.std(ddof=1) == pytest.approx(spread)
    design = errors.designs(0.01).set_index(["design", "pair"]).loc[("all pairs", "median")]
    expected = 2 * norm.sf(0.01 / errors.pairs["delong"].iloc[0])
    assert design["p_value"] == pytest.approx(expected)
