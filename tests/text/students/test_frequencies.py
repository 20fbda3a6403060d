"""Class frequencies and weights, by hand."""

import numpy as np
from cxrstudy.text.students.frequencies import class_frequencies, square_root_weights


def test_frequencies_count_hard_labels_of_answers():
    """Six answers (3, 2, 1) and one more of each class: 4, 3, 2 of 9; NaN is not counted."""
    targets = np.eye(3)[[0, 0, 0, 1, 1, 2, 0]][:, None, :]
    targets[-1] = np.nan
    np.testing.assert_allclose(class_frequencies(targets), [[4 / 9, 3 / 9, 2 / 9]])


def test_weights_go_with_the_inverse_root_and_average_to_one():
    frequencies = np.array([[0.81, 0.09, 0.10], [1 / 3, 1 / 3, 1 / 3]])
    weights = square_root_weights(frequencies)
    np.testing.assert_allclose(weights[0, 1] / weights[0, 0], 3, rtol=1e-6)
    np.testing.assert_allclose((weights * frequencies).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[1], 1, rtol=1e-6)
