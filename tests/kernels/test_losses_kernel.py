"""The kernels of both losses against their references in float64."""

import itertools

import pytest
import torch

from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, watch_paths
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference

# Loss, reference, and the relative error that float32 may have.
LOSSES = {
    "bce": (masked_bce, masked_bce_reference, 1e-6),
    "distill": (distillation_loss, distillation_loss_reference, 2e-6),
}
HALF_TOLERANCES = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
LABEL_SHAPES = [(1,), (1, 1), (1023,), (1, 14), (257, 14), (3, 7, 256)]
POLICIES = ["zeros", "ones", "ignore"]
TARGET_SHAPES = [(1, 1, 3), (1, 13, 3), (37, 13, 3), (1023, 1, 3), (3, 7, 256, 3)]
# Share of the soft loss and temperature.
SETTINGS = [(0.0, 1.0), (0.4, 2.5), (1.0, 0.5)]
each_loss = pytest.mark.parametrize("family", LOSSES)


def _bce_case(shape, dtype=torch.float32, labels_dtype=torch.int8):
    generator = torch.Generator().manual_seed(sum(shape))
    logits = (4 * torch.randn(shape, generator=generator)).to(dtype)
    labels = torch.randint(-2, 2, shape, generator=generator).float()
    if labels_dtype.is_floating_point:
        labels[labels == -2] = float("nan")
    weights = 0.2 + 3 * torch.rand(shape[-1], generator=generator)
    return logits, labels.to(labels_dtype), weights


def _distill_case(shape, dtype=torch.float32):
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


def _case(family, dtype=torch.float32):
    """Logits and what the loss is told besides."""
    if family == "bce":
        return *_bce_case((257, 14), dtype), "ones", 0.1
    logits, targets, weights = _distill_case((37, 13, 3), dtype)
    return logits, targets, 0.4, 2.5, weights


def _on(device, arguments):
    return [part.to(device) if torch.is_tensor(part) else part for part in arguments]


def _run(loss, logits, *arguments, upstream=1.0):
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, *arguments)
    (value * upstream).backward()
    return value.detach(), logits.grad


def _compare(device, family, *arguments, upstream=1.0):
    """Relative error of the loss and of the gradient, by its largest entry, against float64."""
    loss, reference, precise = LOSSES[family]
    with watch_paths() as paths:
        value, gradient = _run(loss, *_on(device, arguments), upstream=upstream)
    assert paths == [(family, KERNEL)]
    exact = [
        part.double() if torch.is_tensor(part) and part.is_floating_point() else part
        for part in arguments
    ]
    expected, slope = _run(reference, *exact, upstream=upstream)
    dtype = arguments[0].dtype
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    assert value.item() == pytest.approx(expected.item(), rel=precise, abs=1e-6)
    error = (gradient.double().cpu() - slope).abs().max()
    assert error <= HALF_TOLERANCES.get(dtype, precise) * slope.abs().max()


@pytest.mark.parametrize(("shape", "policy"), [*itertools.product(LABEL_SHAPES, POLICIES)])
def test_bce_and_its_gradient_are_those_of_float64(device, poisoned, shape, policy):
    _compare(device, "bce", *_bce_case(shape), policy, 0.1, upstream=1.7)


@pytest.mark.parametrize(("shape", "settings"), [*itertools.product(TARGET_SHAPES, SETTINGS)])
def test_distill_and_its_gradient_are_those_of_float64(device, poisoned, shape, settings):
    logits, targets, weights = _distill_case(shape)
    _compare(device, "distill", logits, targets, *settings, weights, upstream=1.7)


@pytest.mark.parametrize(
    ("family", "dtype", "upstream"),
    [
        ("bce", torch.float16, 65536.0),
        ("distill", torch.float16, 4096.0),
        ("bce", torch.bfloat16, 1.0),
        ("distill", torch.bfloat16, 1.0),
    ],
)
def test_half_precision(device, poisoned, family, dtype, upstream):
    """A mean's gradient is far below float16's range until a scaled loss lifts it.

    Loads and stores convert, so that the interpreter's wrong bfloat16 arithmetic is not met.
    """
    _compare(device, family, *_case(family, dtype), upstream=upstream)


@pytest.mark.parametrize("labels_dtype", [torch.int8, torch.int64, torch.float32, torch.float64])
def test_any_type_of_label(device, poisoned, labels_dtype):
    _compare(device, "bce", *_bce_case((33, 14), labels_dtype=labels_dtype), "ones", 0.0)


@pytest.mark.parametrize("labels_dtype", [torch.bool, torch.uint8])
def test_labels_without_a_sign(device, poisoned, labels_dtype):
    """No number below zero can mark the padding of the last block."""
    logits, labels, _ = _bce_case((33, 14))
    _compare(device, "bce", logits, (labels == 1).to(labels_dtype), None, "zeros", 0.05)


