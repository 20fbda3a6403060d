"""The learning curve: how many images of each kind of label a head learns from."""

import numpy as np
import pytest
from cxrstudy.studies.frozen_backbone.learning_curve import (
    N_FOLDS,
    REPORTS_OF_READ,
    learning_curve_heads,
    learning_curve_table,
)

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.opacity_scores import opacity_scores


@pytest.fixture(scope="module")
def drawn(draw_image_set):
    image_set = draw_image_set(240)
    features = np.random.default_rng(1).normal(size=(240, 5))
    features[:, 0] += 2 * np.nan_to_num(image_set.labels["rsna"]["Lung Opacity"])
    return image_set, features


def test_the_curve_grows_and_stops_at_what_a_source_has(drawn):
    """Expert labels and report labels of the same images end at the same number."""
    image_set, features = drawn
    learned = learning_curve_heads(image_set, features, [40, 80, 5000], 2)
    assert {values.shape for values in learned.values()} == {(2, 240)}
    sizes = {
        source: [int(name.rpartition(", ")[2]) for name in learned if name.startswith(f"{source},")]
        for source in (REPORTS, EXPERTS, REPORTS_OF_READ)
    }
    read = training_labels(image_set)[EXPERTS].notna().sum()
    share = (N_FOLDS - 1) / N_FOLDS
    assert sizes[REPORTS] == [40, 80, int(240 * share)]
    assert sizes[EXPERTS] == sizes[REPORTS_OF_READ] == [40, 80, int(read * share)]
    table = learning_curve_table(
        opacity_scores(image_set, learned, resampling=Resampling(60)), list(learned)
    )
    assert table.groupby("labels")["training images"].apply(list).to_dict() == sizes
