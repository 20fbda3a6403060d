"""The loss of knowledge distillation for several findings of a few classes each, in one pass.

With 13 findings of 3 classes every operation of eager torch is a launch over a tiny axis, and
softmax, softening, divergence and their gradients are two dozen of them. The kernel keeps a
finding's classes in registers and writes the gradient with the loss.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.nn.functional import log_softmax, one_hot

from cxrstudy.kernels.dispatch import cdiv, jit, on_device_of, takes_kernel, tl
from cxrstudy.kernels.one_pass import MOST_CELLS, log1p, one_pass_loss, shared_arguments

BLOCK = 512
KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)

CLASSES = 3
"""Classes that the kernel holds in registers: absent, present and uncertain."""


@jit
def _load_three(ptr, cells, inside):
    """Load the three classes of each cell as float32, beyond the last cell harmless ones."""
    first = tl.load(ptr + cells * 3, inside, other=1.0).to(tl.float32)
    second = tl.load(ptr + cells * 3 + 1, inside, other=1.0).to(tl.float32)
    third = tl.load(ptr + cells * 3 + 2, inside, other=1.0).to(tl.float32)
    return first, second, third


@jit
def _log2(x):
    """Return the logarithm of a normal float32 above 0; for anything less than those, -127."""
    bits = x.to(tl.int32, bitcast=True)
    mantissa = ((bits & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
    return ((bits >> 23) - 127).to(tl.float32) + log1p(mantissa - 1.0) * 1.4426950408889634


@jit
def _softened(probability, softer):
    """Return log2(p) / T and its power, which is 0 for a class of probability 0."""
    logarithm = _log2(probability) * softer
    return logarithm, tl.where(probability > 0, tl.exp2(logarithm), 0.0)


@jit
def distillation_kernel(
    logits_ptr,  # [n_cells, 3]
    targets_ptr,  # [n_cells, 3]
    weights_ptr,  # [N_FINDINGS, 3] float32, or anything unless HAS_WEIGHTS
    count_ptr,  # [1] int32, zero on entry
    partial_ptr,  # [n_programs] float32
    gradient_ptr,  # [n_cells, 3], or anything unless WITH_GRADIENT
    n_cells,
    share,
    alpha,
    temperature,
    softer,
    N_FINDINGS: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr,
    SCALE_LATER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write each block's part of the sum over cells times ``share``, and the gradient of that.

    Cells without NaN are counted on the way; ``softer`` is one over the temperature.
    """
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cells < n_cells
    z0, z1, z2 = _load_three(logits_ptr, cells, inside)
    p0, p1, p2 = _load_three(targets_ptr, cells, inside)
    # NaN differs from itself, and a sum is NaN where a part is.
    of_teacher = p0 + p1 + p2
    answered = inside & (of_teacher == of_teacher)
    tl.atomic_add(count_ptr, tl.sum(answered.to(tl.int32), 0), sem="relaxed")

    # The first of equal classes is the hard label, as in torch.
    is_first = p0 >= tl.maximum(p1, p2)
    is_second = ~is_first & (p1 >= p2)
    # Before the division by T, which would round large logits. Powers of two are the cheapest.
    highest = tl.maximum(z0, tl.maximum(z1, z2))
    log2_e = 1.4426950408889634
    z0, z1, z2 = (z0 - highest) * log2_e, (z1 - highest) * log2_e, (z2 - highest) * log2_e
    s0, s1, s2 = z0 * softer, z1 * softer, z2 * softer
    log0, q0 = _softened(p0, softer)
    log1, q1 = _softened(p1, softer)
    log2, q2 = _softened(p2, softer)
    e0, e1, e2 = tl.exp2(z0), tl.exp2(z1), tl.exp2(z2)
    f0, f1, f2 = tl.exp2(s0), tl.exp2(s1), tl.exp2(s2)
    total, soft_total = e0 + e1 + e2, f0 + f1 + f2
    part = 1.0 / (q0 + q1 + q2)
    q0, q1, q2 = q0 * part, q1 * part, q2 * part

    # All logarithms are to base 2 here; the last factor of the cost makes them natural ones.
    # With s = z / T and r = softmax(s), log q_c - log r_c is
    # (log p_c / T - s_c) + log(sum of exp s) - log(sum of p^(1/T)), and the q_c add up to 1.
    cross_entropy = _log2(total) - tl.where(is_first, z0, tl.where(is_second, z1, z2))
    divergence = q0 * (log0 - s0) + q1 * (log1 - s1) + q2 * (log2 - s2)
    divergence += _log2(soft_total * part)
    weight = 1.0
    if HAS_WEIGHTS:
        label = tl.where(is_first, 0, tl.where(is_second, 1, 2))
        weight = tl.load(weights_ptr + (cells % N_FINDINGS) * 3 + label)
    cost = (1.0 - alpha) * cross_entropy + alpha * temperature * temperature * divergence
    # Cells that do not count have computed with NaN, which only a choice removes.
    cost = tl.sum(tl.where(answered, cost * weight, 0.0), 0) * (share * 0.6931471805599453)
    tl.store(partial_ptr + tl.program_id(0), cost)
    if WITH_GRADIENT:
        # By z_c, cross entropy has the slope softmax(z)_c - (1 if c is h else 0), and T^2 times
        # the divergence T (r_c - q_c).
        weight = weight if SCALE_LATER else weight * share
        hard_part, soft_part = (1.0 - alpha) * weight, alpha * temperature * weight
        by_total, by_soft = hard_part / total, soft_part / soft_total
        g0 = e0 * by_total - tl.where(is_first, hard_part, 0.0) + f0 * by_soft - q0 * soft_part
        g1 = e1 * by_total - tl.where(is_second, hard_part, 0.0) + f1 * by_soft - q1 * soft_part
        is_third = ~(is_first | is_second)
        g2 = e2 * by_total - tl.where(is_third, hard_part, 0.0) + f2 * by_soft - q2 * soft_part
        tl.store(gradient_ptr + cells * 3, tl.where(answered, g0, 0.0), inside)
        tl.store(gradient_ptr + cells * 3 + 1, tl.where(answered, g1, 0.0), inside)
        tl.store(gradient_ptr + cells * 3 + 2, tl.where(answered, g2, 0.0), inside)


