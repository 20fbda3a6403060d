"""What tells a site's classes apart without looking for opacity: sharpness, grey, borders."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.image_labels import EXPERTS
from cxrstudy.studies.labels_that_travel.heads import Source, fit_heads, label_sources
from cxrstudy.studies.labels_that_travel.judges import HOME

N_CELLS = 8
CHILD_AGE = 18

BYTES, MEAN, DEVIATION, DETAIL = "bytes", "mean_grey", "deviation_of_grey", "fine_detail"
BORDERS, CHILD = "borders_alone", "child_or_adult"


def site_controls(image_set: ImageSet) -> dict[str, np.ndarray]:
    """Score every image by what needs no reading: bytes, mean and s.d. of grey, fine detail.

    Fine detail is the energy of high frequencies: the mean square of each pixel's difference from
    the mean of its four neighbours.
    """
    grey = image_set.pixels.astype(np.float32)
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    detail = np.square(grey[:, 1:-1, 1:-1] - around / 4).mean(axis=(1, 2))
    return {
        BYTES: image_set.images["bytes"].to_numpy(float),
        MEAN: grey.mean(axis=(1, 2)),
        DEVIATION: grey.std(axis=(1, 2)),
        DETAIL: detail,
    }


def border_features(pixels: np.ndarray) -> np.ndarray:
    """Return mean and s.d. of the 28 cells on the border of a grid of 8 by 8, (n, 56).

    >>> border_features(np.zeros((2, 16, 16), np.uint8)).shape
    (2, 56)
    """
    n, size, _ = pixels.shape
    edge = size // N_CELLS
    cells = pixels.reshape(n, N_CELLS, edge, N_CELLS, edge).astype(np.float32)
    inner = np.zeros((N_CELLS, N_CELLS), bool)
    inner[1:-1, 1:-1] = True
    parts = (cells.mean(axis=(2, 4)), cells.std(axis=(2, 4)))
    return np.concatenate([part[:, ~inner] for part in parts], axis=1)


def control_heads(
    home: ImageSet, features: Mapping[str, np.ndarray], sites: Mapping[str, ImageSet]
) -> dict[str, dict[str, np.ndarray]]:
    """Fit two heads at home that should know nothing of opacity abroad, and score the sites.

    One learns the experts' labels from the borders alone, the other a child from an adult by
    the same features as the heads of the study. By control and site.
    """
    age = home.images["age"]
    child = Source((age < CHILD_AGE).astype(float).where(age.notna()).to_numpy())
    borders = fit_heads(home, border_features(home.pixels), label_sources(home)[EXPERTS])
    children = fit_heads(home, features[HOME], child)
    return {
        BORDERS: {
            name: borders.scores(border_features(site.pixels))[0] for name, site in sites.items()
        },
        CHILD: {name: children.scores(features[name])[0] for name in sites},
    }


def sites_table(sites: Mapping[str, ImageSet], judged: Mapping[str, str]) -> pd.DataFrame:
    """Say what each site holds, and what its experts said of the images."""
    rows = [
        {
            "site": name,
            "images": len(site),
            "patients": site.images["patient"].nunique(),
            "repeated_images_left_out": len(site.excluded),
            "experts_say": judged[name],
            "build": site.build,
        }
        for name, site in sites.items()
    ]
    return pd.DataFrame(rows)
