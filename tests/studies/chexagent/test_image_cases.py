"""Cases of questions on images, by hand: follow-ups, boxes, thirds of the ages."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.nih_experts import NIH_FINDINGS
from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.studies.chexagent.image_cases import (
    BOX_IMAGE_SIZE,
    CASES,
    CaseSource,
    age_bands,
    age_options,
    rsna_boxes,
)
from cxrstudy.studies.chexagent.image_items import held_out_images, instructions

TASKS = instructions()["tasks"]


def source_of(views, labels: dict, boxes=(), patient=1) -> CaseSource:
    """Images of one patient, named by their follow-up."""
    index = pd.Index([f"00000001_{number:03}.png" for number in range(len(views))], name="image")
    images = pd.DataFrame({"patient": patient, "view": views}, index)
    table = pd.DataFrame(0.0, index, list(NIH_FINDINGS)).assign(**labels)
    columns = ["image", "x", "y", "width", "height"]
    return CaseSource(images, table, pd.DataFrame(boxes, columns=columns))


def test_changes_are_those_of_consecutive_images():
    effusion = [0.0, 1.0, 1.0, 0.0]
    source = source_of(["PA", "AP", "AP", "PA"], {"Effusion": effusion})
    shuffled = CaseSource(source.images.iloc[[2, 0, 3, 1]], source.labels, source.boxes)
    for given in (source, shuffled):
        cases, options = CASES["temporal"](given, TASKS["temporal"])
        found = cases.set_index("answer")
        assert set(found.index) == set(options) == {"appear", "resolve"}
        assert found["images"]["appear"] == ("00000001_000.png", "00000001_001.png")
        assert found["images"]["resolve"] == ("00000001_002.png", "00000001_003.png")
        assert found["views"].to_dict() == {"appear": "PAAP", "resolve": "APPA"}


def test_images_of_two_patients_are_no_follow_up():
    source = source_of(["PA", "PA"], {"Effusion": [0.0, 1.0]}, patient=[1, 2])
    assert CASES["temporal"](source, TASKS["temporal"])[0].empty


def test_boxes_on_both_sides_have_a_quadrant_and_no_side():
    images = [f"00000001_{number:03}.png" for number in range(2)]
    boxes = [
        (images[0], 100, 600, 300, 300),  # left of the image: the patient's right, below
        (images[0], 600, 100, 200, 200),
        (images[1], 700, 0, 100, 100),
        ("another.png", 0, 0, 10, 10),
    ]
    source = source_of(["PA", "PA"], {}, boxes)
    sides, _ = CASES["side"](source, TASKS["side"])
    assert sides["answer"].to_dict() == {images[1]: "left"}
    quadrants, _ = CASES["quadrant"](source, TASKS["quadrant"])
    assert quadrants["answer"].to_dict() == {images[0]: "lower right", images[1]: "upper left"}


def test_age_bands_are_thirds_of_the_training_images(draw_image_set):
    assert age_bands([10, 20, 30, 40, float("nan")]) == (20, 30)
    with pytest.raises(ValueError, match="known age"):
        age_bands([float("nan")])
    image_set = draw_image_set(300)
    ages = image_set.images["age"].copy()
    ages[held_out_images(image_set)] = 99.0
    ages.iloc[:40] = np.nan
    images = image_set.images.assign(age=ages, held_out=held_out_images(image_set))
    source = CaseSource(images, image_set.labels["nlp"], pd.DataFrame())
    cases, options = CASES["age"](source, TASKS["age"])
    training = ages[~held_out_images(image_set)].dropna()
    assert options == age_options(*age_bands(training))
    assert cases.index.equals(ages.dropna().index)
    shares = cases.loc[training.index, "answer"].value_counts(normalize=True)
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.05)


def test_boxes_of_the_block_are_those_of_opaque_images(mirror):
    from cxrstudy.data.images import load_nih_block

    block, boxes = load_nih_block(), rsna_boxes()
    own = boxes[boxes["image"].isin(block.images.index)]
    assert (len(own), own["image"].nunique()) == (762, 474)
    opaque = block.labels["rsna"][LUNG_OPACITY]
    assert set(own["image"]) == set(opaque.index[opaque == 1])
    assert boxes[["x", "y"]].min().min() >= 0
    assert (boxes["x"] + boxes["width"]).max() <= BOX_IMAGE_SIZE
    assert (boxes["y"] + boxes["height"]).max() <= BOX_IMAGE_SIZE
