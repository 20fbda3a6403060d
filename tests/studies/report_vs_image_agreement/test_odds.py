"""Odds ratios: Firth's method against closed forms and slow references, and the claims' tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from statsmodels.stats.multitest import multipletests

from cxrstudy.agreement import Resampling, percentile_interval
from cxrstudy.experiments import firth, odds_ratios
from cxrstudy.experiments.label_mapping import one_hot_codes
from cxrstudy.experiments.one_hot_logistic import active_columns
from cxrstudy.published import published_table
from cxrstudy.studies.report_vs_image_agreement import odds


def _fit(codes, y, weight=None, tolerance=1e-9):
    """Fit on the rows of a bool design, one trial for each unit of weight."""
    trials = np.ones(len(y)) if weight is None else weight.astype(float)
    start = np.zeros(codes.shape[1] + 1)
    return firth.fit(active_columns(codes), trials * y, trials, start, tolerance)


def _information(beta, design):
    probability = 1 / (1 + np.exp(-design @ beta))
    return (design.T * (probability * (1 - probability))) @ design


def _penalised_likelihood(beta, design, y):
    """Firth's objective written down from its definition."""
    eta = design @ beta
    determinant = np.linalg.slogdet(_information(beta, design))[1]
    return y @ eta - np.logaddexp(0, eta).sum() + 0.5 * determinant


