"""Binary cross-entropy on label codes: masked, smoothed, weighted, in one pass.

Eager torch makes a dozen arrays of the logits' size on the way from label codes to a mean loss
and its gradient. The kernel reads logits and labels once and writes the gradient; the mean needs
the number of answered cells first, which is one more reading of the labels.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from cxrstudy.kernels.dispatch import cdiv, jit, on_device_of, takes_kernel, tl
from cxrstudy.kernels.one_pass import MOST_CELLS, log1p, one_pass_loss, shared_arguments
from cxrstudy.observations import UNCERTAIN
from cxrstudy.observations.policies import UNCERTAIN_TARGETS

BLOCK = 1024
COUNT_BLOCK = 8192
KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)


@jit
def _answered(labels, IGNORE_UNCERTAIN: tl.constexpr):
    # A comparison with NaN is false, and integers below -1, such as -2, stand for it.
    return labels > -1.0 if IGNORE_UNCERTAIN else labels >= -1.0


@jit
def count_kernel(
    labels_ptr,  # [size]
    count_ptr,  # [1] int32, zero on entry
    size,
    IGNORE_UNCERTAIN: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Count answered cells; whole numbers add up to the same in any order."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    labels = tl.load(labels_ptr + at, inside, other=0).to(tl.float32)
    answered = inside & _answered(labels, IGNORE_UNCERTAIN)
    tl.atomic_add(count_ptr, tl.sum(answered.to(tl.int32), 0), sem="relaxed")


@jit
def bce_kernel(
    logits_ptr,  # [size], rows of N_CLASSES
    labels_ptr,  # [size]
    weights_ptr,  # [N_CLASSES] float32, or anything unless HAS_WEIGHTS
    count_ptr,  # [1] int32
    partial_ptr,  # [n_programs] float32
    gradient_ptr,  # [size], or anything unless WITH_GRADIENT
    factor_ptr,  # [1] float32
    size,
    smoothing,
    UNCERTAIN_TARGET: tl.constexpr,
    IGNORE_UNCERTAIN: tl.constexpr,
    N_CLASSES: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr,
    SCALE_LATER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write each block's share of the mean loss, and the gradient of every logit."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    x = tl.load(logits_ptr + at, inside, other=0.0).to(tl.float32)
    labels = tl.load(labels_ptr + at, inside, other=0).to(tl.float32)
    share = 1.0 / tl.maximum(tl.load(count_ptr), 1).to(tl.float32)
    answered = inside & _answered(labels, IGNORE_UNCERTAIN)
    target = tl.where(labels == -1.0, UNCERTAIN_TARGET, labels)
    target = tl.where(answered, target, 0.0) * (1.0 - smoothing) + 0.5 * smoothing
    positive = target
    if HAS_WEIGHTS:
        positive = target * tl.load(weights_ptr + at % N_CLASSES, inside, other=0.0)
    negative = 1.0 - target

    decay = tl.exp(-tl.abs(x))
    softplus = tl.maximum(x, 0.0) + log1p(decay)
    cost = positive * (softplus - x) + negative * softplus
    cost = tl.sum(tl.where(answered, cost, 0.0), 0) * share
    tl.store(partial_ptr + tl.program_id(0), cost)
    if WITH_GRADIENT:
        # The cost is P softplus(-x) + N softplus(x), with softplus(-x) = softplus(x) - x. The slope
        # of softplus(x) is sigmoid(x), so that of the cost is N sigmoid(x) - P sigmoid(-x).
        # Neither of the two probabilities is one minus the other: no cancellation.
        larger = 1.0 / (1.0 + decay)
        smaller = decay * larger
        above = tl.where(x >= 0, larger, smaller)
        below = tl.where(x >= 0, smaller, larger)
        slope = tl.where(answered, negative * above - positive * below, 0.0)
        later = share if SCALE_LATER else 1.0
        slope = slope if SCALE_LATER else slope * share
        tl.store(gradient_ptr + at, slope, inside)
        tl.store(factor_ptr, later, tl.program_id(0) == 0)


def _launch(labels, positive_weights, policy, smoothing, logits, with_gradient):
    size = logits.numel()
    n_blocks = cdiv(size, BLOCK)
    shared = shared_arguments(logits, positive_weights, n_blocks, with_gradient)
    factor = torch.empty(1, device=logits.device)
    ignore = policy == "ignore"
    with on_device_of(logits):
        count_kernel[(cdiv(size, COUNT_BLOCK),)](
            labels, shared["count_ptr"], size, ignore, COUNT_BLOCK, num_warps=8
        )
        bce_kernel[(n_blocks,)](
            labels_ptr=labels,
            factor_ptr=factor,
            size=size,
            smoothing=smoothing,
            UNCERTAIN_TARGET=0.0 if ignore else UNCERTAIN_TARGETS[policy],
            IGNORE_UNCERTAIN=ignore,
            # Without weights one compiled kernel serves any number of classes.
            N_CLASSES=1 if positive_weights is None else logits.shape[-1],
            BLOCK=BLOCK,
            **shared,
        )
    return shared["partial_ptr"].sum(), shared["gradient_ptr"], factor


def masked_bce_reference(
    logits: torch.Tensor,
    labels: torch.Tensor,
    positive_weights: torch.Tensor | None = None,
    policy: str = "zeros",
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Compute `masked_bce` with torch's own operations, on any device and in any precision."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(logits.dtype)
    uncertain = labels == UNCERTAIN
    answered = labels >= UNCERTAIN
    if policy == "ignore":
        answered = answered & ~uncertain
    target = torch.where(uncertain, UNCERTAIN_TARGETS[policy], labels)
    target = torch.where(answered, target, 0.0) * (1 - smoothing) + smoothing / 2
    cost = binary_cross_entropy_with_logits(
        torch.where(answered, logits, 0.0),
        target,
        reduction="none",
        pos_weight=None if positive_weights is None else positive_weights.to(logits.dtype),
    )
    return torch.where(answered, cost, 0.0).sum() / answered.sum().clamp(min=1)


def masked_bce(
    logits: torch.Tensor,
    labels: torch.Tensor,
    positive_weights: torch.Tensor | None = None,
    policy: str = "zeros",
    smoothing: float = 0.0,
) -> torch.Tensor:
    r"""Return the mean loss over answered cells, a scalar; 0 where there are none.

    With target :math:`y`, smoothed to :math:`y' = (1 - s) y + s / 2`, and weight :math:`w` of its
    observation (the last axis), one cell costs
    :math:`-w y' \log \sigma(x) - (1 - y') \log(1 - \sigma(x))`.

    Labels are codes 1, 0 and -1 (uncertain, what the policy says), or probabilities. NaN, and -2
    among integers, leaves a cell out. A blank that is to count as negative must be 0, as
    `apply_uncertainty_policy` makes it. Integers of one byte are the fastest.
    """
    _check(logits, labels, positive_weights, policy, smoothing)
    fits = logits.dtype in KERNEL_TYPES and logits.numel() <= MOST_CELLS
    if not takes_kernel("bce", logits.device, fits):
        return masked_bce_reference(logits, labels, positive_weights, policy, smoothing)
    if positive_weights is not None:
        positive_weights = positive_weights.to(logits.device, torch.float32).contiguous()
    labels = labels.to(torch.int8) if labels.dtype == torch.bool else labels
    launch = partial(_launch, labels.contiguous(), positive_weights, policy, float(smoothing))
    return one_pass_loss(logits.contiguous(), launch)


def _check(logits, labels, positive_weights, policy, smoothing) -> None:
    if labels.shape != logits.shape or not logits.dim():
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, logits {tuple(logits.shape)}; "
            "both must be (..., n_observations)"
        )
    if policy not in UNCERTAIN_TARGETS:
        raise ValueError(
            f"policy {policy!r} gives no target; choose one of: {', '.join(UNCERTAIN_TARGETS)}"
        )
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must lie between 0 and 1, got {smoothing}")
    if positive_weights is not None and positive_weights.shape != logits.shape[-1:]:
        raise ValueError(
            f"positive_weights have shape {tuple(positive_weights.shape)}; "
            f"one weight for each of {logits.shape[-1]} observations is needed"
        )
