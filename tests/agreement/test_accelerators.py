"""The registry through which another package takes over what is large."""

import numpy as np
import pytest

from cxrstudy.agreement import Resampling, accelerators, agree

FAMILIES = {"replicate_counts": "f1", "replicate_rankings": "auroc"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_registered_function_takes_the_calls_that_are_worthwhile(labels, monkeypatch, name):
    """It gets the CPU's arguments, its array is what the estimates hold, and small calls stay."""
    monkeypatch.setattr(accelerators, "_REGISTERED", {})
    asked = []

    def answer(*arguments):
        asked.append(arguments)
        return np.full((1, 1, 3, arguments[-2]), 0.25)

    accelerators.register(name, answer, lambda *arguments: arguments[-2] >= 20)
    truth, predictions = labels(60, 1, a=0.2)
    few, many = (
        agree(truth, predictions, metrics=(FAMILIES[name],), resampling=Resampling(n)).estimate(
            "a", "observation 0", FAMILIES[name]
        )
        for n in (19, 20)
    )
    assert len(asked) == 1
    assert (many.replicates == 0.25).all()
    assert many.value == few.value
    assert not (few.replicates == 0.25).any()
