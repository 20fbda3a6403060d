"""Pairs of terms: what is compared with what, the draw, and the facts of the real tables."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.nih_experts import (
    NIH_FINDINGS,
    NO_FINDING,
    STRATA,
    NihLabels,
    inverse_sampling_weights,
    sampling_strata,
)
from cxrstudy.observations import PARENTS, crosswalk
from cxrstudy.observations.definitions import ancestors
from cxrstudy.studies.nih_labels_vs_experts import terms

STRATUM = pd.Series(["x"] * 4 + ["y"] * 6, index=list("abcdefghij"), name="stratum")
DRAWN = pd.Index(["a", "b", "e"])


@pytest.fixture
def small_nih() -> NihLabels:
    """Three images: an infiltration with a mass, an edema, nothing."""
    index = pd.Index(["a", "b", "c"], name="image")
    labels = pd.DataFrame(0.0, index, [*NIH_FINDINGS, NO_FINDING])
    labels.loc["a", ["Infiltration", "Mass"]] = 1
    labels.loc["b", "Edema"] = 1
    labels.loc["c", NO_FINDING] = 1
    images = pd.DataFrame(
        {"patient": [1, 1, 2], "view": ["AP", "PA", "PA"], "sex": ["F"] * 3, "age": [17, 18, 95]},
        index,
    )
    return NihLabels(labels, images)


def test_any_of_several_terms_counts(small_nih):
    """One of the terms is enough, and terms outside the pair do not count."""
    assert small_nih.any_of(("Infiltration", "Edema")).tolist() == [1, 1, 0]
    answers = {"Lung Opacity": [0.0, 1.0, 0.0], "Normal": [0, 0, 1.0]}
    classes = pd.DataFrame(answers, small_nih.labels.index)
    found = terms.compare_terms(classes, small_nih, "rsna")
    assert found.text_mined["Lung Opacity, narrow"].tolist() == [1, 0, 0]
    assert found.text_mined["Lung Opacity, wide"].tolist() == [1, 1, 0]
    counts = found.counts().loc["Lung Opacity, narrow"]
    assert counts.tolist() == [3, 2, 0, 1, 1, 1]


def test_rows_follow_the_experts_order(small_nih):
    classes = pd.DataFrame({"Lung Opacity": [1.0, 0.0], "Normal": [0.0, 1.0]}, ["c", "a"])
    found = terms.compare_terms(classes, small_nih, "rsna")
    assert found.text_mined["Normal"].tolist() == [1, 0]
    assert found.images["patient"].tolist() == [2, 1]


def test_every_term_stands_in_the_crosswalk():
    """The relation of each term can be printed, or that the NIH has none, as for fractures."""
    table = terms.relations_table()
    assert len(table) == len(terms.TERM_PAIRS)
    assert table.query("pair == 'Fracture'")["NIH terms, any of"].item() == "none"


def test_the_wide_terms_are_what_the_crosswalk_puts_below_lung_opacity():
    rows = crosswalk().query("source == 'nih' and relation in ['exact', 'narrower']")
    below = {
        row.term
        for row in rows.itertuples()
        if "Lung Opacity" in (row.observation, *ancestors(row.observation))
        and row.observation != "Lung Lesion"
    }
    assert set(terms.AIRSPACE) == below
    assert PARENTS["Lung Lesion"] == "Lung Opacity"


def test_pneumonia_like_terms_against_rsna(rsna, nih):
    """PPV 0.326, sensitivity 0.724 and specificity 0.565 over the 26,585 drawn images."""
    counts = terms.compare_terms(rsna.labels, nih, "rsna").counts().loc["Lung Opacity, narrow"]
    assert counts["images"] == 26585
    both, experts, nih_only, neither = counts.iloc[2:]
    assert both / (both + nih_only) == pytest.approx(0.326, abs=5e-4)
    assert both / (both + experts) == pytest.approx(0.724, abs=5e-4)
    assert neither / (neither + nih_only) == pytest.approx(0.565, abs=5e-4)


def test_weights_move_sensitivity_and_specificity_but_not_ppv(rsna, nih):
    """0.724 falls to 0.449 and 0.565 rises to 0.829; PPV lies within one stratum and stays."""
    found = terms.compare_terms(rsna.labels, nih, "rsna")
    truth, label = (t["Lung Opacity, narrow"] for t in (found.expert, found.text_mined))
    weights = inverse_sampling_weights(sampling_strata(nih), rsna.labels.index)

    def mean(values, among):
        return np.average(values[among == 1], weights=weights[among == 1])

    assert mean(label, truth) == pytest.approx(0.449, abs=5e-4)
    assert mean(1 - label, 1 - truth) == pytest.approx(0.829, abs=5e-4)
    assert mean(truth, label) == pytest.approx(truth[label == 1].mean())


def test_fractions_by_hand():
    """Two of four and one of six were drawn; within a group the levels add up to the strata."""
    table = terms.sampling_fractions(STRATUM, DRAWN)
    assert table["drawn"].tolist() == [2, 1]
    assert table["fraction"].tolist() == [0.5, 1 / 6]
    images = pd.DataFrame({"view": list("AABBAABBAA"), "sex": "F", "age": 50}, STRATUM.index)
    views = terms.sampling_by_group(STRATUM, DRAWN, images).loc["view"]
    assert views[["x, drawn", "y, drawn"]].sum().tolist() == [2, 1]
    assert views.loc["A", "x, fraction"] == 1.0


def test_the_real_draw_is_two_to_one_to_one_whatever_the_view(rsna, nih):
    """Within a stratum the same fraction of AP and PA images was drawn, to one point."""
    table = terms.sampling_fractions(sampling_strata(nih), rsna.labels.index).loc[list(STRATA)]
    assert table["images"].tolist() == [24084, 27675, 60361]
    assert table["drawn"].tolist() == [13300, 6649, 6636]
    table = terms.sampling_by_group(sampling_strata(nih), rsna.labels.index, nih.images)
    fractions = table.loc[["view", "sex"], [f"{stratum}, fraction" for stratum in STRATA]]
    assert (fractions.groupby("group").agg(np.ptp) < 0.01).all(axis=None)


def test_two_expert_sources_on_the_same_images(google, rsna, nih):
    """RSNA's opacities are Google's in 330 of 351 images, its normals are not in 221 of 230."""
    sets = [terms.overlap(labels, rsna, nih) for labels in google.values()]
    counts = sum(found.counts for found in sets)
    assert counts.loc["Lung Opacity"].tolist() == [330, 21]
    assert counts.loc["Normal"].tolist() == [9, 221]
    for found in sets:
        assert all(table.index.equals(found.truth.index) for table in found.others.values())
