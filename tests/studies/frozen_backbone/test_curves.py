"""Curves of heads: reliability by hand, ROC, learning curve, and the course of a training."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import Arm, CrossFitted
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, lung_opacity_labels, training_labels
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies.frozen_backbone import curves
from cxrstudy.vision.training import TrainingConfig


def test_the_curve_grows_and_stops_at_what_a_source_has(drawn):
    """Expert labels and report labels of the same images end at the same number."""
    image_set, features = drawn
    learned = curves.learning_curve_heads(image_set, features, [40, 80, 5000], 2)
    assert {values.shape for values in learned.values()} == {(2, 240)}
    sizes = {
        source: [int(name.rpartition(", ")[2]) for name in learned if name.startswith(f"{source},")]
        for source in (REPORTS, EXPERTS, curves.REPORTS_OF_READ)
    }
    read = training_labels(image_set)[EXPERTS].notna().sum()
    share = (curves.N_FOLDS - 1) / curves.N_FOLDS
    assert sizes[REPORTS] == [40, 80, int(240 * share)]
    assert sizes[EXPERTS] == sizes[curves.REPORTS_OF_READ] == [40, 80, int(read * share)]
    table = curves.learning_curve_table(image_set, learned, Resampling(60))
    assert table.groupby("labels")["training_images"].apply(list).to_dict() == sizes


def test_the_share_of_the_final_distance_ends_at_one(drawn):
    image_set, features = drawn
    held_out = features[:, [1, 0]].T[None].astype(np.float32)
    arm = Arm("head", TrainingConfig(epochs=2))
    fitted = CrossFitted(arm, held_out, held_out[:, -1], np.zeros((1, 2, 2)))
    shares = curves.convergence_table(fitted, image_set, Resampling(60))["estimate"]
    scores = opacity_scores(
        image_set, {str(n): held_out[0, n] for n in (0, 1)}, folds=image_set.folds(2),
        resampling=Resampling(60),
    )  # fmt: skip
    first, last = (scores.score(name, "expert").value for name in ("0", "1"))
    assert shares.tolist() == pytest.approx([(first - 0.5) / (last - 0.5), 1])


def test_roc_curves_are_those_of_scikit_learn(drawn):
    """One curve for each judge, through every corner of scikit-learn's."""
    image_set, features = drawn
    table = curves.roc_table(image_set, {"head": features[:, 0]}, Resampling(60))
    assert set(table["curve"]) == {"head, judged by experts", "head, judged by reports"}
    labels = lung_opacity_labels(image_set, "rsna")
    rows = image_set.images.index.get_indexer(labels.index)
    false_positive, sensitivity, _ = roc_curve(labels["expert"], features[rows, 0])
    curve = table[table["curve"] == "head, judged by experts"]
    drawn_at = np.interp(curve["false_positive_rate"], false_positive, sensitivity)
    assert (curve["estimate"] >= drawn_at - 1e-9).all()


def test_two_bins_by_hand():
    probabilities = np.repeat([0.1, 0.2, 0.8, 0.9], 25)
    labels = pd.Series(np.tile([1.0, 0, 0, 0, 0], 20))
    table = curves.reliability(labels, probabilities, n_bins=2, resampling=Resampling(200))
    assert table["predicted"].tolist() == pytest.approx([0.15, 0.85])
    assert table["estimate"].tolist() == [0.2, 0.2]
    assert table["n"].tolist() == [50, 50]
    assert ((table["low"] < 0.2) & (table["high"] > 0.2)).all()


def test_patients_with_many_images_widen_the_interval():
    rng = np.random.default_rng(0)
    of_patient = rng.random(40) < 0.5
    labels = pd.Series(np.repeat(of_patient, 10).astype(float))
    probabilities = np.full(400, 0.5) + np.linspace(0, 1e-3, 400)
    rows, patients = (
        curves.reliability(
            labels, probabilities, n_bins=1, resampling=Resampling(400, clusters=clusters)
        ).iloc[0]
        for clusters in (None, np.repeat(np.arange(40), 10))
    )
    assert patients["high"] - patients["low"] > 2 * (rows["high"] - rows["low"])


def test_ties_make_fewer_bins():
    labels = pd.Series([0.0, 1.0] * 10)
    table = curves.reliability(labels, np.full(20, 0.3), n_bins=4, resampling=Resampling(50))
    assert table["n"].sum() == 20


def test_a_weighted_row_counts_as_several():
    """Whole weights equal repeated rows; the number of rows stays."""
    rng = np.random.default_rng(1)
    probabilities, weights = rng.random(60), rng.integers(1, 4, 60)
    labels = pd.Series((rng.random(60) < probabilities).astype(float))
    weighted = Resampling(50, weights=weights)
    once = curves.reliability(labels, probabilities, n_bins=1, resampling=weighted)
    repeated = curves.reliability(
        labels.repeat(weights).reset_index(drop=True), probabilities.repeat(weights), n_bins=1,
        resampling=Resampling(50, clusters=np.arange(60).repeat(weights)),
    )  # fmt: skip
    columns = ["predicted", "estimate", "low", "high"]
    np.testing.assert_allclose(once[columns], repeated[columns])
    assert once["n"].tolist() == [60] and repeated["n"].tolist() == [weights.sum()]


def test_labels_that_are_missing_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        curves.reliability(pd.Series([0.0, 1.0]), np.array([0.5]))
    with pytest.raises(ValueError, match="must be 0 or 1"):
        curves.reliability(pd.Series([0.0, np.nan]), np.array([0.5, 0.6]))