@pytest.mark.parametrize("cells", [(10, 5, 3, 20), (7, 0, 4, 9), (0, 6, 5, 0)])
def test_a_two_by_two_table_gives_the_haldane_odds_ratio(cells):
    """One binary code: Firth adds a half to each cell, also where a cell is empty."""
    a, b, c, d = cells
    code = np.repeat([True, True, False, False], cells)[:, None]
    y = np.repeat([1, 0, 1, 0], cells)
    beta, _ = _fit(code, y)
    expected = np.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
    assert beta[0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_fit_maximises_the_penalised_likelihood(seed):
    rng = np.random.default_rng(seed)
    codes = rng.random((60, 5)) < rng.uniform(0.1, 0.5, 5)
    y = (rng.random(60) < 0.15 + 0.7 * codes[:, 0]).astype(int)
    design = np.column_stack([codes, np.ones(60)])
    beta, covariance = _fit(codes, y)
    best = minimize(
        lambda b: -_penalised_likelihood(b, design, y), np.zeros(6), options={"gtol": 1e-7}
    )
    np.testing.assert_allclose(beta, best.x, atol=1e-4)
    information = _information(beta, design)
    np.testing.assert_allclose(covariance, np.linalg.inv(information), rtol=1e-6)


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(3)
    codes, y = rng.random((50, 3)) < 0.4, rng.integers(0, 2, 50)
    weight = Resampling(1, 9).drawn(50)[0]
    rows = np.repeat(np.arange(50), weight)
    np.testing.assert_allclose(_fit(codes, y, weight)[0], _fit(codes[rows], y[rows])[0], atol=1e-7)


def test_coefficients_that_the_rows_do_not_determine_are_undefined():
    codes = np.array([[True, False], [False, False], [True, False], [False, False]])
    assert np.isnan(_fit(codes, np.array([1, 0, 0, 1]))[0]).all()


@pytest.fixture(scope="module")
def tables():
    """Simulate 200 studies whose image findings follow two report codes."""
    rng = np.random.default_rng(11)
    labels = pd.DataFrame(
        rng.choice([1.0, 0.0, -1.0, np.nan], (200, 3), p=[0.3, 0.2, 0.1, 0.4]),
        columns=["Edema", "Fracture", "Cardiomegaly"],
    )
    labels["Fracture"] = labels["Fracture"].where(np.arange(200) > 15)
    chance = 0.2 + 0.6 * (labels["Edema"] == 1)
    opaque = (rng.random(200) < chance).astype(int)
    truth = pd.DataFrame({"Lung Opacity": opaque, "Support Devices": rng.integers(0, 2, 200)})
    return truth, labels


def test_replicates_are_centred_refits_on_the_shared_resamples(tables):
    truth, labels = tables
    ratios = odds_ratios.firth_odds_ratios(truth, labels, resampling=Resampling(40, 5))
    found = ratios.log_odds_ratios["Edema positive", "Lung Opacity"]
    codes = one_hot_codes(labels)[ratios.occurrences.index]
    y = truth["Lung Opacity"].to_numpy()
    j = list(codes).index("Edema positive")
    drawn = [_fit(codes.to_numpy(), y, w)[0][j] for w in Resampling(40, 5).drawn(200)]
    assert found.value == pytest.approx(_fit(codes.to_numpy(), y)[0][j], abs=1e-7)
    expected = np.array(drawn) - np.mean(drawn) + found.value
    np.testing.assert_allclose(found.replicates, expected, atol=1e-4)


def test_false_discovery_control_runs_over_all_ratios(tables):
    """Adjusted p-values are statsmodels' over every row of the table, and the planted one stays."""
    ratios = odds_ratios.firth_odds_ratios(*tables, resampling=Resampling(2000))
    table = ratios.table()
    assert len(table) == 2 * len(ratios.occurrences)
    expected = multipletests(table["p_value"], method="fdr_bh")[1]
    np.testing.assert_allclose(table["adjusted_p_value"], expected)
    planted = table.query("report_label == 'Edema positive'")
    planted = planted.query("image_observation == 'Lung Opacity'")
    assert planted["selected"].item() and planted["low"].item() > 1
    estimate = ratios.log_odds_ratios["Edema positive", "Lung Opacity"]
    expected = np.exp(percentile_interval(estimate.replicates))
    assert (planted["low"].item(), planted["high"].item()) == pytest.approx(expected)


def test_labels_that_cannot_enter_are_listed_with_the_reason(tables):
    truth, labels = tables
    labels = labels.assign(Copy=labels["Edema"], Rare=np.where(np.arange(200) < 9, 1, np.nan))
    ratios = odds_ratios.firth_odds_ratios(truth, labels, resampling=Resampling(2))
    left_out = ratios.left_out.set_index("report_label")
    assert left_out.loc["Copy positive", "reason"] == "follows from the labels before it"
    assert left_out.loc["Rare positive", "studies"] == 9
    assert "fewer than 10" in left_out.loc["Rare positive", "reason"]


def test_tables_without_usable_labels_give_empty_tables(tables):
    """Nothing to regress on is a listed lack of data, not an error."""
    truth, labels = tables
    blank = labels.head(200) * np.nan
    ratios = odds_ratios.firth_odds_ratios(truth, blank, resampling=Resampling(5))
    assert ratios.table().empty and len(ratios.left_out) == 9
    published = published_table("visualchexbert", "odds_ratios").values
    compared = odds.compare_odds_ratios(published, truth, labels, ratios)
    assert len(compared) == 8 and (compared["direction"] == "not measured").all()
    assert compared["reason"].str.len().gt(0).all()


def test_the_claim_keeps_a_cell_for_every_published_ratio(tables):
    """An unmeasured ratio stays as an undefined estimate; one below 1 is turned."""
    ratios = odds_ratios.firth_odds_ratios(*tables, resampling=Resampling(50))
    rows = [
        ("Edema positive", "Lung Opacity", 3.0),
        ("Fracture positive", "Support Devices", 0.2),
        ("Edema positive", "No Finding", 0.1),
    ]
    published = pd.DataFrame(rows, columns=["report_label", "image_observation", "odds_ratio"])
    cells = odds.on_published_side(published, ratios)
    direct = ratios.log_odds_ratios["Fracture positive", "Support Devices"]
    turned = cells["Fracture positive: Support Devices"]
    assert turned.value == -direct.value
    np.testing.assert_array_equal(turned.replicates, -direct.replicates)
    assert cells["Edema positive: Lung Opacity"].value > 0
    assert np.isnan(cells["Edema positive: No Finding"].p_value())


def test_l1_shrinks_towards_no_association(tables):
    truth, labels = tables
    pairs = [("Edema positive", "Lung Opacity"), ("Edema positive", "No Finding")]
    weak, strong = (
        odds.l1_odds_ratios(truth, labels, pairs, alpha)["l1_odds_ratio"] for alpha in (0.5, 5.0)
    )
    assert len(weak) == 1 and 1 < strong.item() < weak.item()


def test_intervals_cover_the_odds_ratios_that_made_the_data():
    """On simulated tables the nominal 95 % intervals cover between 92 and 98 %."""
    rng = np.random.default_rng(1)
    codes = rng.choice([1.0, 0.0, np.nan], (250, 4), p=[0.15, 0.25, 0.6])
    labels = pd.DataFrame(codes, columns=list("abcd"))
    codes = one_hot_codes(labels)
    codes = codes.loc[:, codes.sum() >= 10]
    effect = rng.normal(0, 1, codes.shape[1])
    chance = 1 / (1 + np.exp(0.8 - codes.to_numpy() @ effect))
    simulated = pd.DataFrame((rng.random((120, 250)) < chance).astype(int).T)
    ratios = odds_ratios.firth_odds_ratios(simulated, labels, resampling=Resampling(150))
    replicates = np.array([e.replicates for e in ratios.log_odds_ratios.values()])
    low, high = percentile_interval(replicates.reshape(120, len(effect), 150))
    assert 0.92 <= ((low <= effect) & (effect <= high)).mean() <= 0.98


def test_chexpert_ratios_point_the_published_way(chexpert):
    evaluated = list(published_table("visualchexbert", "positives").values.index)
    truth = chexpert.truth[evaluated]
    ratios = odds_ratios.firth_odds_ratios(truth, chexpert.labeler, resampling=Resampling(2))
    published = published_table("visualchexbert", "odds_ratios").values
    assert all(e.value > 0 for e in odds.on_published_side(published, ratios).values())
