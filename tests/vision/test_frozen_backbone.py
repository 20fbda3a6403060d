"""Heads on frozen features: what they learn from, and how their tables are laid out."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cxrstudy.vision import frozen_backbone as frozen
from cxrstudy.vision.scoring import LabelScores


@pytest.fixture(scope="module")
def drawn(draw_image_set):
    image_set = draw_image_set(240)
    features = np.random.default_rng(1).normal(size=(240, 5))
    features[:, 0] += 2 * np.nan_to_num(image_set.labels["rsna"]["Lung Opacity"])
    return image_set, features


def test_experts_train_only_where_they_read(drawn):
    image_set, _ = drawn
    labels = frozen.training_labels(image_set)
    read = image_set.labels["rsna"]["Lung Opacity"].notna()
    assert labels[frozen.EXPERTS].notna().equals(read.rename(frozen.EXPERTS))
    assert labels[frozen.REPORTS].notna().all()
    assert not labels[frozen.REPORTS].equals(labels[frozen.EXPERTS])


def test_an_expert_head_is_scikit_learns_without_the_fold(drawn):
    """Fold 0 is scored by a head on the other folds' expert-read rows, standardised on them."""
    image_set, features = drawn
    heads = frozen.cross_fitted_heads(image_set, {"f": features}, 3)
    logits = heads[frozen.method_name("f", frozen.EXPERTS)]
    labels = frozen.training_labels(image_set)[frozen.EXPERTS].to_numpy()
    folds = image_set.folds(3)
    train = (folds != 0) & ~np.isnan(labels)
    others = folds != 0
    scaled = (features - features[train].mean(0)) / features[train].std(0)
    candidates = [
        LogisticRegression(C=c, tol=1e-10, max_iter=1000)
        .fit(scaled[train], labels[train])
        .decision_function(scaled[~others])
        for c in frozen.INVERSE_PENALTIES
    ]
    nearest = min(np.abs(logits[~others] - expected).max() for expected in candidates)
    assert nearest < 1e-3


def test_the_learning_curve_grows_and_stops_at_what_a_source_has(drawn):
    image_set, features = drawn
    learned = frozen.learning_curve_heads(image_set, features, [40, 80, 5000], 2, 3)
    assert {values.shape for values in learned.values()} == {(2, 240)}
    sizes = {source: [int(name.rpartition(", ")[2]) for name in learned if name.startswith(source)]
             for source in (frozen.REPORTS, frozen.EXPERTS)}  # fmt: skip
    assert sizes[frozen.REPORTS] == [40, 80, 160]
    assert sizes[frozen.EXPERTS][-1] < 160
    scores = LabelScores(image_set, learned, n_bootstrap=60)
    table = frozen.learning_curve_table(scores, list(learned))
    assert list(table["training images"]) == sizes[frozen.REPORTS] + sizes[frozen.EXPERTS]


def test_share_of_the_final_score_ends_at_one(drawn):
    image_set, features = drawn
    predictions = {"1": features[:, 1], "9": features[:, 0]}
    scores = LabelScores(image_set, predictions, n_bootstrap=60)
    table = frozen.convergence_table(scores, [1, 9])
    shares = table.query("quantity == 'share of the final score'")
    assert shares["estimate"].iloc[-1] == pytest.approx(1)
    first, last = (scores.score(name, "expert").value for name in predictions)
    assert shares["estimate"].iloc[0] == pytest.approx((first - 0.5) / (last - 0.5))
