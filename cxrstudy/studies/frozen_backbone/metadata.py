"""What a model could know without looking at the image: view, sex and age."""

import numpy as np
import pandas as pd


def metadata_features(images: pd.DataFrame) -> np.ndarray:
    """Describe images by view, sex and age alone.

    A model of these is the floor of every image model: sicker patients are imaged at the
    bedside, so the view alone predicts what a report says.

    Parameters
    ----------
    images : DataFrame
        Columns view, sex and age in years.

    Returns
    -------
    ndarray of float64, shape (n_images, 7)
        AP, female, decades of age and their square, and the last three once more for AP images
        alone. A missing age counts as the median.
    """
    ap = (images["view"] == "AP").to_numpy(float)
    female = (images["sex"] == "F").to_numpy(float)
    decades = (images["age"].fillna(images["age"].median()) / 10).to_numpy(float)
    plain = np.column_stack([female, decades, decades**2 / 10])
    return np.column_stack([ap, plain, plain * ap[:, None]])
