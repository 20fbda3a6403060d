"""Losses whose kernel writes the gradient in the forward pass.

The gradient of a loss over small heads needs what the loss itself has just computed. Writing it
at once spares the second reading of logits and targets. What is left for the backward pass is
the factor that comes from above; it is one in plain training, and then nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable

from cxrstudy.kernels.compiler import cdiv, jit, tl
from cxrstudy.kernels.dispatch import on_device_of

SCALE_BLOCK = 4096

Launch = Callable[[torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]]
"""From logits, and whether a gradient is wanted, to loss, gradient and its missing factor."""


@jit(do_not_specialize=["size"])
def scale_kernel(
    values_ptr,  # [size]
    first_ptr,  # [1] float32
    second_ptr,  # [1] float32
    size,
    BLOCK: tl.constexpr,
):
    """Multiply by two factors in place; a product of one costs only the reading of both."""
    factor = tl.load(first_ptr) * tl.load(second_ptr)
    if factor != 1.0:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
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
        loss, ctx.gradient, ctx.missing_factor = launch(logits, with_gradient)
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


def one_pass_loss(logits: torch.Tensor, launch: Launch) -> torch.Tensor:
    """Apply a kernel that computes a loss and its gradient together.

    Parameters
    ----------
    logits : Tensor
        Contiguous.
    launch : callable
        See `Launch`. A gradient in a type whose range would lose a mean's small values is
        returned unscaled, with the factor that it still needs.

    Returns
    -------
    Tensor, shape ()
    """
    with_gradient = logits.requires_grad and torch.is_grad_enabled()
    return OnePassLoss.apply(logits, launch, with_gradient)