def test_strided_logits(device, poisoned):
    """A transposed view is computed on as it reads; its gradient has its layout."""
    logits, labels, weights = _bce_case((14, 33))
    _compare(device, "bce", logits.T, labels.T.contiguous(), weights[:1].expand(14), "ones", 0.1)


@pytest.mark.parametrize("n_rows", [1, 8, 16, 37])
def test_without_weights(device, poisoned, n_rows):
    """One kernel serves any number of columns, and sizes that 16 does and does not divide."""
    logits, labels, _ = _bce_case((n_rows, 14))
    _compare(device, "bce", logits, labels, None, "ones", 0.1, upstream=1.7)
    logits, targets, _ = _distill_case((n_rows, 13, 3))
    _compare(device, "distill", logits, targets, 0.4, 2.5, None)


def test_large_logits_stay_finite(device, poisoned):
    logits = torch.tensor([[-3e4, -100.0, 0.0, 100.0, 3e4]])
    for label in (0, 1):
        labels = torch.full(logits.shape, label, dtype=torch.int8)
        _compare(device, "bce", logits, labels, None, "zeros", 0.1)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_shifted_logits_stay_exact(device, poisoned, shift):
    logits, *arguments = _case("distill")
    _compare(device, "distill", logits + shift, *arguments)


def test_float64_logits_take_the_reference_of_bce(device):
    with watch_paths() as paths:
        masked_bce(*_on(device, _bce_case((5, 14), torch.float64)))
    assert paths == [("bce", REFERENCE)]


@pytest.mark.parametrize(
    ("shape", "logits_type", "targets_type"),
    [
        ((5, 13, 3), torch.float64, torch.float32),
        ((5, 13, 3), torch.float32, torch.float64),
        ((5, 2, 4), torch.float32, torch.float32),
    ],
)
def test_what_the_distillation_kernel_does_not_cover_takes_the_reference(
    device, shape, logits_type, targets_type
):
    logits = torch.zeros(shape, dtype=logits_type, device=device)
    targets = torch.full(shape, 1 / shape[-1], dtype=targets_type, device=device)
    with watch_paths() as paths:
        distillation_loss(logits, targets, 0.5, 2.0)
    assert paths == [("distill", REFERENCE)]


def test_cells_left_out_may_hold_anything(device, poisoned):
    logits = torch.tensor([[float("nan"), float("inf"), 1.0]], device=device)
    labels = torch.tensor([[-2, -2, 1]], dtype=torch.int8, device=device)
    value, gradient = _run(masked_bce, logits, labels)
    assert value.item() == pytest.approx(torch.nn.functional.softplus(torch.tensor(-1.0)).item())
    assert gradient[0, :2].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, *HALF_TOLERANCES])
@pytest.mark.parametrize("n_missing", [0, 1, 36])
def test_the_mean_is_over_answered_cells(device, poisoned, dtype, n_missing):
    """The kernel divides by all cells; what is missing comes after it, in float16 all of it."""
    logits, targets, *settings = _case("distill", dtype)
    targets[3] = 0.2
    targets[:n_missing, :, 2] = float("nan")
    upstream = 4096.0 if dtype == torch.float16 else 1.7
    _compare(device, "distill", logits, targets, *settings, upstream=upstream)


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
    _compare(device, "distill", logits, targets, 1.0, 2.0, None)


@pytest.mark.parametrize(
    ("loss", "missing", "settings"),
    [
        (masked_bce, torch.full((9, 14), -2, dtype=torch.int8), ()),
        (masked_bce, torch.ones(0, 14), ()),
        (distillation_loss, torch.full((9, 13, 3), float("nan")), (0.5, 2.0)),
        (distillation_loss, torch.ones(0, 13, 3), (0.5, 2.0)),
    ],
)
def test_nothing_answered_is_zero(device, poisoned, loss, missing, settings):
    logits = torch.randn(missing.shape, generator=torch.Generator().manual_seed(23))
    value, gradient = _run(loss, logits.to(device), missing.to(device), *settings)
    assert value.item() == 0 and value.dtype == torch.float32
    assert (gradient == 0).all() and gradient.shape == missing.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@each_loss
def test_a_retained_graph_gives_the_same_gradient_again(device, poisoned, family, dtype):
    """The buffer that was handed out first is not scaled a second time."""
    logits, *arguments = _on(device, _case(family, dtype))
    logits.requires_grad_()
    loss = LOSSES[family][0](logits, *arguments)
    first, second, doubled = (
        torch.autograd.grad(loss, logits, torch.tensor(factor, device=device), retain_graph=True)[0]
        for factor in (300.0, 300.0, 600.0)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(2 * first, doubled)


def test_no_gradient_is_written_unless_wanted(device, poisoned):
    logits, *arguments = _on(device, _bce_case((33, 14)))
    logits.requires_grad_()
    with torch.no_grad():
        loss = masked_bce(logits, *arguments)
    assert not loss.requires_grad and loss.isfinite()
