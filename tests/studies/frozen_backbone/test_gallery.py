"""What a score rests on, by covering patches, and the images of the gallery."""

from dataclasses import replace

import numpy as np
import pytest

from cxrstudy.studies.frozen_backbone.gallery import disagreements, occlusion_saliency


def test_only_the_bright_corner_matters():
    """The score is the corner's sum: covering it lowers the score, covering the rest does not."""
    image = np.full((8, 8), 10, np.uint8)
    image[:4, :4] = 200
    saliency = occlusion_saliency(lambda x: x[:, :4, :4].sum((1, 2)).astype(float), image, 4, 4)
    grey = round(float(image.mean()))
    assert (saliency[:4, :4] == 16 * (200 - grey)).all()
    assert (saliency[4:] == 0).all() and (saliency[:, 4:] == 0).all()


def test_overlapping_patches_are_averaged():
    image = np.zeros((4, 4), np.uint8)
    image[0, 0] = 160
    saliency = occlusion_saliency(lambda x: x[:, 0, 0].astype(float), image, 2, 1)
    assert saliency[0, 0] == 160 - 10
    assert saliency[1, 1] == (160 - 10) / 4


@pytest.fixture
def image_set(draw_image_set):
    """Eight images of eight patients with the answers of report and expert."""

    def make(report, expert, patients):
        drawn = draw_image_set(len(report))
        labels = {source: table.copy() for source, table in drawn.labels.items()}
        labels["nlp"][:] = 0.0
        labels["nlp"]["Pneumonia"] = report
        labels["rsna"]["Lung Opacity"] = expert
        return replace(drawn, labels=labels, images=drawn.images.assign(patient=patients))

    return make


def test_the_gallery_takes_the_clearest_of_each_kind(image_set):
    images = image_set([1, 1, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0, 1, 0], list("abcdefgh"))
    scores = np.array([0.1, 0.9, 0.8, 0.2, 0.5, 0.3, 0.4, 0.6])
    chosen = disagreements(images, scores, 4)
    assert list(chosen["image"]) == list(images.images.index[[0, 2, 1, 3]])
    assert (chosen["report"] != chosen["expert"]).all()
    assert chosen["title"].iloc[0].endswith("model: percentile 12")


def test_a_patient_is_shown_once_in_each_kind(image_set):
    images = image_set([1, 1, 1], [0, 0, 0], ["a", "a", "b"])
    chosen = disagreements(images, np.array([0.1, 0.2, 0.9]), 8)
    assert list(chosen["image"]) == list(images.images.index[[0, 2, 2, 1]])
