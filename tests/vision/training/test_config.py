"""Values that no training can have are refused when they are written down."""

import pytest

from cxrstudy.vision.training import TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trainable", "some"),
        ("head", "deep"),
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", -1e-3),
        ("head_learning_rate", float("nan")),
        ("warmup_fraction", 1.0),
        ("weight_decay", -0.1),
        ("label_smoothing", 1.0),
        ("seed", -1),
    ],
)
def test_an_impossible_value_is_named(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        TrainingConfig(**{field: value})
