"""Controls see sharpness, grey and borders, and nothing else."""

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.studies.labels_that_travel import controls


def test_controls_by_hand():
    pixels = np.zeros((3, 16, 16), np.uint8)
    pixels[1] = 100
    pixels[2, ::2] = 100  # stripes
    images = pd.DataFrame({"patient": 1, "bytes": [5, 6, 7]}, index=list("abc"))
    site = ImageSet("s", "", pixels, images, {}, pd.DataFrame())
    found = controls.site_controls(site)
    assert found[controls.BYTES].tolist() == [5, 6, 7]
    assert found[controls.MEAN].tolist() == [0, 100, 50]
    assert found[controls.DEVIATION].tolist() == [0, 0, 50]
    # A pixel of a stripe differs from its four neighbours' mean by half of the contrast.
    assert found[controls.DETAIL].tolist() == [0, 0, 2500]


def test_borders_do_not_see_the_middle(rng):
    pixels = rng.integers(0, 256, (2, 32, 32), np.uint8)
    changed = pixels.copy()
    changed[:, 4:-4, 4:-4] = 0
    assert (controls.border_features(pixels) == controls.border_features(changed)).all()
    changed[:, 0, 0] ^= 255
    assert (controls.border_features(pixels) != controls.border_features(changed)).any()
    assert controls.border_features(pixels)[0, 0] == pixels[0, :4, :4].astype(np.float32).mean()
