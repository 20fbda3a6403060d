"""The kernel of the distillation loss against its reference in float64."""

import pytest
import torch

from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, watch_paths
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference

SHAPES = [(1, 1, 3), (1, 13, 3), (37, 13, 3), (1023, 1, 3), (3, 7, 256, 3)]
SETTINGS = [(0.0, 1.0), (0.4, 2.5), (1.0, 0.5)]
TOLERANCES = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def _case(shape, dtype=torch.float32):
    """Targets with ties, hard labels and cells without an answer among them."""
    generator = torch.Generator().manual_seed(sum(shape))
    logits = (2 * torch.randn(shape, generator=generator)).to(dtype)
    targets = torch.randn(shape, generator=generator).softmax(-1)
    targets[::5] = torch.eye(shape[-1])[-1]
    targets[::7] = 1 / shape[-1]
    if len(targets) > 4:
        targets[3, 0, ..., 1] = float("nan")
    weights = 0.2 + torch.rand(shape[-2:], generator=generator)
    return logits, targets, weights


def _run(loss, logits, *arguments, upstream=1.0):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, *arguments)
    (value * upstream).backward()
    return value.detach(), logits.grad


def _compare(device, logits, targets, weights, alpha, temperature, upstream=1.0):
    moved = None if weights is None else weights.to(device)
    settings = (alpha, temperature, moved)
    with watch_paths() as paths:
        value, gradient = _run(
            distillation_loss, logits.to(device), targets.to(device), *settings, upstream=upstream
        )
    assert paths == [("distill", KERNEL)]
    exact = (alpha, temperature, None if weights is None else weights.double())
    expected, slope = _run(
        distillation_loss_reference, logits.double(), targets.double(), *exact, upstream=upstream
    )
    assert value.dtype == torch.float32 and gradient.dtype == logits.dtype
    assert value.item() == pytest.approx(expected.item(), rel=2e-6, abs=1e-6)
    error = (gradient.double().cpu() - slope).abs().max()
    assert error <= TOLERANCES[logits.dtype] * slope.abs().max()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("alpha", "temperature"), SETTINGS)
def test_loss_and_gradient_are_those_of_float64(device, poisoned, shape, alpha, temperature):
    _compare(device, *_case(shape), alpha, temperature, upstream=1.7)


def test_without_weights(device, poisoned):
    logits, targets, _ = _case((37, 13, 3))
    _compare(device, logits, targets, None, 0.4, 2.5)


def test_float16(device, poisoned):
    """A mean's gradient is far below float16's range until a scaled loss lifts it."""
    _compare(device, *_case((37, 13, 3), torch.float16), 0.4, 2.5, upstream=4096.0)


def test_bfloat16(device, poisoned):
    """Loads and stores convert, so that the interpreter's wrong bfloat16 arithmetic is not met."""
    _compare(device, *_case((37, 13, 3), torch.bfloat16), 0.4, 2.5)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_logits_of_any_size(device, poisoned, shift):
    logits, targets, weights = _case((37, 13, 3))
    _compare(device, logits + shift, targets, weights, 0.4, 2.5)


@pytest.mark.parametrize(
    ("shape", "logits_type", "targets_type"),
    [
        ((5, 13, 3), torch.float64, torch.float32),
        ((5, 13, 3), torch.float32, torch.float64),
        ((5, 2, 4), torch.float32, torch.float32),
    ],
)
def test_what_the_kernel_does_not_cover_takes_the_reference(
    device, shape, logits_type, targets_type
):
    logits = torch.zeros(shape, dtype=logits_type, device=device)
    targets = torch.full(shape, 1 / shape[-1], dtype=targets_type, device=device)
    with watch_paths() as paths:
        distillation_loss(logits, targets, 0.5, 2.0)
    assert paths == [("distill", REFERENCE)]


def test_nothing_answered_is_zero(device, poisoned):
    logits, targets, _ = _case((9, 13, 3))
    missing = torch.full_like(targets, float("nan"))
    value, gradient = _run(distillation_loss, logits.to(device), missing.to(device), 0.5, 2.0)
    assert value.item() == 0 and (gradient == 0).all()


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("n_missing", [0, 1, 36])
def test_the_mean_is_over_answered_cells(device, poisoned, dtype, n_missing):
    """The kernel divides by all cells; what is missing comes after it, in float16 all of it."""
    logits, targets, weights = _case((37, 13, 3), dtype)
    targets[3] = 0.2
    targets[:n_missing, :, 2] = float("nan")
    upstream = 4096.0 if dtype == torch.float16 else 1.7
    _compare(device, logits, targets, weights, 0.4, 2.5, upstream=upstream)


@pytest.mark.parametrize("n_reports", [1, 3, 49, 1021])
def test_complete_targets_leave_nothing_to_scale(device, poisoned, n_reports):
    """The factor is exactly 1, so that the backward pass touches no gradient."""
    logits = torch.randn(n_reports, 1, 3, device=device, requires_grad=True)
    loss = distillation_loss(logits, torch.full((n_reports, 1, 3), 1 / 3, device=device), 0.5, 2.0)
    assert loss.grad_fn.missing_factor.item() == 1.0
    assert loss.shape == ()


def test_probabilities_below_normal_numbers(device, poisoned):
    """They count as about the least normal number, and zero as none."""
    logits = torch.tensor([[[0.5, -1.0, 2.0]], [[0.5, -1.0, 2.0]]])
    targets = torch.tensor([[[1.0, 1e-40, 0.0]], [[1.0, 1e-38, 1e-30]]])
    _compare(device, logits, targets, None, 1.0, 2.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_retained_graph_gives_the_same_gradient_again(device, poisoned, dtype):
    """The buffer that was handed out first is not scaled a second time."""
    logits, targets, weights = _case((37, 13, 3), dtype)
    logits = logits.to(device).requires_grad_()
    loss = distillation_loss(logits, targets.to(device), 0.4, 2.5, weights.to(device))
    first, second, doubled = (
        torch.autograd.grad(loss, logits, torch.tensor(factor, device=device), retain_graph=True)[0]
        for factor in (300.0, 300.0, 600.0)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(2 * first, doubled)


def test_empty_input_is_zero(device, poisoned):
    nothing = torch.ones(0, 13, 3, device=device)
    value, gradient = _run(distillation_loss, nothing, nothing, 0.5, 2.0)
    assert value.item() == 0 and value.dtype == torch.float32 and gradient.shape == (0, 13, 3)
