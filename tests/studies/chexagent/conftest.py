"""A cohort of drawn images, invented texts and a second site of three patients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

REPORTS = {
    "training": ["There is no effusion.", "Clear.", "Normal heart."],
    "held_out": ["Clear lungs.", "Normal chest.", "No edema."],
}


@pytest.fixture(scope="module")
def home(draw_image_set):
    """300 images of 150 patients."""
    return draw_image_set(300)


@pytest.fixture(scope="module")
def abroad(home):
    """Three patients, the first with two images; the second is normal."""
    from cxrstudy.data.images.sites import JUDGED

    names = ["a.png", "b.png", "c.png", "d.png"]
    images = pd.DataFrame({"patient": ["one", "one", "two", "three"]}, names).rename_axis("image")
    judged = pd.DataFrame({JUDGED: [1.0, 0.0, 0.0, 1.0]}, images.index)
    return replace(
        home.subset(home.images.index[:4]), name="Away", images=images, labels={JUDGED: judged}
    )


@pytest.fixture(scope="module")
def asked_of_texts():
    """Twelve closed questions, and four open ones, of which two are held out."""
    from cxrstudy.multimodal.items import Item

    closed = [
        Item(
            "text_question", "Does the text state edema?", ("yes", "no")[n % 2], ("yes", "no"),
            context=f"Sentence {n}.", about="Edema", group=f"text {n}",
            split="held_out" if n % 4 == 3 else "training",
        )
        for n in range(12)
    ]  # fmt: skip
    opened = [
        Item("summary", "What is the impression?", "Clear.", context=f"Findings {n}.",
             group=f"findings {n}", split=("training", "held_out")[n % 2])
        for n in range(4)
    ]  # fmt: skip
    return closed + opened


@pytest.fixture(scope="module")
def replaced(home, abroad, asked_of_texts):
    """Put all this in the place of what is loaded; note what was asked for last."""
    from cxrstudy.studies.chexagent import cohort
    from cxrstudy.studies.chexagent.image_items import held_out_images, image_items

    asked = {}

    def images(folder, size):
        asked.update(images=(folder, size), features=[])
        return home

    def features(image_set, name, folder):
        asked["features"].append((image_set.name, len(image_set.images), folder))
        value = 1 if image_set.name == home.name else 2
        return np.full((len(image_set.images), 5, 8), value, np.float16)

    def captions(image_set, seed):
        asked["captions"] = seed
        names = image_set.images.index
        table = {
            "image": names,
            "patient": image_set.images["patient"].astype(str).to_numpy(),
            "split": np.where(held_out_images(image_set), "held_out", "training"),
            "label_set": np.where(np.arange(len(names)) % 2, "Edema", "No Finding"),
            "sentence": [f"Sentence {n}." for n in range(len(names))],
        }
        return pd.DataFrame(table), pd.DataFrame()

    nobody = pd.DataFrame(columns=["image", "x", "y", "width", "height"])
    stand_ins = {
        "load_images": images,
        "study_images": lambda images, n, size: images.subset(images.images.index[: n or None]),
        "load_kermany": lambda: abroad,
        "grid_features": features,
        "image_items": lambda images, seed: image_items(images, seed, nobody),
        "text_items": lambda images, seed: list(asked_of_texts),
        "label_matched_captions": captions,
        "report_texts": lambda split: REPORTS[split],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in stand_ins.items():
            patch.setattr(cohort, name, stand_in)
        yield asked


@pytest.fixture(scope="module")
def cohort(replaced):
    """All that is loaded of these."""
    from cxrstudy.studies.chexagent.cohort import load_cohort
    from cxrstudy.vision.backbones import BackboneName

    return load_cohort("", 0, 8, BackboneName(), "features", seed=3)
