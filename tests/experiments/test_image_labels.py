"""Which images a study uses, what models learn from them, and what becomes of flipped labels."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.data.nih_experts import NIH_FINDINGS, NO_FINDING
from cxrstudy.experiments.image_labels import (
    NIH_TERMS,
    read_by_experts,
    study_images,
    text_mined_targets,
    with_label_noise,
)

TERMS = (*NIH_FINDINGS, NO_FINDING)


def label_table(*positive: tuple[str, ...]) -> pd.DataFrame:
    rows = [[float(term in terms) for term in TERMS] for terms in positive]
    return pd.DataFrame(rows, columns=TERMS)


def test_any_term_of_an_observation_counts():
    """Each of three terms is opacity; a nodule and a mass are one lesion; edema is neither."""
    labels = label_table(
        ("Pneumonia",), ("Consolidation",), ("Infiltration", "Mass"), ("Nodule",), ("Edema",),
        ("No Finding",),
    )  # fmt: skip
    targets = text_mined_targets(labels, minimum_positives=0)
    assert list(targets) == list(NIH_TERMS) and (targets.dtypes == np.float32).all()
    assert targets["Lung Opacity"].tolist() == [1, 1, 1, 0, 0, 0]
    assert targets["Pneumonia"].tolist() == [1, 0, 0, 0, 0, 0]
    assert targets["Lung Lesion"].tolist() == [0, 0, 1, 1, 0, 0]
    assert targets["Edema"].tolist() == [0, 0, 0, 0, 1, 0]
    assert targets["No Finding"].tolist() == [0, 0, 0, 0, 0, 1]


def test_every_term_is_one_of_the_nihs():
    assert {term for terms in NIH_TERMS.values() for term in terms} <= set(TERMS)


def test_rare_and_nearly_universal_observations_are_left_out():
    """At least two positives and two negatives: one edema and eleven effusions of twelve go."""
    rows = [("Effusion",)] * 10 + [("Effusion", "Edema"), ("Hernia",)]
    rows[0] += ("Mass",)
    rows[1] += ("Nodule",)
    assert list(text_mined_targets(label_table(*rows), minimum_positives=2)) == ["Lung Lesion"]


def test_silent_sources_give_no_target():
    labels = label_table(("Edema",), ("Edema",), (), ())
    labels.loc[[2, 3], "Edema"] = np.nan
    targets = text_mined_targets(labels, minimum_positives=0)
    assert targets["Edema"].isna().tolist() == [False, False, True, True]
    assert "Edema" not in text_mined_targets(labels, minimum_positives=1)


@pytest.fixture
def targets() -> pd.DataFrame:
    drawn = np.random.default_rng(5).random((4000, 2)) < [0.5, 0.1]
    return pd.DataFrame(drawn, columns=["a", "b"]).astype(np.float32)


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.5])
def test_the_share_of_flips_is_the_rate(targets, rate):
    flipped = with_label_noise(targets, rate) != targets
    assert set(np.unique(with_label_noise(targets, rate))) == {0.0, 1.0}
    for value in (0, 1):
        share = flipped.to_numpy()[targets.to_numpy() == value]
        assert abs(share.mean() - rate) < 3 * np.sqrt(rate * (1 - rate) / len(share))


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 2**32))
def test_a_lower_dose_is_part_of_a_higher_one(first, second, seed):
    plain = pd.DataFrame(np.zeros((20, 3), np.float32))
    low, high = (with_label_noise(plain, rate, seed) for rate in sorted((first, second)))
    assert (low <= high).all(axis=None)


def test_no_noise_changes_nothing_and_seeds_differ(targets):
    assert with_label_noise(targets, 0.0).equals(targets)
    assert with_label_noise(targets, 0.2, 1).equals(with_label_noise(targets, 0.2, 1))
    assert not with_label_noise(targets, 0.2, 1).equals(with_label_noise(targets, 0.2, 2))
    assert (with_label_noise(targets, 0.2).dtypes == np.float32).all()


@pytest.mark.parametrize("rate", [-0.01, 0.51, float("nan")])
def test_impossible_rates_are_refused(targets, rate):
    with pytest.raises(ValueError, match="rate must be from 0 to 0.5"):
        with_label_noise(targets, rate)


@pytest.fixture(scope="module")
def images(draw_image_set):
    """200 images, most of which no expert read."""
    drawn = draw_image_set(200)
    labels = dict(drawn.labels)
    for remainder, source in enumerate(("rsna", "google")):
        labels[source] = labels[source].where((np.arange(200) % 10 == remainder)[:, None])
    return dataclasses.replace(drawn, labels=labels)


def test_either_source_reads_an_image(images):
    rsna, google = (images.labels[source].notna().any(axis=1) for source in ("rsna", "google"))
    read = read_by_experts(images)
    assert (read == (rsna | google)).all() and 0 < read.sum() < 40


def test_all_that_experts_read_are_in(images):
    chosen = study_images(images, 60, 8)
    names = images.images.index
    assert len(chosen) == 60
    assert set(names[read_by_experts(images)]) <= set(chosen.images.index)
    assert chosen.images.index.equals(names[names.isin(chosen.images.index)])
    rows = names.get_indexer(chosen.images.index)
    np.testing.assert_array_equal(chosen.pixels, images.pixels[rows])


def test_a_larger_choice_contains_a_smaller_one(images):
    small, large = (set(study_images(images, n, 8).images.index) for n in (50, 90))
    assert small < large


def test_labels_play_no_part(images):
    turned = {source: 1 - table for source, table in images.labels.items()}
    other = study_images(dataclasses.replace(images, labels=turned), 70, 8)
    assert other.images.index.equals(study_images(images, 70, 8).images.index)


def test_zero_stands_for_all_and_the_size_is_set(images):
    chosen = study_images(images, 0, 4)
    assert len(chosen) == 200 and chosen.size == 4
    assert chosen.build == "drawn; averaged down to 4 px"


def test_too_few_are_refused(images):
    read = read_by_experts(images).sum()
    assert len(study_images(images, int(read), 8)) == read
    with pytest.raises(ValueError, match=f"experts read {read} of these images"):
        study_images(images, int(read) - 1, 8)
