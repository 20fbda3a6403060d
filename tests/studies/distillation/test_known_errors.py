"""Errors that are put into a teacher's answers are the ones that were asked for."""

import numpy as np
import pytest

from cxrstudy.studies.distillation.known_errors import ConfusedFindings, RandomErrors
from cxrstudy.text.reports import ABSENT, FINDINGS, PRESENT, UNCERTAIN_CLASS, one_hot

N = 400


def _teacher(texts):
    """Call findings present by the text's first digit, so that answers differ."""
    classes = np.array([[int(text.split()[1]) % 3 == 1] * len(FINDINGS) for text in texts])
    return one_hot(classes.astype(int))


TEXTS = [f"report {number}" for number in range(N)]
POOL = _teacher(TEXTS)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_random_errors_come_at_their_rate_and_keep_prevalence(rate):
    taught = RandomErrors(_teacher, POOL, rate)(TEXTS)
    changed = (taught != POOL).any(axis=-1).mean()
    prevalence = POOL[..., PRESENT].mean()
    # An exchanged answer differs from its own with probability 2 p (1 - p).
    assert changed == pytest.approx(rate * 2 * prevalence * (1 - prevalence), abs=0.02)
    assert taught[..., PRESENT].mean() == pytest.approx(prevalence, abs=0.02)


def test_random_errors_hang_on_the_text_alone():
    teacher = RandomErrors(_teacher, POOL, 0.5)
    once, again = teacher(TEXTS), teacher(TEXTS[::-1])[::-1]
    np.testing.assert_array_equal(once, again)


def test_no_errors_at_rate_zero_and_no_other_rates():
    np.testing.assert_array_equal(RandomErrors(_teacher, POOL, 0)(TEXTS), POOL)
    with pytest.raises(ValueError, match="from 0 to 1"):
        RandomErrors(_teacher, POOL, 1.5)


def test_a_confused_finding_is_called_by_the_other_name():
    at = {name: FINDINGS.index(name) for name in ("Edema", "Pneumonia", "Fracture")}

    def teacher(texts):
        classes = np.zeros((len(texts), len(FINDINGS)), dtype=int)
        classes[0, at["Edema"]] = UNCERTAIN_CLASS
        classes[1, at["Fracture"]] = PRESENT
        return one_hot(classes)

    taught = ConfusedFindings(teacher, {"Edema": "Pneumonia"})(["a", "b"])
    classes = taught.argmax(axis=-1)
    assert classes[0, at["Edema"]] == ABSENT
    assert classes[0, at["Pneumonia"]] == UNCERTAIN_CLASS
    assert classes[1, at["Fracture"]] == PRESENT
