"""Which images a study uses: all that experts read, others by hash, none by label."""

import dataclasses

import numpy as np
import pytest

from cxrstudy.experiments.study_images import read_by_experts, study_images


@pytest.fixture(scope="module")
def images(draw_image_set):
    """200 images, most of which no expert read."""
    drawn = draw_image_set(200)
    labels = {
        source: table.where((np.arange(200) % 10 == remainder)[:, None])
        if source != "nlp"
        else table
        for remainder, (source, table) in enumerate(drawn.labels.items())
    }
    return dataclasses.replace(drawn, labels=labels)


def test_either_source_reads_an_image(images):
    """RSNA's and Google's images together, and no image twice."""
    rsna, google = (images.labels[source].notna().any(axis=1) for source in ("rsna", "google"))
    read = read_by_experts(images)
    assert (read == (rsna | google)).all() and 0 < read.sum() < 40


def test_all_that_experts_read_are_in(images):
    """Exactly as many as asked for, in the order of the block."""
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
    """With every report's and every expert's answer turned round, the same images are chosen."""
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
