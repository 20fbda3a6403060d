"""Report labels against experts on the same cases, and what plain label noise predicts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.label_scores import (
    MEAN_OF_METHODS,
    LabelScores,
    auroc_under_nondifferential_error,
)


@pytest.fixture
def flipped(scores, rng):
    """Truth, a label that errs at random within each class, and scores of two models."""
    truth, models = scores(4000, 2, decimals=6, a=1.5, b=1.0)
    flip = rng.random(truth.shape) < np.where(truth == 1, 0.3, 0.1)
    return truth, truth.where(~flip, 1 - truth), models


def test_random_flips_leave_no_excess(flipped):
    """Where errors ignore the score, the gap is negative and the excess holds zero."""
    found = LabelScores(*flipped, resampling=Resampling(300))
    low, high = found.quantity("excess", MEAN_OF_METHODS).interval()
    assert low < 0 < high
    assert found.gap(MEAN_OF_METHODS).interval()[1] < 0


def test_errors_on_borderline_studies_leave_an_excess(scores):
    """A label that misses the positives with low scores looks easier than random flips would."""
    truth, models = scores(2000, 1, decimals=6, a=1.5)
    cut = models["a"][truth == 1].stack().quantile(0.3)
    report = truth.where(models["a"] > cut, 0.0)
    found = LabelScores(truth, report, models, resampling=Resampling(200))
    assert found.quantity("excess", "a").interval()[0] > 0


@pytest.mark.parametrize(
    ("metric", "reference"),
    [("auroc", roc_auc_score), ("average_precision", average_precision_score)],
)
def test_scores_equal_scikit_learn_on_the_shared_studies(flipped, metric, reference):
    truth, report, models = flipped
    report.iloc[:1500, 0] = np.nan
    settings = {"metrics": [metric], "resampling": Resampling(20)}
    found = LabelScores(truth, report, models, **settings)
    first = truth.columns[0]
    rows = report[first].notna()
    expected = {
        source: np.mean([reference(labels[rows], m[first][rows]) for m in models.values()])
        for source, labels in (("expert", truth[first]), ("report", report[first]))
    }
    expected["gap"] = expected["report"] - expected["expert"]
    for name, value in expected.items():
        estimate = found.quantity(name, MEAN_OF_METHODS, first, metric)
        assert estimate.value == pytest.approx(value, abs=1e-12)
        assert estimate.n == found.counts.loc[first, "cases"] == 2500


def test_predictive_values_are_recomputed_in_each_replicate(flipped):
    """The prediction's replicates follow from those of AUROC, PPV and NPV, one by one."""
    truth, report, _ = flipped
    found = LabelScores(*flipped, resampling=Resampling(20))
    place = truth.columns[0]
    drawn = Resampling(20).drawn_rows(len(truth)).astype(float)
    expert, label = (table[place].to_numpy() for table in (truth, report))
    ppv, npv = (
        drawn @ (said * true) / (drawn @ said)
        for said, true in ((label, expert), (1 - label, 1 - expert))
    )
    auroc = found.score("a", "expert", place).replicates
    expected = auroc_under_nondifferential_error(auroc, ppv, npv)
    np.testing.assert_allclose(found.score("a", "predicted", place).replicates, expected)


def test_too_few_events_of_either_source_leave_every_mean(flipped):
    """Nine negatives in the report labels are enough to take the finding out of both means."""
    truth, report, models = flipped
    first, second = truth.columns
    negatives = report.index[report[first] == 0]
    report.loc[negatives[9:], first] = np.nan
    found = LabelScores(truth, report, models, resampling=Resampling(20))
    assert found.counts["too_few"].tolist() == [True, False]
    for source in ("expert", "report", "predicted"):
        mean, only = (found.score("a", source, place).value for place in ("Average", second))
        assert mean == only
    table = found.table(places=[first, second, "Average"])
    assert table[table["too_few"]]["place"].unique().tolist() == [first]


def test_no_place_to_judge_is_an_error(flipped):
    with pytest.raises(ValueError, match="no place has 4000"):
        LabelScores(*flipped, min_events=4000)


def test_the_mean_of_methods_is_the_mean_of_their_estimates(flipped):
    found = LabelScores(*flipped, resampling=Resampling(20))
    each = np.mean([found.gap(name).replicates for name in ("a", "b")], axis=0)
    np.testing.assert_allclose(found.gap(MEAN_OF_METHODS).replicates, each)
    table = found.table([MEAN_OF_METHODS, "b"], quantities=["gap"])
    means = pd.Series(table["estimate"].to_numpy(), table["method"])
    assert means["b"] == found.gap("b").value
    assert means[MEAN_OF_METHODS] == found.gap(MEAN_OF_METHODS).value