def _launch(targets, class_weights, alpha, temperature, logits, with_gradient):
    n_cells = logits.numel() // CLASSES
    n_blocks = cdiv(n_cells, BLOCK)
    shared = shared_arguments(logits, class_weights, n_blocks, with_gradient)
    with on_device_of(logits):
        distillation_kernel[(n_blocks,)](
            targets_ptr=targets,
            n_cells=n_cells,
            share=1 / n_cells,
            alpha=alpha,
            temperature=temperature,
            softer=1 / temperature,
            # Without weights one compiled kernel serves any number of findings.
            N_FINDINGS=1 if class_weights is None else logits.shape[-2],
            BLOCK=BLOCK,
            **shared,
        )
    # To divide by the count first would need one more reading of the targets, and most have an
    # answer everywhere. This is then exactly 1, and the backward pass has nothing to do.
    n_cells = torch.tensor(n_cells, dtype=torch.float32)
    factor = n_cells / shared["count_ptr"].clamp(min=1)
    loss = shared["partial_ptr"].sum() * factor[0]
    return loss, shared["gradient_ptr"], factor / n_cells if shared["SCALE_LATER"] else factor


def distillation_loss_reference(
    logits: torch.Tensor,
    targets: torch.Tensor,
    alpha: float,
    temperature: float,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute `distillation_loss` with torch's own operations, on any device, in any precision."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    answered = ~targets.isnan().any(dim=-1)
    targets = torch.where(answered[..., None], targets, 1.0).to(logits.dtype)
    hard = one_hot(targets.argmax(dim=-1), targets.shape[-1]).to(logits.dtype)
    softened = targets ** (1 / temperature)
    softened = softened / softened.sum(dim=-1, keepdim=True)

    cross_entropy = -(hard * log_softmax(logits, dim=-1)).sum(dim=-1)
    surprise = torch.xlogy(softened, softened) - softened * log_softmax(logits / temperature, -1)
    cost = (1 - alpha) * cross_entropy + alpha * temperature**2 * surprise.sum(dim=-1)
    if class_weights is not None:
        cost = cost * (hard * class_weights.to(hard)).sum(dim=-1)
    return (cost * answered).sum() / answered.sum().clamp(min=1)


def distillation_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    alpha: float,
    temperature: float,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Return the mean loss over reports and findings, both (..., n_findings, n_classes).

    With teacher probabilities :math:`p`, its hard label :math:`h = \arg\max p` (the first of equal
    ones) and the student's logits :math:`z`, one report and finding costs

    .. math::

        w_h \left[ -(1 - \alpha) \log \mathrm{softmax}(z)_h
        + \alpha T^2 \sum_c q_c (\log q_c - \log \mathrm{softmax}(z / T)_c) \right],
        \qquad q_c = p_c^{1/T} / \sum_k p_k^{1/T}.

    The factor :math:`T^2` keeps the two gradients comparable when :math:`T` changes (Hinton et al.
    2015, section 2). A report and finding with any NaN among its targets is left out and gets no
    gradient; the loss of none is 0. Class weights :math:`w` have shape (n_findings, n_classes).
    """
    _check(logits, targets, class_weights)
    fits = (
        logits.dtype in KERNEL_TYPES
        and targets.dtype in KERNEL_TYPES
        and logits.numel() <= MOST_CELLS
        and logits.shape[-1] == CLASSES
    )
    if not takes_kernel("distill", logits.device, fits):
        return distillation_loss_reference(logits, targets, alpha, temperature, class_weights)
    if class_weights is not None:
        class_weights = class_weights.to(logits.device, torch.float32).contiguous()
    settings = targets.contiguous(), class_weights, float(alpha), float(temperature)
    return one_pass_loss(logits.contiguous(), partial(_launch, *settings))


def _check(logits, targets, class_weights) -> None:
    if targets.shape != logits.shape or logits.dim() < 2:
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}, logits {tuple(logits.shape)}; "
            "both must be (..., n_findings, n_classes)"
        )
    if class_weights is not None and class_weights.shape != logits.shape[-2:]:
        raise ValueError(
            f"class_weights have shape {tuple(class_weights.shape)}; one weight for each class of "
            f"each finding is needed: {tuple(logits.shape[-2:])}"
        )
