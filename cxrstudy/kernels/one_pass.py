"""Losses whose kernel writes the gradient in the forward pass.

The gradient of a loss over small heads needs what the loss itself has just computed. Writing it
at once spares the second reading of logits and targets. What is left for the backward pass is
the factor that comes from above; it is one in plain training, and then nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable

from cxrstudy.kernels.dispatch import cdiv, jit, on_device_of, tl

SCALE_BLOCK = 4096
MOST_CELLS = 2**31 - 2**14
"""Elements that 32-bit offsets reach, with those of a last block beyond them."""

Launch = Callable[[torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
"""From logits, and whether a gradient is wanted, to loss, gradient and its missing factor."""


@jit
def log1p(decay):
    """Return log(1 + decay) for 0 to 1: the polynomial of degree 8 with the least relative error.

    The library's logarithm costs more than twice the instructions. The polynomial's error is 3e-8,
    less than that of rounding.
    """
    ratio = 0.0052326943 * decay - 0.0295052389
    ratio = ratio * decay + 0.0782259521
    ratio = ratio * decay - 0.136632458
    ratio = ratio * decay + 0.191060068
    ratio = ratio * decay - 0.248429822
    ratio = ratio * decay + 0.333190968
    ratio = ratio * decay - 0.499994931
    return decay * (ratio * decay + 0.99999997)


@jit
def scale_kernel(
    values_ptr,  # [size], at most MOST_CELLS
    first_ptr,  # [1] float32
    second_ptr,  # [1] float32
    size,
    BLOCK: tl.constexpr,
):
    """Multiply by two factors in place; a product of one costs only the reading of both."""
    factor = tl.load(first_ptr) * tl.load(second_ptr)
    if factor != 1.0:
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        values = tl.load(values_ptr + at, at < size, other=0.0).to(tl.float32)
        tl.store(values_ptr + at, values * factor, at < size)


def _scale(values: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    if values.numel():
        with on_device_of(values):
            scale_kernel[(cdiv(values.numel(), SCALE_BLOCK),)](
                values, first.float(), second, values.numel(), SCALE_BLOCK
            )
    return values


class OnePassLoss(torch.autograd.Function):
    """A scalar loss of logits; targets and settings are bound in ``launch`` and get no gradient."""

    @staticmethod
    def forward(ctx, logits: torch.Tensor, launch: Launch, with_gradient: bool) -> torch.Tensor:
        """Compute the loss and, if wanted, the gradient."""
        loss, gradient, ctx.missing_factor = launch(logits, with_gradient)
        ctx.gradient = gradient if with_gradient else None
        ctx.launch = launch
        ctx.save_for_backward(logits)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: torch.Tensor):
        """Hand the gradient out; a second call on a retained graph computes it again."""
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            (logits,) = ctx.saved_tensors
            _, gradient, _ = ctx.launch(logits, True)
        return _scale(gradient, upstream, ctx.missing_factor), None, None


def shared_arguments(
    logits: torch.Tensor, weights: torch.Tensor | None, n_blocks: int, with_gradient: bool
) -> dict[str, object]:
    """Allocate what such a kernel writes, and name the arguments that all of them take.

    Each of the ``n_blocks`` programs of the launch writes one part of the loss. The logits stand
    in for a tensor that the kernel will not touch; the count is zero.
    """
    return {
        "logits_ptr": logits,
        "weights_ptr": logits if weights is None else weights,
        "count_ptr": torch.zeros(1, dtype=torch.int32, device=logits.device),
        "partial_ptr": torch.empty(n_blocks, device=logits.device),
        "gradient_ptr": torch.empty_like(logits) if with_gradient else logits,
        "HAS_WEIGHTS": weights is not None,
        "WITH_GRADIENT": with_gradient,
        # A mean over a million cells lies below what float16 can hold.
        "SCALE_LATER": logits.dtype == torch.float16,
    }


def one_pass_loss(logits: torch.Tensor, launch: Launch) -> torch.Tensor:
    """Apply a kernel that computes a loss and its gradient together; the loss of nothing is 0.

    Logits are contiguous, with at most `MOST_CELLS` elements. ``launch`` returns a gradient whose
    type would lose a mean's small values unscaled, with the factor that it still needs.
    """
    if not logits.numel():
        return logits.sum(dtype=torch.float32)
    with_gradient = logits.requires_grad and torch.is_grad_enabled()
    return OnePassLoss.apply(logits, launch, with_gradient)
