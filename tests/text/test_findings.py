"""Codes of observations and classes of findings say the same."""

import numpy as np
import pandas as pd

from cxrstudy.observations import OBSERVATIONS
from cxrstudy.text.reports import FINDINGS, classes_from_codes, one_hot


def test_findings_are_the_observations_without_no_finding():
    assert len(FINDINGS) == 13 and set(OBSERVATIONS) - set(FINDINGS) == {"No Finding"}


def test_denied_and_unmentioned_are_absent():
    labels = pd.DataFrame(np.nan, index=[0], columns=list(OBSERVATIONS))
    labels.loc[0, ["Edema", "Pneumonia", "Fracture"]] = [1, -1, 0]
    classes = classes_from_codes(labels)
    found = {name: int(c) for name, c in zip(FINDINGS, classes[0], strict=True) if c}
    assert found == {"Edema": 1, "Pneumonia": 2}


def test_probabilities_keep_their_classes():
    classes = np.random.default_rng(0).integers(3, size=(50, len(FINDINGS)))
    np.testing.assert_array_equal(one_hot(classes).argmax(axis=-1), classes)
