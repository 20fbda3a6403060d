"""The kernel of the masked loss against its reference in float64."""

import itertools

import pytest
import torch

from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, watch_paths

SHAPES = [(1,), (1, 1), (1023,), (1, 14), (257, 14), (3, 7, 256)]
POLICIES = ["zeros", "ones", "ignore"]
TOLERANCES = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def _case(shape, dtype=torch.float32, labels_dtype=torch.int8):
    generator = torch.Generator().manual_seed(sum(shape))
    logits = (4 * torch.randn(shape, generator=generator)).to(dtype)
    labels = torch.randint(-2, 2, shape, generator=generator).float()
    if labels_dtype.is_floating_point:
        labels[labels == -2] = float("nan")
    weights = 0.2 + 3 * torch.rand(shape[-1], generator=generator)
    return logits, labels.to(labels_dtype), weights


def _run(loss, logits, *arguments, upstream=1.0):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, *arguments)
    (value * upstream).backward()
    return value.detach(), logits.grad


def _compare(device, logits, labels, weights, policy, smoothing, upstream=1.0):
    """Relative error of the loss and of the gradient, by its largest entry, against float64."""
    on_device = [part.to(device) for part in (logits, labels)]
    moved = None if weights is None else weights.to(device)
    with watch_paths() as paths:
        value, gradient = _run(masked_bce, *on_device, moved, policy, smoothing, upstream=upstream)
    assert paths == [("bce", KERNEL)]
    exact = None if weights is None else weights.double()
    expected, slope = _run(
        masked_bce_reference, logits.double(), labels, exact, policy, smoothing, upstream=upstream
    )
    assert value.dtype == torch.float32 and gradient.dtype == logits.dtype
    tolerance = TOLERANCES[logits.dtype]
    assert value.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
    error = (gradient.double().cpu() - slope).abs().max()
    assert error <= tolerance * slope.abs().max()


@pytest.mark.parametrize(("shape", "policy"), [*itertools.product(SHAPES, POLICIES)])
def test_loss_and_gradient_are_those_of_float64(device, poisoned, shape, policy):
    _compare(device, *_case(shape), policy, 0.1, upstream=1.7)


@pytest.mark.parametrize("labels_dtype", [torch.int8, torch.int64, torch.float32, torch.float64])
def test_any_type_of_label(device, poisoned, labels_dtype):
    _compare(device, *_case((33, 14), labels_dtype=labels_dtype), "ones", 0.0)


@pytest.mark.parametrize("labels_dtype", [torch.bool, torch.uint8])
def test_labels_without_a_sign(device, poisoned, labels_dtype):
    """No number below zero can mark the padding of the last block."""
    logits, labels, _ = _case((33, 14))
    _compare(device, logits, (labels == 1).to(labels_dtype), None, "zeros", 0.05)


def test_float16(device, poisoned):
    """A mean's gradient is far below float16's range until a scaled loss lifts it."""
    _compare(device, *_case((257, 14), torch.float16), "ones", 0.1, upstream=65536.0)


def test_bfloat16(device, poisoned):
    """Loads and stores convert, so that the interpreter's wrong bfloat16 arithmetic is not met."""
    _compare(device, *_case((257, 14), torch.bfloat16), "ones", 0.1)


def test_strided_logits(device, poisoned):
    """A transposed view is computed on as it reads; its gradient has its layout."""
    logits, labels, weights = _case((14, 33))
    _compare(device, logits.T, labels.T.contiguous(), weights[:1].expand(14), "ones", 0.1)


@pytest.mark.parametrize("n_rows", [1, 8, 16, 37])
def test_without_weights(device, poisoned, n_rows):
    """One kernel serves any number of columns, and sizes that 16 does and does not divide."""
    logits, labels, _ = _case((n_rows, 14))
    _compare(device, logits, labels, None, "ones", 0.1, upstream=1.7)


def test_float64_takes_the_reference(device):
    logits, labels, weights = _case((5, 14), torch.float64)
    with watch_paths() as paths:
        masked_bce(logits.to(device), labels.to(device), weights.to(device))
    assert paths == [("bce", REFERENCE)]


def test_large_logits_stay_finite(device, poisoned):
    logits = torch.tensor([[-3e4, -100.0, 0.0, 100.0, 3e4]])
    for label in (0, 1):
        labels = torch.full(logits.shape, label, dtype=torch.int8)
        _compare(device, logits, labels, None, "zeros", 0.1)


def test_cells_left_out_may_hold_anything(device, poisoned):
    logits = torch.tensor([[float("nan"), float("inf"), 1.0]], device=device)
    labels = torch.tensor([[-2, -2, 1]], dtype=torch.int8, device=device)
    value, gradient = _run(masked_bce, logits, labels)
    assert value.item() == pytest.approx(torch.nn.functional.softplus(torch.tensor(-1.0)).item())
    assert gradient[0, :2].tolist() == [0, 0]


def test_nothing_answered_is_zero(device, poisoned):
    logits, labels, _ = _case((9, 14))
    value, gradient = _run(masked_bce, logits.to(device), torch.full_like(labels, -2).to(device))
    assert value.item() == 0 and (gradient == 0).all()


def test_empty_input_is_zero(device, poisoned):
    nothing = torch.ones(0, 14, device=device)
    value, gradient = _run(masked_bce, nothing, nothing)
    assert value.item() == 0 and value.dtype == torch.float32 and gradient.shape == (0, 14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_retained_graph_gives_the_same_gradient_again(device, poisoned, dtype):
    """The buffer that was handed out first is not scaled a second time."""
    logits, labels, _ = _case((33, 14), dtype)
    logits = logits.to(device).requires_grad_()
    loss = masked_bce(logits, labels.to(device), policy="ones")
    first, second, doubled = (
        torch.autograd.grad(loss, logits, torch.tensor(factor, device=device), retain_graph=True)[0]
        for factor in (3.0, 3.0, 6.0)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(2 * first, doubled)


def test_no_gradient_is_written_unless_wanted(device, poisoned):
    logits, labels, weights = _case((33, 14))
    logits = logits.to(device).requires_grad_()
    with torch.no_grad():
        loss = masked_bce(logits, labels.to(device), weights.to(device))
    assert not loss.requires_grad and loss.isfinite()
