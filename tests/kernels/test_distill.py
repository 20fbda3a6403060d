"""The distillation loss: by hand, against torch's own losses, masking, weights."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from cxrstudy.kernels.distill import distillation_loss

SHAPE = (4, 5, 3)


def _random(seed: int, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(SHAPE, generator=generator, dtype=dtype, requires_grad=True)
    targets = torch.randn(SHAPE, generator=generator, dtype=dtype).softmax(-1)
    return logits, targets


def test_by_hand():
    """One cell, logits 0, ln 2, ln 5; teacher 0.81, 0.09, 0.10; alpha 0.25; temperature 2."""
    logits = torch.tensor([[[0.0, math.log(2), math.log(5)]]], dtype=torch.float64)
    targets = torch.tensor([[[0.81, 0.09, 0.10]]], dtype=torch.float64)
    # softmax = 1/8, 2/8, 5/8, so the hard part is ln 8.
    roots = [0.9, 0.3, math.sqrt(0.1)]
    teacher = [root / sum(roots) for root in roots]
    powers = [1.0, math.sqrt(2), math.sqrt(5)]
    student = [power / sum(powers) for power in powers]
    divergence = sum(q * math.log(q / s) for q, s in zip(teacher, student, strict=True))
    expected = 0.75 * math.log(8) + 0.25 * 4 * divergence
    found = distillation_loss(logits, targets, 0.25, 2.0).item()
    assert found == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0.3, 8))
def test_value_and_gradient_are_those_of_torch_losses(seed, alpha, temperature):
    logits, targets = _random(seed)
    loss = distillation_loss(logits, targets, alpha, temperature)
    loss.backward()
    other = logits.detach().clone().requires_grad_()
    flat, flat_targets = other.reshape(-1, 3), targets.reshape(-1, 3)
    softened = (flat_targets.log() / temperature).softmax(-1)
    hard = functional.cross_entropy(flat, flat_targets.argmax(-1))
    student = (flat / temperature).log_softmax(-1)
    soft = temperature**2 * functional.kl_div(student, softened, reduction="batchmean")
    plain = (1 - alpha) * hard + alpha * soft
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=1e-9, abs=1e-12)
    torch.testing.assert_close(logits.grad, other.grad)


def test_gradient_is_the_numerical_one():
    logits, targets = _random(3)
    weights = torch.rand(5, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: distillation_loss(z, targets, 0.6, 3.0, weights), (logits,)
    )


def test_hard_teacher_has_nothing_to_soften():
    """One-hot targets: zero probability costs nothing and no NaN arises."""
    logits, targets = _random(1)
    one_hot = functional.one_hot(targets.argmax(-1), 3).double()
    loss = distillation_loss(logits, one_hot, 1.0, 4.0)
    expected = 16 * functional.cross_entropy(logits.reshape(-1, 3) / 4, one_hot.reshape(-1, 3))
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert logits.grad.isfinite().all()
    # A student that says what the teacher says has no soft loss, at any temperature.
    for temperature in (0.5, 1.0, 5.0):
        loss = distillation_loss(targets.log(), targets, 1.0, temperature)
        assert loss.item() == pytest.approx(0, abs=1e-12)


def test_unanswered_cells_are_left_out():
    """Where nothing is answered the loss is zero."""
    logits, targets = _random(2)
    targets[1] = math.nan
    targets[3, 4, 1] = math.nan
    loss = distillation_loss(logits, targets, 0.5, 2.0)
    loss.backward()
    kept = torch.ones(SHAPE[:2], dtype=torch.bool)
    kept[1] = False
    kept[3, 4] = False
    alone = distillation_loss(logits[kept][:, None], targets[kept][:, None], 0.5, 2.0)
    assert loss.item() == pytest.approx(alone.item())
    assert (logits.grad[~kept] == 0).all() and (logits.grad[kept] != 0).all()
    logits.grad = None
    loss = distillation_loss(logits, targets * math.nan, 0.5, 2.0)
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_weight_is_that_of_the_hard_label():
    logits, targets = _random(4)
    weights = torch.rand(5, 3, dtype=torch.float64)
    cells = [
        weights[f, targets[r, f].argmax()]
        * distillation_loss(logits[r : r + 1, f : f + 1], targets[r : r + 1, f : f + 1], 0.3, 2.0)
        for r in range(SHAPE[0])
        for f in range(SHAPE[1])
    ]
    loss = distillation_loss(logits, targets, 0.3, 2.0, weights)
    assert loss.item() == pytest.approx(np.mean([cell.item() for cell in cells]))


def test_half_precision_logits_are_computed_in_float32():
    logits, targets = _random(6, torch.float32)
    loss = distillation_loss(logits.bfloat16(), targets, 0.5, 2.0)
    exact = distillation_loss(logits.bfloat16().float(), targets, 0.5, 2.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": torch.zeros(3, 5, 3)}, r"targets have shape \(3, 5, 3\), logits \(4, 5, 3\)"),
        ({"class_weights": torch.ones(3)}, r"class_weights have shape \(3,\)"),
    ],
)
def test_bad_input_is_named(arguments, message):
    good = {"logits": torch.zeros(SHAPE), "targets": torch.zeros(SHAPE)}
    with pytest.raises(ValueError, match=message):
        distillation_loss(**{**good, **arguments}, alpha=0.5, temperature=2.0)
