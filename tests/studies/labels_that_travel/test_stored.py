"""The two heads that ship: small, readable, and what a run of the study makes."""

import numpy as np
import pytest

from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.paths import in_project
from cxrstudy.studies.labels_that_travel.stored import STORED, _compared
from cxrstudy.vision.stored_classifier import (
    HEADS,
    ClassifierFileError,
    load_classifier,
    save_classifier,
    stored_head,
)


@pytest.fixture(scope="module")
def shipped():
    return {name: load_classifier(stored_head(name)) for name in HEADS}


def test_two_heads_ship_and_differ_in_their_labels_alone(shipped):
    assert set(shipped) == set(STORED.values())
    sizes = [stored_head(name).stat().st_size for name in HEADS]
    assert max(sizes) < 100_000 and stored_head("travel/experts").is_relative_to(in_project("data"))
    experts, reports = (shipped[f"travel/{name}"] for name in ("experts", "reports"))
    assert experts.about["n_images"] == reports.about["n_images"] == 2179
    assert (experts.about["labels"], reports.about["labels"]) == ("expert", "report_of_read")
    assert experts.observations == (LUNG_OPACITY,) and experts.image_size == 128


def test_a_head_comes_back_without_its_backbone_and_predicts_the_same(shipped, tmp_path):
    classifier = shipped["travel/experts"]
    path = save_classifier(classifier, tmp_path / "head.safetensors", heads_alone=True)
    assert path.stat().st_size < 10_000
    pixels = np.random.default_rng(0).integers(0, 256, (2, 128, 128), np.uint8)
    again = load_classifier(path).predict(pixels)
    assert again.equals(classifier.predict(pixels))
    assert _compared(classifier, "travel/experts") == "yes"
    assert _compared(classifier, "travel/reports").startswith("differs by")


def test_a_head_that_is_not_there_is_named():
    with pytest.raises(ClassifierFileError, match="travel/nobody: no such head.*travel/experts"):
        stored_head("travel/nobody")
