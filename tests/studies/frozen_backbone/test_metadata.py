"""What can be known without the image."""

import numpy as np
import pandas as pd
from cxrstudy.studies.frozen_backbone.metadata import metadata_features


def test_features_by_hand():
    """AP, female, decades, decades squared by ten; the last three again where the view is AP."""
    images = pd.DataFrame({"view": ["AP", "PA"], "sex": ["M", "F"], "age": [50.0, 20.0]})
    assert metadata_features(images).tolist() == [
        [1, 0, 5, 2.5, 0, 5, 2.5],
        [0, 1, 2, 0.4, 0, 0, 0],
    ]


def test_a_missing_age_counts_as_the_median():
    """Of 20, 40 and 90 years."""
    ages = [20.0, 40.0, 90.0, np.nan]
    images = pd.DataFrame({"view": "PA", "sex": "F", "age": ages})
    features = metadata_features(images)
    assert features[3].tolist() == features[1].tolist()
    assert features.dtype == np.float64 and np.isfinite(features).all()


def test_pixels_and_labels_play_no_part(draw_image_set):
    """Three columns of the table are all that is read."""
    images = draw_image_set(12).images
    assert metadata_features(images).shape == (12, 7)
    np.testing.assert_array_equal(
        metadata_features(images[["age", "view", "sex"]]), metadata_features(images)
    )
