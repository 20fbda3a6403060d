"""Report labels against experts on the same studies, and what plain label noise predicts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.agreement.result import derive, mean_estimate
from cxrstudy.data.chexpert_test import BENCHMARK_READERS
from cxrstudy.experiments.roc import operating_points
from cxrstudy.observations import COMPETITION_OBSERVATIONS, apply_uncertainty_policy
from cxrstudy.published import published_table
from cxrstudy.studies.nlp_to_expert_gap.label_gap import (
    auroc_under_nondifferential_error,
    compare_label_sources,
    report_label_variants,
)


@pytest.fixture
def flipped(scores, rng):
    """Truth, scores of two models, and a label that errs at random within each class."""
    truth, models = scores(4000, 2, decimals=6, a=1.5, b=1.0)
    flip = rng.random(truth.shape) < np.where(truth == 1, 0.3, 0.1)
    return truth, models, truth.where(~flip, 1 - truth)


def test_prediction_equals_mixture_by_hand():
    """PPV 0.8 and NPV 0.9 shrink an AUROC of 0.9 to 0.5 + 0.7 * 0.4."""
    assert auroc_under_nondifferential_error(0.9, 0.8, 0.9) == pytest.approx(0.78)


def test_random_flips_leave_no_excess(flipped):
    """Where errors ignore the score, the gap is negative and the excess holds zero."""
    gap = compare_label_sources(*_ordered(flipped), resampling=Resampling(300))
    low, high = gap.excess("Average").interval()
    assert low < 0 < high
    assert gap.gap("Average").interval()[1] < 0


def test_errors_on_borderline_studies_leave_an_excess(scores):
    """A label that misses the positives with low scores looks easier than random flips would."""
    truth, models = scores(2000, 1, decimals=6, a=1.5)
    cut = models["a"][truth == 1].stack().quantile(0.3)
    report = truth.where(models["a"] > cut, 0.0)
    gap = compare_label_sources(truth, report, models, resampling=Resampling(200))
    assert gap.excess("Average").interval()[0] > 0


def test_scores_equal_scikit_learn_on_the_shared_studies(flipped):
    """Both sources use exactly the studies that both label; the gap is their difference."""
    truth, models, report = flipped
    report.iloc[:1500, 0] = np.nan
    gap = compare_label_sources(truth, report, models, resampling=Resampling(20))
    first = truth.columns[0]
    rows = report[first].notna()
    expected = {
        source: np.mean([roc_auc_score(labels[rows], m[first][rows]) for m in models.values()])
        for source, labels in (("expert", truth[first]), ("report", report[first]))
    }
    for source, value in expected.items():
        assert gap.score(source, first).value == pytest.approx(value, abs=1e-12)
    difference = expected["report"] - expected["expert"]
    assert gap.gap(first).value == pytest.approx(difference, abs=1e-12)
    assert gap.counts.loc[first, "studies"] == 2500


def test_predictive_values_are_recomputed_in_each_replicate(flipped):
    """The prediction's replicates follow from those of AUROC, PPV and NPV, one by one."""
    gap = compare_label_sources(*_ordered(flipped), resampling=Resampling(20))
    name = gap.judged[0]
    parts = (
        gap.score("expert", name),
        gap.positive_predictive_value[name],
        gap.negative_predictive_value[name],
    )
    expected = auroc_under_nondifferential_error(*(part.replicates for part in parts))
    np.testing.assert_allclose(gap.predicted(name).replicates, expected, rtol=1e-14)
    assert np.ptp(parts[1].replicates) > 0
    assert np.ptp(parts[2].replicates) > 0


def test_too_few_events_of_either_source_leave_every_mean(flipped):
    """Nine negatives in the report labels are enough to take the finding out of both means."""
    truth, models, report = flipped
    first, second = truth.columns
    negatives = report.index[report[first] == 0]
    report.loc[negatives[9:], first] = np.nan
    gap = compare_label_sources(truth, report, models, resampling=Resampling(20))
    assert gap.counts["too_few"].tolist() == [True, False]
    for source in ("expert", "report"):
        assert gap.score(source, "Average").value == gap.score(source, second).value
    assert gap.predicted("Average").value == gap.predicted(second).value
    table = gap.table()
    assert table[table["too_few"]]["observation"].unique().tolist() == [first]


def test_no_finding_to_judge_is_an_error(flipped):
    """A comparison without any finding that qualifies is refused."""
    truth, models, report = flipped
    with pytest.raises(ValueError, match="no observation"):
        compare_label_sources(truth, report, models, min_events=4000)


def test_variants_treat_blank_and_uncertain_as_told():
    """Each of the four codes under every policy and handling of blanks."""
    labels = pd.DataFrame({"u": [1.0, 0.0, -1.0, np.nan]})
    expected = {
        ("zeros", "negative"): [1, 0, 0, 0],
        ("ones", "negative"): [1, 0, 1, 0],
        ("ignore", "negative"): [1, 0, np.nan, 0],
        ("zeros", "dropped"): [1, 0, 0, np.nan],
        ("ones", "dropped"): [1, 0, 1, np.nan],
        ("ignore", "dropped"): [1, 0, np.nan, np.nan],
    }
    variants = report_label_variants(labels)
    assert set(variants) == set(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(variants[key]["u"], values)


def test_derive_refuses_estimates_of_unlike_resamples(flipped):
    """Estimates from different seeds are not paired and must not be mixed."""
    one, other = (
        compare_label_sources(*_ordered(flipped), resampling=Resampling(20, seed)).score(
            "expert", "Average"
        )
        for seed in (0, 1)
    )
    with pytest.raises(ValueError, match="same rows"):
        derive(np.add, one, other)
    assert mean_estimate([one, one]).value == one.value


def test_released_labels_give_reports_the_lower_score(chexpert):
    """On the CheXpert test set all ten models score lower against reports, blank as negative."""
    findings = list(COMPETITION_OBSERVATIONS)
    report = apply_uncertainty_policy(chexpert.labeler[findings], "zeros")
    gap = compare_label_sources(
        chexpert.truth[findings], report, chexpert.model_scores, resampling=Resampling(20)
    )
    gaps = gap.by_model().query("quantity == 'gap'")
    assert len(gaps) == 10
    assert (gaps["estimate"] < -0.05).all()
    assert gap.gap("Average").value == pytest.approx(gaps["estimate"].mean())


def test_reader_points_are_those_of_figure_3(chexpert):
    """The three benchmark readers' sensitivity and false-positive rate, to the printed digit."""
    printed = published_table("chexpert", "reader_points").values
    findings = list(printed.columns)
    raters = {reader: chexpert.readers[reader][findings] for reader in BENCHMARK_READERS}
    points = operating_points(chexpert.truth[findings], raters, resampling=Resampling(20))
    for number, reader in enumerate(BENCHMARK_READERS, start=1):
        own = points[points["rater"] == reader].set_index("observation").loc[findings]
        for column, row in (("false_positive_rate", "fpr"), ("sensitivity", "tpr")):
            np.testing.assert_allclose(own[column], printed.loc[f"rad{number} {row}"], atol=0.005)


def _ordered(flipped):
    truth, models, report = flipped
    return truth, report, models
