"""Pairs of terms: what is compared with what, and the facts of the real tables."""

import pandas as pd
import pytest

from cxrstudy.data.nih_experts import compare_terms, relations_table, with_age_band
from cxrstudy.data.nih_experts.nih import FINDINGS, NO_FINDING, NihLabels
from cxrstudy.data.nih_experts.term_pairs import AIRSPACE, TERM_PAIRS, term_pairs
from cxrstudy.observations import PARENTS, ancestors, crosswalk
from cxrstudy.studies.nih_labels_vs_experts.overlap import overlap


def _small_nih() -> NihLabels:
    index = pd.Index(["a", "b", "c"], name="image")
    labels = pd.DataFrame(0.0, index, [*FINDINGS, NO_FINDING])
    labels.loc["a", ["Infiltration", "Mass"]] = 1
    labels.loc["b", "Edema"] = 1
    labels.loc["c", NO_FINDING] = 1
    images = pd.DataFrame(
        {"patient": [1, 1, 2], "view": ["AP", "PA", "PA"], "sex": ["F"] * 3, "age": [17, 18, 95]},
        index,
    )
    return NihLabels(labels, images)


def test_any_of_several_terms_counts():
    """One of the terms is enough, and terms outside the pair do not count."""
    nih = _small_nih()
    assert nih.any_of(("Infiltration", "Edema")).tolist() == [1, 1, 0]
    classes = pd.DataFrame(
        {"Lung Opacity": [0.0, 1.0, 0.0], "Normal": [0, 0, 1.0]}, nih.labels.index
    )
    found = compare_terms(classes, nih, "rsna")
    assert found.text_mined["Lung Opacity, narrow"].tolist() == [1, 0, 0]
    assert found.text_mined["Lung Opacity, wide"].tolist() == [1, 1, 0]
    counts = found.counts().loc["Lung Opacity, narrow"]
    assert counts.tolist() == [3, 2, 0, 1, 1, 1]


def test_rows_follow_the_experts_order():
    """The expert table may hold some images in any order; NIH rows follow it."""
    nih = _small_nih()
    classes = pd.DataFrame({"Lung Opacity": [1.0, 0.0], "Normal": [0.0, 1.0]}, ["c", "a"])
    found = compare_terms(classes, nih, "rsna")
    assert found.text_mined["Normal"].tolist() == [1, 0]
    assert found.images["patient"].tolist() == [2, 1]


def test_age_bands_close_on_the_left():
    """17 is a child, 18 is not, and nobody is left without a band."""
    ages = pd.DataFrame({"age": [0, 17, 18, 39, 40, 59, 60, 95]})
    bands = with_age_band(ages)["age band"].tolist()
    assert bands == ["0-17", "0-17", "18-39", "18-39", "40-59", "40-59", "60+", "60+"]


def test_every_term_stands_in_the_crosswalk():
    """The relation of each term can be printed."""
    known = set(zip(crosswalk()["source"], crosswalk()["term"], strict=True))
    for pair in TERM_PAIRS:
        assert (pair.source, pair.expert_term) in known
        assert all(("nih", term) in known for term in pair.nih_terms)
    assert len(relations_table()) == len(TERM_PAIRS)
    assert relations_table().query("pair == 'Fracture'")["NIH terms, any of"].item() == "none"


def test_the_wide_terms_are_what_the_crosswalk_puts_below_lung_opacity():
    """Every exact or narrower NIH term below Lung Opacity, lesions apart, is among them."""
    rows = crosswalk().query("source == 'nih' and relation in ['exact', 'narrower']")
    below = {
        row.term
        for row in rows.itertuples()
        if "Lung Opacity" in (row.observation, *ancestors(row.observation))
        and row.observation != "Lung Lesion"
    }
    assert set(AIRSPACE) == below
    assert PARENTS["Lung Lesion"] == "Lung Opacity"


def test_fracture_has_no_nih_term(google, nih):
    """A pair without an NIH term is listed and not scored."""
    found = compare_terms(google.labels["test"], nih, "google")
    assert "Fracture" not in found.expert
    assert "Fracture" in {pair.name for pair in term_pairs("google")}


def test_pneumonia_like_terms_against_rsna(rsna, nih):
    """PPV 0.326, sensitivity 0.724 and specificity 0.565 over the 26,585 drawn images."""
    counts = compare_terms(rsna.labels, nih, "rsna").counts().loc["Lung Opacity, narrow"]
    assert counts["images"] == 26585
    both, experts, nih_only, neither = counts.iloc[2:]
    assert both / (both + nih_only) == pytest.approx(0.326, abs=5e-4)
    assert both / (both + experts) == pytest.approx(0.724, abs=5e-4)
    assert neither / (neither + nih_only) == pytest.approx(0.565, abs=5e-4)


def test_two_expert_sources_on_the_same_images(google, rsna, nih):
    """RSNA's opacities are Google's in 330 of 351 images, its normals are not in 221 of 230."""
    sets = [overlap(labels, rsna, nih) for labels in google.labels.values()]
    counts = sum(found.counts for found in sets)
    assert counts.loc["Lung Opacity"].tolist() == [330, 21]
    assert counts.loc["Normal"].tolist() == [9, 221]
    for found in sets:
        assert all(table.index.equals(found.truth.index) for table in found.others.values())
