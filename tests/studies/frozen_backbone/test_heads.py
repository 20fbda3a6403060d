"""Heads on frozen features: what they learn from, and how their tables are laid out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cxrstudy.experiments.penalties import INVERSE_PENALTIES
from sklearn.linear_model import LogisticRegression

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies.frozen_backbone import heads as frozen
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.training import TrainingConfig


@pytest.fixture(scope="module")
def drawn(draw_image_set):
    image_set = draw_image_set(240)
    features = np.random.default_rng(1).normal(size=(240, 5))
    features[:, 0] += 2 * np.nan_to_num(image_set.labels["rsna"]["Lung Opacity"])
    return image_set, features


def test_experts_train_only_where_they_read(drawn):
    image_set, _ = drawn
    labels = training_labels(image_set)
    read = image_set.labels["rsna"]["Lung Opacity"].notna()
    assert labels[EXPERTS].notna().equals(read.rename(EXPERTS))
    assert labels[REPORTS].notna().all()
    assert not labels[REPORTS].equals(labels[EXPERTS])


def test_an_expert_head_is_scikit_learns_without_the_fold(drawn):
    """Fold 0 is scored by a head on the other folds' expert-read rows, standardised on them."""
    image_set, features = drawn
    heads = frozen.cross_fitted_heads(image_set, {"f": features})
    logits = heads[frozen.method_name("f", EXPERTS)]
    labels = training_labels(image_set)[EXPERTS].to_numpy()
    folds = image_set.folds(frozen.HEAD_FOLDS)
    train = (folds != 0) & ~np.isnan(labels)
    others = folds != 0
    scaled = (features - features[train].mean(0)) / features[train].std(0)
    candidates = [
        LogisticRegression(C=c, tol=1e-10, max_iter=1000)
        .fit(scaled[train], labels[train])
        .decision_function(scaled[~others])
        for c in INVERSE_PENALTIES
    ]
    nearest = min(np.abs(logits[~others] - expected).max() for expected in candidates)
    assert nearest < 1e-3


def test_a_half_is_scored_by_what_the_other_half_taught(drawn):
    """Other report labels in a half leave its own scores alone."""
    image_set, features = drawn
    halves = image_set.folds(2)
    before = frozen.half_fitted_head(image_set, features)
    nlp = image_set.labels["nlp"].copy()
    nlp.loc[halves == 0, "Infiltration"] = 1 - nlp.loc[halves == 0, "Infiltration"]
    changed = replace(image_set, labels=image_set.labels | {"nlp": nlp})
    after = frozen.half_fitted_head(changed, features)
    np.testing.assert_allclose(before[halves == 0], after[halves == 0])
    assert np.abs(before - after)[halves == 1].max() > 0.1


def test_features_are_named_by_weights_and_size():
    names = [BackboneName("mobilenet_v2"), BackboneName("resnet18", "random")]
    found = [frozen.feature_name(name, 64) for name in names]
    assert found == ["ImageNet features (64 px)", "random features (64 px)"]


def test_a_method_name_is_divided_again(drawn):
    table = pd.DataFrame({"method": [frozen.method_name("a, b", REPORTS)], "estimate": [0.5]})
    divided = frozen.split_names(table)
    assert divided[["input", "learned from"]].iloc[0].tolist() == ["a, b", REPORTS]


def test_claims_are_decided_by_their_run_lengths(drawn):
    """Five against twenty epochs of head training are compared, and decide nothing."""
    image_set, features = drawn
    names = [frozen.FROZEN, *(frozen.head_name(n) for n in (1, 5, 20, 60))]
    arms = frozen.fine_tuning_arms(TrainingConfig(), [3, 15], 2)
    assert [arm.name for arm in arms] == [
        "fine-tuned, 3 epochs", "fine-tuned, 15 epochs", "last third fine-tuned, 3 epochs",
    ]  # fmt: skip
    predictions = dict.fromkeys([*names, "fine-tuned, 3 epochs", "main"], features[:, 0])
    scores = opacity_scores(image_set, predictions, resampling=Resampling(60))
    words = {"heads": "images", "fine-tuning": "images"}
    for lengths, decides in (([1, 5, 20], False), ([1, 5, 60], True)):
        found = frozen.contrasts(
            scores, scores, scores, weighted=scores, main="main", head_epochs=lengths,
            tuned_epochs=3, data=words, seeds={"heads": 1, "fine-tuning": 1},
        )  # fmt: skip
        assert [contrast.decides for contrast in found] == [True, decides, True]
        assert found[0].estimate().value == 0


def test_share_of_the_final_score_ends_at_one(drawn):
    image_set, features = drawn
    predictions = {"1": features[:, 1], "9": features[:, 0]}
    scores = opacity_scores(image_set, predictions, resampling=Resampling(60))
    shares = frozen.convergence_table(scores, [1, 9])
    assert shares["estimate"].iloc[-1] == pytest.approx(1)
    first, last = (scores.score(name, "expert").value for name in predictions)
    assert shares["estimate"].iloc[0] == pytest.approx((first - 0.5) / (last - 0.5))


def test_the_summary_keeps_every_comparison(drawn):
    """What is shown of a recorded run are experts' scores of arms, not of inputs."""
    image_set, features = drawn
    scores = opacity_scores(image_set, {"one": features[:, 0]}, resampling=Resampling(60))
    table = frozen.summary_table({"heads": scores, "fine-tuning": scores})
    assert table.groupby("comparison").size().to_dict() == {"fine-tuning": 4, "heads": 4}
    shown = frozen.recorded_arms(table)
    assert shown[["comparison", "method"]].to_numpy().tolist() == [["fine-tuning", "one"]]
    assert shown["estimate"].iloc[0] == scores.score("one", "expert").value
