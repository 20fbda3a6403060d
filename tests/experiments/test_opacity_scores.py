"""Scores within views and pooled: scikit-learn's, their differences, and the predicted gap."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.data.nih_experts import (
    NihLabels,
    RsnaLabels,
    inverse_sampling_weights,
    sampling_strata,
)
from cxrstudy.experiments import opacity_scores as opacity
from cxrstudy.experiments.image_labels import lung_opacity_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.opacity_scores import opacity_scores, ranks_within

N_BOOTSTRAP = 200


@pytest.fixture(scope="module")
def images(draw_image_set):
    return draw_image_set(300)


@pytest.fixture(scope="module")
def predictions(images) -> dict[str, np.ndarray]:
    """Brightness with some noise: one training of one method, three of another."""
    rng = np.random.default_rng(1)
    brightness = images.pixels.mean((1, 2)) / 60
    return {
        "single": brightness + rng.normal(0, 1, len(images)),
        "triple": brightness + rng.normal(0, 2, (3, len(images))),
    }


@pytest.fixture(scope="module")
def labels(images) -> pd.DataFrame:
    return lung_opacity_labels(images, "rsna")


@pytest.fixture(scope="module")
def scores(images, predictions) -> LabelScores:
    return opacity_scores(images, predictions, resampling=Resampling(N_BOOTSTRAP))


def reference(labels: pd.DataFrame, source: str, values: np.ndarray, view: str | None) -> float:
    """Return scikit-learn's AUROC of the images of one view, or of all."""
    chosen = labels["view"].eq(view).to_numpy() if view else np.ones(len(labels), bool)
    return roc_auc_score(labels[source][chosen], values[chosen])


@pytest.mark.parametrize("experts", ["rsna", "google"])
@pytest.mark.parametrize("source", ["expert", "report"])
def test_scores_are_scikit_learns(experts, source, images, predictions):
    """Within AP, within PA, their mean, and pooled, on the images that these experts read."""
    found = opacity_scores(images, predictions, experts, resampling=Resampling(N_BOOTSTRAP))
    read = images.labels[experts].notna().to_numpy()[:, 0]
    labels = lung_opacity_labels(images, experts)
    assert len(labels) == read.sum() == len(found.expert)
    values = predictions["single"][read]
    ap, pa, pooled = (reference(labels, source, values, view) for view in ("AP", "PA", None))
    for where, expected in (("AP", ap), ("PA", pa), ("Average", (ap + pa) / 2), ("pooled", pooled)):
        assert found.score("single", source, where).value == pytest.approx(expected), where


def test_labels_of_an_image_stand_beside_each_other(images):
    labels = lung_opacity_labels(images, "google")
    google, nlp = images.labels["google"]["Airspace opacity"], images.labels["nlp"]
    assert labels.index.equals(images.images.index[google.notna()])
    name = labels.index[3]
    assert labels.loc[name, "expert"] == google[name]
    terms = nlp.loc[name, ["Pneumonia", "Consolidation", "Infiltration"]]
    assert labels.loc[name, "report"] == terms.max()
    about = ["view", "patient"]
    assert labels.loc[name, about].equals(images.images.loc[name, about])


def test_several_trainings_are_averaged(scores, labels, predictions):
    """The score of three trainings is the mean of their scores, not that of their mean."""
    read = labels.index.str[:4].astype(int)
    each = [reference(labels, "expert", t[read], None) for t in predictions["triple"]]
    assert scores.score("triple", "expert", "pooled").value == pytest.approx(np.mean(each))


def test_gaps_and_differences_are_differences(scores):
    """A difference of differences has the four scores' value, and the pairing's replicates."""
    first, second = (
        [scores.score(name, source) for source in ("expert", "report")]
        for name in ("single", "triple")
    )
    gap, other = scores.gap("single"), scores.gap("triple")
    assert gap.value == pytest.approx(first[1].value - first[0].value)
    np.testing.assert_allclose(gap.replicates, first[1].replicates - first[0].replicates)
    both = scores.combine(
        (1, "single", "report"), (-1, "single", "expert"),
        (-1, "triple", "report"), (1, "triple", "expert"),
    )  # fmt: skip
    assert both.value == pytest.approx(gap.value - other.value)
    np.testing.assert_allclose(both.replicates, gap.replicates - other.replicates)
    difference = scores.difference("single", "triple", "report")
    assert difference.value == pytest.approx(first[1].value - second[1].value)


