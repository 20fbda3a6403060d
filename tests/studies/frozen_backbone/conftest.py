"""Drawn images, and features of which one tells what experts say."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def drawn(draw_image_set):
    image_set = draw_image_set(240)
    features = np.random.default_rng(1).normal(size=(240, 5))
    features[:, 0] += 2 * np.nan_to_num(image_set.labels["rsna"]["Lung Opacity"])
    return image_set, features
