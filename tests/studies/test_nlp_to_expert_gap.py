"""Readings of report labels, and paired errors of mean AUROC against DeLong and the bootstrap."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from cxrstudy.agreement import Resampling
from cxrstudy.observations import COMPETITION_OBSERVATIONS
from cxrstudy.studies import nlp_to_expert_gap as study


def test_variants_treat_blank_and_uncertain_as_told():
    labels = pd.DataFrame({"u": [1.0, 0.0, -1.0, np.nan]})
    expected = {
        ("zeros", "negative"): [1, 0, 0, 0],
        ("ones", "negative"): [1, 0, 1, 0],
        ("ignore", "negative"): [1, 0, np.nan, 0],
        ("zeros", "dropped"): [1, 0, 0, np.nan],
        ("ones", "dropped"): [1, 0, 1, np.nan],
        ("ignore", "dropped"): [1, 0, np.nan, np.nan],
    }
    variants = study.report_label_variants(labels)
    assert list(variants) == list(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(variants[key]["u"], values)


def test_released_labels_give_reports_the_lower_score(chexpert):
    """On the CheXpert test set all ten models score lower against reports, blank as negative."""
    truth, labels = (t[list(COMPETITION_OBSERVATIONS)] for t in (chexpert.truth, chexpert.labeler))
    settings = {"resampling": Resampling(20)}
    readings = study.scores_by_reading(truth, labels, chexpert.model_scores, **settings)
    main = readings[study.PAPERS_READING]
    gaps = study.by_model(main).query("quantity == 'gap'")
    assert len(gaps) == 10
    assert (gaps["estimate"] < -0.05).all()
    mean = study.mean_gap(main).value
    assert mean == pytest.approx(gaps["estimate"].mean())
    table = study.gap_table(readings).query("observation == 'Average' and quantity == 'gap'")
    first = table.query("metric == 'auroc'").iloc[0]
    assert first[["uncertain", "blank", "findings"]].tolist() == ["zeros", "negative", "5 of 5"]
    assert first["estimate"] == pytest.approx(mean)


def _placements(labels, values):
    """DeLong's structural components from every positive-negative pair, ties counted half."""
    difference = values[labels == 1][:, None] - values[labels == 0][None]
    won = (difference > 0) + 0.5 * (difference == 0)
    return won.mean(axis=1), won.mean(axis=0)


def test_one_observation_equals_delong(scores):
    """Products of influences are DeLong's covariance, ties included."""
    truth, models = scores(150, 1, decimals=1, a=1.0, b=1.5, c=0.5)
    influence = study.mean_auroc_influence(truth, models)
    labels = truth.to_numpy()[:, 0]
    placed = [_placements(labels, table.to_numpy()[:, 0]) for table in models.values()]
    of_positives, of_negatives = zip(*placed, strict=True)
    expected = np.cov(of_positives) / labels.sum() + np.cov(of_negatives) / (1 - labels).sum()
    np.testing.assert_allclose(influence.T @ influence, expected, rtol=1e-12)


def test_observations_that_repeat_bring_no_precision(scores):
    truth, models = scores(150, 1, a=1.0, b=1.5)
    doubled = {name: table.join(table.add_suffix(" copy")) for name, table in models.items()}
    np.testing.assert_allclose(
        study.mean_auroc_influence(truth.join(truth.add_suffix(" copy")), doubled),
        study.mean_auroc_influence(truth, models),
    )


def test_delong_and_bootstrap_agree(scores):
    truth, models = scores(500, 3, a=1.0, b=1.5)
    pair = study.paired_errors(truth, models, resampling=Resampling(2000)).pairs.iloc[0]
    assert pair["bootstrap_error"] == pytest.approx(pair["delong_error"], rel=0.07)


def test_shared_rankings_are_counted_and_left_out(scores):
    """A model that repeats another's ranking of one observation is no distinct pair."""
    truth, models = scores(200, 2, a=1.0, b=1.5)
    copied = 3 * models["a"] + 1
    copied["observation 1"] = models["b"]["observation 1"] + models["a"]["observation 1"]
    errors = study.paired_errors(truth, {**models, "copy": copied}, resampling=Resampling(50))
    shared = errors.pairs.set_index(["first", "second"])["shared"]
    assert shared.to_dict() == {("a", "b"): 0, ("a", "copy"): 1, ("b", "copy"): 0}
    assert len(errors.distinct) == 2


def test_resolvable_difference_is_2_8_standard_errors(scores):
    """80 % power at 5 % takes 2.8 standard errors; two samples are worse than one."""
    truth, models = scores(300, 2, a=1.0, b=1.2, c=1.4)
    errors = study.paired_errors(truth, models, resampling=Resampling(200))
    table = errors.resolvable().set_index(["design", "pair"])
    np.testing.assert_allclose(table["estimate"] / table["standard_error"], 2.8016, atol=1e-3)
    widest = errors.pairs["delong_error"].max()
    assert table.loc[("all pairs", "least alike"), "standard_error"] == pytest.approx(widest)
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()


def test_published_difference_has_the_pairs_error(scores):
    """Its replicates centre on the printed value and spread as the pair's bootstrap does."""
    truth, models = scores(300, 2, a=1.0, b=1.2)
    errors = study.paired_errors(truth, models, resampling=Resampling(2000))
    estimate = errors.published_difference(0.01)
    spread = errors.pairs["bootstrap_error"].iloc[0]
    assert estimate.value == 0.01
    assert estimate.replicates.std(ddof=1) == pytest.approx(spread)
    design = errors.designs(0.01).set_index(["design", "pair"]).loc[("all pairs", "median")]
    expected = 2 * norm.sf(0.01 / errors.pairs["delong_error"].iloc[0])
    assert design["p_value"] == pytest.approx(expected)