def test_a_method_differs_from_itself_by_nothing(scores):
    for name in ("single", "triple"):
        assert not scores.difference(name, name).replicates.any()


def test_one_training_is_compared_with_each_of_three(images, predictions, scores):
    """As if it had been trained three times with the same result."""
    repeated = predictions | {"single": np.tile(predictions["single"], (3, 1))}
    expected = opacity_scores(images, repeated, resampling=Resampling(N_BOOTSTRAP))
    for names in (("single", "triple"), ("triple", "single")):
        ours, theirs = (each.difference(*names) for each in (scores, expected))
        assert ours.value == pytest.approx(theirs.value)
        np.testing.assert_allclose(ours.replicates, theirs.replicates)


def test_two_and_three_trainings_cannot_be_paired(images, predictions):
    odd = predictions | {"double": predictions["triple"][:2]}
    scores = opacity_scores(images, odd, resampling=Resampling(N_BOOTSTRAP))
    with pytest.raises(ValueError, match=r"\[2, 3\] trainings cannot be paired"):
        scores.difference("double", "triple")


def test_the_share_above_chance_by_hand(scores):
    """(A - 0.5) / (B - 0.5) of the two scores."""
    one, other = (scores.score("single", source).value for source in ("expert", "report"))
    assert scores.share_above_chance("single", "single").value == pytest.approx(1)
    assert scores.share_above_chance("single", "single", "report").value == pytest.approx(1)
    share = scores.share_above_chance("triple", "single", place="AP").replicates
    assert np.isfinite(share).all() and one > other > 0.5


def predicted(labels: pd.DataFrame, auroc: float, weights=None) -> float:
    """Return one half plus (PPV + NPV - 1)(A - 1/2), minus A."""
    expert, report = labels["expert"], labels["report"]
    ppv = precision_score(expert, report, sample_weight=weights)
    npv = precision_score(1 - expert, 1 - report, sample_weight=weights)
    return 0.5 + (ppv + npv - 1) * (auroc - 0.5) - auroc


def test_the_predicted_gap_by_hand(scores, labels):
    """From PPV and NPV of the report labels in each view; within views, the mean of the two."""
    names = ("AP", "PA", "pooled")
    auroc = {name: scores.score("single", "expert", name).value for name in names}
    of_view = dict(tuple(labels.groupby("view")))
    expected = {view: predicted(of_view[view], auroc[view]) for view in ("AP", "PA")}
    expected["Average"] = (expected["AP"] + expected["PA"]) / 2
    expected["pooled"] = predicted(labels, auroc["pooled"])
    for where, value in expected.items():
        found = scores.quantity("gap_predicted", "single", where)
        excess = scores.quantity("excess", "single", where)
        assert found.value == pytest.approx(value), where
        assert excess.value == pytest.approx(scores.gap("single", where).value - value), where


def test_only_rsnas_draw_can_be_weighted(images, predictions):
    with pytest.raises(ValueError, match="only RSNA drew"):
        opacity_scores(images, predictions, "google", weighted=True)


@pytest.fixture
def drawn_by_label(images, monkeypatch) -> pd.Series:
    """Pretend that the NIH has many more images than were drawn; return the weights."""
    nlp = images.labels["nlp"]
    names = pd.Index([f"more {number}" for number in range(900)], name="image")
    more = pd.DataFrame(0.0, names, nlp.columns)
    more["No Finding"] = np.arange(900) % 3 > 0
    nih = NihLabels(pd.concat([nlp, more]).astype(float), pd.DataFrame(index=names))
    read = images.labels["rsna"]["Lung Opacity"].dropna()
    monkeypatch.setattr(opacity, "load_nih", lambda: nih)
    monkeypatch.setattr(opacity, "load_rsna", lambda: RsnaLabels(read.to_frame(), None, {}))
    return inverse_sampling_weights(sampling_strata(nih), read.index)


