"""Heads on frozen features: what they learn from, and how their tables are laid out."""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.cross_fitting import INVERSE_PENALTIES
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies.frozen_backbone import heads
from cxrstudy.vision.backbones import BackboneName


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
    fitted = heads.cross_fitted_heads(image_set, {"f": features})
    logits = fitted[heads.method_name("f", EXPERTS)]
    labels = training_labels(image_set)[EXPERTS].to_numpy()
    folds = image_set.folds(heads.HEAD_FOLDS)
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
    before = heads.half_fitted_head(image_set, features)
    nlp = image_set.labels["nlp"].copy()
    nlp.loc[halves == 0, "Infiltration"] = 1 - nlp.loc[halves == 0, "Infiltration"]
    changed = replace(image_set, labels=image_set.labels | {"nlp": nlp})
    after = heads.half_fitted_head(changed, features)
    np.testing.assert_allclose(before[halves == 0], after[halves == 0])
    assert np.abs(before - after)[halves == 1].max() > 0.1


def test_features_are_named_by_weights_and_size():
    names = [BackboneName("mobilenet_v2"), BackboneName("resnet18", "random")]
    found = [heads.feature_name(name, 64) for name in names]
    assert found == ["ImageNet features (64 px)", "random features (64 px)"]


def test_a_method_name_is_divided_again():
    """A name without a source is of a method that learned report labels."""
    methods = [heads.method_name("a, b", EXPERTS), heads.method_name("a, b"), "fine-tuned, 1 epoch"]
    divided = heads.split_names(pd.DataFrame({"method": methods}))
    assert divided["method"].tolist() == ["a, b", "a, b", "fine-tuned, 1 epoch"]
    assert divided["learned_from"].tolist() == [EXPERTS, REPORTS, REPORTS]


def test_a_missing_age_counts_as_the_median():
    """Of 20, 40 and 90 years; the table has other columns too."""
    ages = [20.0, 40.0, 90.0, np.nan]
    features = heads.metadata_features(pd.DataFrame({"view": "PA", "sex": "F", "age": ages}))
    assert features[3].tolist() == features[1].tolist() and features.shape == (4, 7)
    assert features.dtype == np.float64 and np.isfinite(features).all()


def test_claims_are_decided_by_their_run_lengths(drawn):
    """Five against twenty epochs of head training are compared, and decide nothing."""
    image_set, features = drawn
    names = [heads.FROZEN, *(heads.head_name(n) for n in (1, 5, 20, 60))]
    arms = heads.fine_tuning_arms(BackboneName(), [3, 15], 2)
    assert [arm.name for arm in arms] == [
        "fine-tuned, 3 epochs", "fine-tuned, 15 epochs", "last third fine-tuned, 3 epochs",
    ]  # fmt: skip
    predictions = dict.fromkeys([*names, "fine-tuned, 3 epochs", "main"], features[:, 0])
    scores = opacity_scores(image_set, predictions, resampling=Resampling(60))
    words = {"heads": "images", "fine_tuning": "images"}
    for lengths, decides in (([1, 5, 20], False), ([1, 5, 60], True)):
        found = heads.contrasts(
            scores, scores, scores, scores, main="main", head_epochs=lengths, tuned_epochs=3,
            data=words, seeds={"heads": 1, "fine_tuning": 1},
        )  # fmt: skip
        assert [contrast.decides for contrast in found] == [True, decides, True]
        assert found[0].estimate().value == 0


def test_the_summary_keeps_every_comparison(drawn):
    """Of all comparisons but that of inputs, the experts' scores are drawn."""
    image_set, features = drawn
    scores = opacity_scores(image_set, {"one": features[:, 0]}, resampling=Resampling(60))
    table = heads.summary_table({"heads": scores, "fine_tuning": scores})
    assert table.groupby("comparison").size().to_dict() == {"fine_tuning": 4, "heads": 4}
    shown = heads.trained_stepwise(table)
    assert shown[["comparison", "method"]].to_numpy().tolist() == [["fine_tuning", "one"]]
    value = scores.score("one", "expert").value
    assert shown["estimate"].iloc[0] == value
    assert heads.estimates_in_words(shown) == f"one: {value:.2f}."


def test_scores_are_named_by_head_and_judge(drawn):
    image_set, features = drawn
    predictions = {heads.method_name("f", EXPERTS): features[:, 0]}
    table = heads.judged_table(opacity_scores(image_set, predictions, resampling=Resampling(60)))
    assert table["head"].tolist() == ["f, experts"] * 2
    assert table["judge"].tolist() == ["judged by experts", "judged by report labels"]
