"""Who disagrees, the floor of F1, what closing labels upward does, and the published reasons."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments import label_conventions
from cxrstudy.observations import close_upward
from cxrstudy.studies.report_vs_image_agreement import disagreement

CONDITIONS = ["Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion", "Support Devices",
              "Enlarged Cardiomediastinum", "Lung Opacity", "No Finding"]  # fmt: skip


def test_an_unknown_truth_is_no_disagreement():
    truth = pd.DataFrame({"Edema": [np.nan, np.nan]})
    labels = pd.DataFrame({"Edema": [1, -1]})
    assert not disagreement.disagreement_counts(truth, labels).to_numpy().any()


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([1.0, 0.0, -1.0, np.nan])),
                min_size=1, max_size=60))  # fmt: skip
def test_disagreements_and_agreements_are_all_studies(pairs):
    image, report = zip(*pairs, strict=True)
    truth, labels = (pd.DataFrame({"Edema": column}) for column in (image, report))
    agreeing = sum((y == 1 and r == 1) or (y == 0 and (r == 0 or np.isnan(r))) for y, r in pairs)
    assert disagreement.disagreement_counts(truth, labels).to_numpy().sum() + agreeing == len(pairs)


def test_floor_equals_scikit_learns_f1_of_all_positive(chexpert):
    """Enlarged Cardiomediastinum has 0.672, as much as with the paper's learned mapping."""
    floor = label_conventions.always_positive_f1(chexpert.truth)
    assert floor["Enlarged Cardiomediastinum"] == pytest.approx(0.672, abs=5e-4)
    for name, column in chexpert.truth.items():
        assert floor[name] == pytest.approx(f1_score(column, np.ones(500)))


def test_scored_parents_are_those_with_children():
    truth = pd.DataFrame(columns=["Lung Opacity", "Edema", "Enlarged Cardiomediastinum"])
    assert label_conventions.scored_parents(truth) == ["Lung Opacity", "Enlarged Cardiomediastinum"]


def test_effect_equals_scikit_learns_f1(chexpert):
    truth = chexpert.truth[CONDITIONS]
    effect = label_conventions.hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    closed = close_upward(chexpert.labeler)
    gains = []
    for parent in label_conventions.scored_parents(truth):
        f1 = [f1_score(truth[parent], table[parent] == 1) for table in (chexpert.labeler, closed)]
        found = effect.estimate(label_conventions.closing_contrast("zeros"), parent, "f1")
        assert found.value == pytest.approx(f1[1] - f1[0])
        gains.append(f1[1] - f1[0])
    average = effect.estimate(label_conventions.closing_contrast("zeros"), "Average", "f1")
    assert average.value == pytest.approx(np.mean(gains))
    table = label_conventions.closing_gains(effect, truth)
    table = table.query("policy == 'zeros' and metric == 'f1'")
    assert table["estimate"].tolist() == pytest.approx([*gains, np.mean(gains)])


def test_observations_without_children_do_not_change(chexpert):
    truth = chexpert.truth[["Edema", "Pleural Effusion", "Lung Opacity"]]
    effect = label_conventions.hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    for policy in label_conventions.POLICIES:
        for name in ("Edema", "Pleural Effusion"):
            difference = effect.estimate(label_conventions.closing_contrast(policy), name, "f1")
            assert difference.value == 0.0 and not difference.replicates.any()


def test_without_a_scored_parent_all_observations_are_averaged(chexpert):
    truth = chexpert.truth[["Edema", "Pleural Effusion"]]
    effect = label_conventions.hierarchy_effect(truth, chexpert.labeler, resampling=Resampling(20))
    parts = [effect.estimate("zeros", name, "f1").value for name in truth]
    assert effect.estimate("zeros", "Average", "f1").value == pytest.approx(np.mean(parts))


def test_children_that_are_not_scored_count_for_their_parent():
    """A lesion makes the lung opaque. One of two findings gains 1, so both gain a half."""
    opacity = [1.0, 0.0] * 20
    truth = pd.DataFrame({"Lung Opacity": opacity, "Fracture": opacity})
    labels = pd.DataFrame({"Lung Lesion": opacity, "Lung Opacity": np.nan, "Fracture": opacity})
    effect = label_conventions.hierarchy_effect(truth, labels, resampling=Resampling(20))
    assert effect.estimate("zeros, closed", "Lung Opacity", "f1").value == 1.0
    assert effect.estimate("zeros", "Lung Opacity", "f1").value == 0.0
    words = disagreement.gain_over_all_in_words(effect, truth)
    assert words.startswith("Over all 2 findings, of which the others gain nothing: +0.500 (95 %")


@pytest.fixture(scope="module")
def tables():
    """Simulate Lung Opacity that reports mark only through its child Edema, and four readers."""
    rng = np.random.default_rng(0)
    edema = rng.random(120) < 0.4
    truth = pd.DataFrame({"Lung Opacity": edema.astype(int), "Edema": edema.astype(int)})
    labels = pd.DataFrame({"Lung Opacity": np.nan, "Edema": np.where(edema, 1.0, np.nan)})
    readers = {
        f"r{i}": (truth.astype(bool) ^ (rng.random(truth.shape) < 0.1)).astype(float)
        for i in range(4)
    }
    return truth, labels, readers


def test_a_hierarchy_that_explains_everything_gains_the_whole_shortfall(tables):
    """F1 is 0 for the parent and 1 for the child; closing mends all of it."""
    truth, labels, _ = tables
    rows = disagreement.published_reasons(truth, labels, {}, Resampling(20)).set_index("reason")
    assert rows.loc["all together", "estimate"] == pytest.approx(0.5)
    assert rows.loc["label hierarchy", "estimate"] == pytest.approx(0.5)


def test_noise_is_the_shortfall_of_one_reader(tables):
    """The yardstick is one minus the readers' mean F1 against the others' majority."""
    truth, labels, readers = tables
    rows = disagreement.published_reasons(truth, labels, readers, Resampling(50))
    scores = []
    for name, table in readers.items():
        peers = sum(other for peer, other in readers.items() if peer != name) >= 2
        scores += [f1_score(peers[column], table[column]) for column in truth]
    row = rows.set_index("reason").loc["noise of the labeling task"]
    assert row["estimate"] == pytest.approx(1 - np.mean(scores))
    assert row["low"] < row["estimate"] < row["high"]


def test_what_cannot_be_measured_names_the_data_it_needs(tables):
    truth, labels, _ = tables
    rows = disagreement.published_reasons(truth, labels, {}, Resampling(20))
    missing = rows[rows["estimate"].isna()]
    assert missing["reason"].tolist() == [
        "access to clinical history", "impression only", "noise of the labeling task",
    ]  # fmt: skip
    assert missing["needs"].str.len().gt(0).all()


def test_a_table_without_parents_says_nothing_about_the_hierarchy(tables):
    """Where no parent is scored, closing cannot matter, and a gain of zero would mislead."""
    truth, labels, _ = tables
    rows = disagreement.published_reasons(truth[["Edema"]], labels, {}, Resampling(20))
    rows = rows.set_index("reason")
    assert np.isnan(rows.loc["label hierarchy", "estimate"])
    assert "parent" in rows.loc["label hierarchy", "needs"]