def test_weighted_scores_are_scikit_learns(images, labels, predictions, drawn_by_label):
    """Each image counts as many as it stands for: in scores and in predictive values."""
    scores = opacity_scores(images, predictions, weighted=True, resampling=Resampling(N_BOOTSTRAP))
    weights = drawn_by_label.to_numpy()
    assert np.ptp(weights) > 1 and drawn_by_label.index.equals(labels.index)
    values = pd.Series(predictions["single"], images.images.index)[labels.index]
    for where, chosen in (("AP", labels["view"] == "AP"), ("pooled", labels["view"].notna())):
        kept, stands_for = labels[chosen], weights[chosen]
        for source in ("expert", "report"):
            expected = roc_auc_score(kept[source], values[chosen], sample_weight=stands_for)
            assert scores.score("single", source, where).value == pytest.approx(expected)
        expected = predicted(kept, scores.score("single", "expert", where).value, stands_for)
        assert scores.quantity("gap_predicted", "single", where).value == pytest.approx(expected)


def test_patients_are_drawn_as_a_whole(images, labels, predictions):
    """Two images of each patient: as many leave-one-out values as patients, not as images."""
    single = {"single": predictions["single"]}
    scores = opacity_scores(images, single, resampling=Resampling(N_BOOTSTRAP))
    n_patients = labels["patient"].nunique()
    assert n_patients < len(scores.expert)
    assert len(scores.score("single", "expert", "pooled").jackknife) == n_patients


def test_the_table_has_every_quantity_with_its_interval(scores):
    table = scores.table()
    assert len(table) == 20 and not table.duplicated(["method", "place", "quantity"]).any()
    assert table.groupby("method")["seeds"].first().to_dict() == {"single": 1, "triple": 3}
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()
    assert (table["n"] == len(scores.expert)).all()
    assert scores.score("single", "expert").method == "percentile"
    gap = table.query("method == 'triple' and place == 'pooled' and quantity == 'gap'")
    assert gap["estimate"].item() == pytest.approx(scores.gap("triple", "pooled").value)


def test_models_of_two_scales_are_compared_by_ranks_within_folds(images, predictions):
    """One model adds ten to all of its scores: ranks within its fold do not notice."""
    folds = images.folds(2)
    shifted = {name: scores + 10 * folds for name, scores in predictions.items()}
    settings = {"resampling": Resampling(N_BOOTSTRAP), "folds": folds}
    given = (predictions, shifted)
    expected, found = (opacity_scores(images, each, **settings) for each in given)
    for name in predictions:
        assert found.score(name, "expert").value == expected.score(name, "expert").value
    raw = opacity_scores(images, shifted, resampling=Resampling(N_BOOTSTRAP))
    assert raw.score("single", "expert").value < found.score("single", "expert").value - 0.05


def test_ranks_within_folds_by_hand():
    """Ties share a rank; what was not scored has none."""
    folds = np.array([0, 0, 0, 1, 1])
    ranks = ranks_within(folds, np.array([[3.0, 1.0, 1.0, -5.0, np.nan]]))
    np.testing.assert_allclose(ranks, [[1, 0.5, 0.5, 1, np.nan]])


def test_a_view_with_few_events_has_no_score(images, predictions):
    """Nine positive PA images by one source: within view is refused, pooled is not."""
    rsna = images.labels["rsna"]["Lung Opacity"].copy()
    positive = rsna.index[(rsna == 1) & (images.images["view"] == "PA")]
    rsna[positive[9:]] = 0
    few = replace(images, labels=images.labels | {"rsna": rsna.to_frame()})
    scores = opacity_scores(few, predictions, resampling=Resampling(N_BOOTSTRAP))
    with pytest.raises(ValueError, match="too few events to enter the average"):
        scores.score("single", "expert")
    assert np.isfinite(scores.score("single", "expert", "pooled").value)


def test_the_summary_has_four_measures_of_each_method(scores):
    table = scores.summary()
    assert table.groupby("method").size().to_dict() == {"single": 4, "triple": 4}
    value = table.set_index(["method", "measure"])["estimate"]
    expected = scores.score("single", "expert", "pooled").value
    assert value["single", "auroc_expert_pooled"] == pytest.approx(expected)
