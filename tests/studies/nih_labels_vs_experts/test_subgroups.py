"""Agreement by subgroup equals agreement on the subgroup's rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, precision_score, recall_score

from cxrstudy.agreement import Resampling, agree
from cxrstudy.experiments.subgroups import agree_by_subgroup
from cxrstudy.studies.nih_labels_vs_experts.subgroups import before_and_after

METRICS = ("recall", "precision", "kappa")


@pytest.fixture
def tables():
    """400 rows of 90 patients, each with rows in both views."""
    random = np.random.default_rng(5)
    index = pd.RangeIndex(400).astype(str)
    truth = pd.DataFrame({"A": random.integers(0, 2, 400), "B": random.random(400) < 0.02}, index)
    flipped = random.random((400, 2)) < 0.25
    labels = truth.astype(float).where(~flipped, 1 - truth.astype(float))
    groups = pd.DataFrame({"view": random.choice(["AP", "PA"], 400)}, index)
    return truth.astype(float), {"m": labels}, groups, random.integers(0, 90, 400)


def test_values_are_those_of_the_rows(tables):
    truth, predictions, groups, patients = tables
    options = {"metrics": METRICS, "resampling": Resampling(50, clusters=patients)}
    found = agree_by_subgroup(truth, predictions, groups, **options)
    scores = (recall_score, precision_score, cohen_kappa_score)
    for level in ("AP", "PA"):
        rows = groups["view"] == level
        for metric, score in zip(METRICS, scores, strict=True):
            estimate = found.agreement.estimate("m", f"A | view | {level}", metric)
            expected = score(truth.loc[rows, "A"], predictions["m"].loc[rows, "A"])
            assert estimate.value == pytest.approx(expected, abs=1e-12)
            assert estimate.n == rows.sum()


def test_all_rows_are_one_of_the_groups(tables):
    """The level of all rows is `agree` itself, replicate by replicate."""
    truth, predictions, groups, patients = tables
    options = {"metrics": METRICS, "resampling": Resampling(50, clusters=patients)}
    found = agree_by_subgroup(truth, predictions, groups, **options).agreement
    everyone = found.estimate("m", "A | all | all", "kappa")
    plain = agree(truth, predictions, **options).estimate("m", "A", "kappa")
    np.testing.assert_allclose(everyone.replicates, plain.replicates, rtol=0, atol=1e-12)


def test_levels_share_their_resamples(tables):
    truth, predictions, groups, patients = tables
    settings = {"metrics": ("recall",), "resampling": Resampling(200, clusters=patients)}
    found = agree_by_subgroup(truth, predictions, groups, **settings)
    first, second = (
        found.agreement.estimate("m", f"A | view | {level}", "recall") for level in ("AP", "PA")
    )
    table = found.differences("m", {"view": ("AP", "PA")}).set_index("observation")
    assert table.loc["A", "estimate"] == first.value - second.value
    assert tuple(table.loc["A", ["low", "high"]]) == (first - second).interval()


def test_weights_change_what_they_should(tables):
    """Doubling every weight changes nothing; doubling one view's changes the mixture only."""
    truth, predictions, groups, patients = tables
    by_patient = Resampling(100, clusters=patients)
    weights = np.where(groups["view"] == "AP", 2.0, 1.0)
    plain, mixed, doubled = (
        agree_by_subgroup(
            truth, predictions, groups, metrics=("recall",), resampling=by_patient.of(weights=given)
        )
        for given in (None, weights, np.full(400, 2.0))
    )
    np.testing.assert_allclose(doubled.change_from(plain, "m")["estimate"], 0, atol=1e-12)
    assert "change" not in before_and_after(plain, doubled, "m")["images"].tolist()
    change = mixed.change_from(plain, "m").query("observation == 'A'").set_index("group")
    np.testing.assert_allclose(change.loc["view", "estimate"], 0, atol=1e-12)
    weighted = recall_score(truth["A"], predictions["m"]["A"], sample_weight=weights)
    expected = weighted - recall_score(truth["A"], predictions["m"]["A"])
    assert change.loc["all", "estimate"] == pytest.approx(expected, abs=1e-12)
    assert expected != 0


def test_rare_levels_are_flagged(tables):
    """A level with fewer than ten positives is too few, and so is any difference from it."""
    truth, predictions, groups, _ = tables
    resampling = Resampling(50)
    found = agree_by_subgroup(truth, predictions, groups, metrics=METRICS, resampling=resampling)
    table = found.table()
    assert table.query("observation == 'B' and group == 'view'")["too_few"].all()
    assert not table.query("observation == 'A'")["too_few"].any()
    differences = found.differences("m", {"view": ("AP", "PA")})
    assert differences.set_index("observation")["too_few"].groupby(level=0).all().to_dict() == {
        "A": False, "B": True,
    }  # fmt: skip


def test_groups_must_be_aligned(tables):
    truth, predictions, groups, _ = tables
    with pytest.raises(ValueError, match="groups and truth differ in index"):
        agree_by_subgroup(truth, predictions, groups.iloc[::-1])
