"""Somers' D against its definition and scikit-learn, and resamples of both sides."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import somersd, spearmanr
from sklearn.metrics import roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.data.images.sites import JUDGED
from cxrstudy.studies.labels_that_travel.judges import (
    WITHIN_DECILES,
    Judge,
    home_judge,
    part_of,
    site_judges,
    somers_d,
    within_view,
)


def by_definition(truth, scores, weights, strata) -> float:
    """Walk over all pairs."""
    won = pairs = 0.0
    for i in range(len(truth)):
        for j in range(len(truth)):
            if truth[i] > truth[j] and strata[i] == strata[j]:
                weight = weights[i] * weights[j]
                won += weight * np.sign(scores[i] - scores[j])
                pairs += weight
    return won / pairs


@pytest.mark.parametrize("levels", [2, 5])
def test_somers_d_is_its_definition_with_ties_weights_and_strata(rng, levels):
    truth = rng.integers(0, levels, 40).astype(float)
    scores = np.round(truth + rng.normal(0, 2, 40))
    strata = rng.integers(0, 3, 40)
    weights = rng.integers(0, 4, (3, 40))
    expected = [by_definition(truth, scores, row, strata) for row in weights]
    assert somers_d(truth, scores, weights, strata) == pytest.approx(expected)


def test_somers_d_is_scipys_and_twice_the_auroc_minus_one(rng):
    truth = rng.integers(0, 2, 60).astype(float)
    scores = truth + rng.normal(size=60)
    once = np.ones((1, 60))
    assert somers_d(truth, scores, once)[0] == pytest.approx(2 * roc_auc_score(truth, scores) - 1)
    graded = rng.integers(0, 6, 60).astype(float)
    assert somers_d(graded, scores, once)[0] == pytest.approx(somersd(graded, scores).statistic)


def test_no_pair_is_no_number():
    assert np.isnan(somers_d(np.ones(4), np.arange(4.0), np.ones((1, 4)))).all()


@pytest.fixture
def site(rng) -> ImageSet:
    """Two images of each of 60 patients; the bytes tell much of the class."""
    truth = np.repeat(rng.integers(0, 2, 60), 2).astype(float)
    images = pd.DataFrame(
        {
            "patient": np.repeat(np.arange(60), 2),
            "view": np.where(np.arange(120) % 3, "PA", "AP"),
            "bytes": 1000 + 60 * truth + rng.integers(0, 100, 120),
        },
        index=pd.Index([f"{n}.png" for n in range(120)], name="image"),
    )
    pixels = rng.integers(0, 256, (120, 8, 8), np.uint8)
    labels = {JUDGED: pd.DataFrame({JUDGED: truth}, images.index)}
    return ImageSet("site", "drawn", pixels, images, labels, pd.DataFrame())


def test_file_size_says_much_but_within_deciles_of_it_little(site):
    pooled, within = site_judges({"site": site}, Resampling(50))
    assert within.name == f"site, {WITHIN_DECILES}"
    size = site.images["bytes"].to_numpy(float)
    assert pooled.score(size).value > 0.6 and pooled.score(size).n == 120
    assert within.score(size).value < pooled.score(size).value / 2


def test_a_graded_truth_has_no_deciles(site):
    graded = {JUDGED: pd.DataFrame({JUDGED: np.arange(120) % 7.0}, site.images.index)}
    judges = site_judges({"site": ImageSet("s", "", site.pixels, site.images, graded, None)},
                         Resampling(5))  # fmt: skip
    assert [judge.name for judge in judges] == ["site"]


def test_patients_are_drawn_whole_and_sites_apart(site):
    judge, _ = site_judges({"site": site}, Resampling(20))
    assert (judge.draws[:, ::2] == judge.draws[:, 1::2]).all()
    home = home_judge(site, judge.truth, Resampling(20))
    assert (home.draws != judge.draws).any() and home.key == judge.key


def test_each_draw_of_patients_is_judged_by_a_training_in_turn(site, rng):
    """The interval holds both spreads, around the score of the training on all patients."""
    (judge, _) = site_judges({"site": site}, Resampling(400))
    good = judge.truth + rng.normal(0, 0.5, 120)
    drawn = np.array([judge.truth + rng.normal(0, spread, 120) for spread in (0.5, 1, 2, 4)])
    alone, crossed = judge.score(good), judge.score(good, drawn)
    assert crossed.value == alone.value == pytest.approx(2 * roc_auc_score(judge.truth, good) - 1)
    widths = [np.diff(each.interval())[0] for each in (alone, crossed)]
    assert widths[1] > 1.5 * widths[0]
    # The trainings on draws are worse, yet the interval stands around the value.
    assert crossed.replicates.mean() == pytest.approx(crossed.value, abs=0.03)
    third = somers_d(judge.truth, drawn[2], judge.draws[2:3].astype(float))[0]
    levels = [somers_d(judge.truth, row, np.ones((1, 120)))[0] for row in drawn]
    shift = (levels[2] - np.mean(levels)) * (np.sqrt(4 / 3) - 1) + alone.value - np.mean(levels)
    assert crossed.replicates[2] == pytest.approx(third + shift)


def test_a_difference_is_paired_by_draw(site, rng):
    (judge, _) = site_judges({"site": site}, Resampling(200))
    scores = judge.truth + rng.normal(size=120)
    drawn = scores + rng.normal(0, 0.3, (4, 120))
    same = judge.score(scores, drawn) - judge.score(scores + 1, drawn + 1)
    assert same.interval() == (0.0, 0.0)


def test_several_trainings_count_by_their_mean(site, rng):
    (judge, _) = site_judges({"site": site}, Resampling(10))
    both = judge.truth + rng.normal(size=(2, 120))
    singly = [judge.score(row).value for row in both]
    assert judge.score(both).value == pytest.approx(np.mean(singly))


def test_a_missing_truth_leaves_the_image_out_and_views_are_strata(site, rng):
    (judge, _) = site_judges({"site": site}, Resampling(10))
    scores = judge.truth + rng.normal(size=120)
    half = part_of(judge, "half", np.where(np.arange(120) < 60, judge.truth, np.nan))
    expected = 2 * roc_auc_score(judge.truth[:60], scores[:60]) - 1
    assert half.score(scores).value == pytest.approx(expected) and half.score(scores).n == 60
    # A score that only knows the view is worth nothing within it.
    views = site.images["view"]
    blind = within_view(judge, views).score((views == "AP").to_numpy(float))
    assert blind.value == 0 and blind.interval() == (0, 0)


def test_rank_correlation_is_spearmans(rng):
    truth = rng.integers(0, 9, 50).astype(float)
    scores = truth + rng.normal(0, 3, 50)
    draws = rng.multinomial(50, [1 / 50] * 50, 30).astype(np.uint8)
    found = Judge("site", "site", truth, draws).rank_correlation(scores)
    assert found.value == pytest.approx(spearmanr(truth, scores).statistic)
    rows = np.repeat(np.arange(50), draws[7])
    assert found.replicates[7] == pytest.approx(spearmanr(truth[rows], scores[rows]).statistic)
