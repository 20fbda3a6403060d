"""A small image set with the tables of the NIH block, and a network that trains in a moment."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts.nih import FINDINGS, NO_FINDING
from cxrstudy.vision.backbones import BackboneName

SMALL = BackboneName("shufflenet_v2_x0_5", "random")


@pytest.fixture(scope="session")
def small() -> BackboneName:
    """The smallest of torchvision's networks, with random weights."""
    return SMALL


@pytest.fixture(scope="session")
def draw_image_set() -> Callable[..., ImageSet]:
    """Images of which bright ones are opaque, as some experts say and reports often say."""

    def draw(n: int = 160, size: int = 8, seed: int = 0) -> ImageSet:
        rng = np.random.default_rng(seed)
        index = pd.Index([f"{number:04}.png" for number in range(n)], name="image")
        ap = rng.random(n) < 0.5
        opaque = rng.random(n) < np.where(ap, 0.6, 0.3)
        pixels = rng.integers(0, 180, (n, size, size)) + 60 * opaque[:, None, None]
        nlp = pd.DataFrame(rng.random((n, 15)) < 0.1, index, [*FINDINGS, NO_FINDING], float)
        nlp["Infiltration"] = np.where(rng.random(n) < 0.25, ~opaque, opaque).astype(float)
        read = {"rsna": rng.random(n) < 0.8, "google": rng.random(n) < 0.4}
        terms = {"rsna": "Lung Opacity", "google": "Airspace opacity"}
        experts = {
            source: pd.DataFrame({terms[source]: np.where(read[source], opaque, np.nan)}, index)
            for source in read
        }
        images = pd.DataFrame(
            {
                "patient": np.arange(n) // 2,
                "view": np.where(ap, "AP", "PA"),
                "sex": np.where(rng.random(n) < 0.5, "F", "M"),
                "age": rng.integers(20, 90, n).astype(float),
            },
            index,
        )
        return ImageSet(
            name="Small",
            build="drawn",
            pixels=pixels.astype(np.uint8),
            images=images,
            labels={"nlp": nlp} | experts,
            excluded=pd.DataFrame(columns=["image", "reason"]),
        )

    return draw
