"""The NIH block, on drawn images: held out by patient, weights, and what decides a verdict."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from cxrstudy.agreement import MACRO_AVERAGE, Resampling
from cxrstudy.data.nih_experts import NIH_FINDINGS
from cxrstudy.experiments.image_labels import LUNG_OPACITY, lung_opacity_labels
from cxrstudy.studies.visualchexbert import mappings, nih_block


@pytest.fixture(scope="module")
def drawn(draw_image_set):
    """Images, and an image model that sees brightness; its ranks of two findings."""
    image_set = draw_image_set(400)
    bright = image_set.pixels.mean(axis=(1, 2))
    noise = np.random.default_rng(2).random(400)
    ranks = pd.DataFrame({"Edema": noise, LUNG_OPACITY: bright}, image_set.images.index)
    return image_set, ranks.rank(pct=True)


def test_report_labels_and_the_regression_are_those_of_each_view(drawn):
    image_set, ranks = drawn
    found = nih_block.block_scores(image_set, ranks, Resampling(5))
    labels = lung_opacity_labels(image_set, "rsna")
    folds = image_set.folds(nih_block.STUDENT_FOLDS, "students")
    rows = image_set.images.index.get_indexer(labels.index)
    codes = image_set.labels["nlp"][list(NIH_FINDINGS)].to_numpy()[rows]
    for view in ("AP", "PA"):
        part = (labels["view"] == view).to_numpy()
        truth, report = (labels.loc[part, name].to_numpy() for name in ("expert", "report"))
        hits = (truth * report).sum()
        f1 = 2 * hits / (truth.sum() + report.sum())
        assert found["report_label", view, "f1"].value == pytest.approx(f1)
        called, own = np.zeros(part.sum()), folds[rows][part]
        for fold in np.unique(own):
            model = LogisticRegression(class_weight="balanced", tol=1e-10)
            model.fit(codes[part][own != fold], truth[own != fold])
            called[own == fold] = model.predict(codes[part][own == fold])
        f1 = 2 * (truth * called).sum() / (truth.sum() + called.sum())
        assert found["logreg", view, "f1"].value == pytest.approx(f1)
        assert found["logreg", view, "f1"].n == part.sum()
    means = [found["image_threshold", view, "f1"].value for view in ("AP", "PA")]
    average = found["image_threshold", MACRO_AVERAGE, "f1"]
    assert average.value == pytest.approx(np.mean(means))
    assert found["image_model", MACRO_AVERAGE, "kappa"].value > 0.7


def test_no_patient_sees_own_expert_labels(drawn):
    """Other expert labels of one patient change none of this patient's own calls."""
    image_set, ranks = drawn
    labels = lung_opacity_labels(image_set, "rsna")
    patient = labels["patient"].iloc[10]
    own = (labels["patient"] == patient).to_numpy()
    rows = image_set.images.index.get_indexer(labels.index)
    truth = labels["expert"].to_numpy(float)
    calls = []
    for values in (truth, np.where(own, 1 - truth, truth)):
        problem = nih_block._Problem(
            codes=mappings.with_intercept(image_set.labels["nlp"][list(NIH_FINDINGS)].to_numpy()),
            teacher=ranks.to_numpy(),
            opacity=1,
            folds=image_set.folds(nih_block.STUDENT_FOLDS, "students"),
            rows=rows,
            truth=values[:, None],
            report=labels["report"].to_numpy() == 1,
            scale=np.ones(len(labels)),
        )
        outputs = problem._outputs(np.ones((1, len(image_set))))
        called = problem.calls(outputs, np.ones((1, len(rows))), values, rows, problem.report)
        calls.append(called[:, 0, own])
    np.testing.assert_array_equal(*calls)


def test_google_is_judged_over_both_views(drawn):
    image_set, ranks = drawn
    google = nih_block.block_scores(image_set, ranks, Resampling(5), "google")
    judged = nih_block.differences_by_judge({"Google": google})
    assert len(judged) == 2 * len(nih_block.GAINS)
    n_read = image_set.labels["google"]["Airspace opacity"].notna().sum()
    assert (judged["n"] == n_read).all()


@pytest.mark.parametrize(("other", "dependent"), [(-0.2, True), (0.0, False), (0.2, False)])
def test_a_significant_opposite_sign_makes_a_verdict_policy_dependent(other, dependent):
    rows = [("drawn", 0.1), ("weighted", other)]
    judged = pd.DataFrame(
        [{"judge": judge, "method": "a - b", "metric": "f1", "estimate": value,
          "low": value - 0.05, "high": value + 0.05} for judge, value in rows]
    )  # fmt: skip
    assert nih_block.is_policy_dependent(judged, "a - b") is dependent
