"""The loss of knowledge distillation for several findings of a few classes each, in one pass.

With 13 findings of 3 classes every operation of eager torch is a launch over a tiny axis, and
softmax, softening, divergence and their gradients are two dozen of them. The kernel keeps a
finding's classes in registers and writes the gradient with the loss.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn.functional import log_softmax, one_hot

from cxrstudy.kernels.compiler import cdiv, jit, tl
from cxrstudy.kernels.dispatch import on_device_of, takes_kernel
from cxrstudy.kernels.one_pass import one_pass_loss

BLOCK = 512
COUNT_BLOCK = 2048
KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)

CLASSES = 3
"""Classes that the kernel holds in registers: absent, present and uncertain."""


@jit
def _load_three(ptr, cells, inside):
    """Load the three classes of each cell as float32, beyond the last cell 0."""
    first = tl.load(ptr + cells * 3, inside, other=0.0).to(tl.float32)
    second = tl.load(ptr + cells * 3 + 1, inside, other=0.0).to(tl.float32)
    third = tl.load(ptr + cells * 3 + 2, inside, other=0.0).to(tl.float32)
    return first, second, third


@jit
def _defined(first, second, third):
    # NaN differs from itself, and a sum is NaN where a part is.
    total = first + second + third
    return total == total


@jit(do_not_specialize=["n_cells"])
def count_kernel(
    targets_ptr,  # [n_cells, 3]
    count_ptr,  # [1] int32, zero on entry
    n_cells,
    BLOCK: tl.constexpr,
):
    """Count cells without NaN."""
    cells = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = cells < n_cells
    first, second, third = _load_three(targets_ptr, cells, inside)
    answered = inside & _defined(first, second, third)
    tl.atomic_add(count_ptr, tl.sum(answered.to(tl.int32), 0))


@jit
def _softened(probability, temperature):
    """Return log(p) / T and its exponential; 0 and 0 for a class of probability 0."""
    some = probability > 0
    logarithm = tl.log(tl.where(some, probability, 1.0)) / temperature
    return logarithm, tl.where(some, tl.exp(logarithm), 0.0)


@jit(do_not_specialize=["n_cells"])
def distillation_kernel(
    logits_ptr,  # [n_cells, 3]
    targets_ptr,  # [n_cells, 3]
    weights_ptr,  # [N_FINDINGS, 3] float32, or anything unless HAS_WEIGHTS
    count_ptr,  # [1] int32
    partial_ptr,  # [n_programs] float32
    gradient_ptr,  # [n_cells, 3], or anything unless WITH_GRADIENT
    factor_ptr,  # [1] float32
    n_cells,
    alpha,
    temperature,
    N_FINDINGS: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr,
    SCALE_LATER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write each block's share of the mean loss, and the gradient of every logit."""
    cells = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = cells < n_cells
    z0, z1, z2 = _load_three(logits_ptr, cells, inside)
    p0, p1, p2 = _load_three(targets_ptr, cells, inside)
    share = 1.0 / tl.maximum(tl.load(count_ptr), 1).to(tl.float32)
    answered = inside & _defined(p0, p1, p2)
    # Cells that do not count get harmless numbers, so that no NaN arises from them.
    p0, p1, p2 = (
        tl.where(answered, p0, 1.0),
        tl.where(answered, p1, 1.0),
        tl.where(answered, p2, 1.0),
    )
    z0, z1, z2 = (
        tl.where(answered, z0, 0.0),
        tl.where(answered, z1, 0.0),
        tl.where(answered, z2, 0.0),
    )
    # Before the division by T, which would round large logits.
    highest = tl.maximum(z0, tl.maximum(z1, z2))
    z0, z1, z2 = z0 - highest, z1 - highest, z2 - highest

    # The first of equal classes is the hard label, as in torch.
    is_first = p0 >= tl.maximum(p1, p2)
    is_second = (p0 < tl.maximum(p1, p2)) & (p1 >= p2)
    hard0, hard1 = tl.where(is_first, 1.0, 0.0), tl.where(is_second, 1.0, 0.0)
    hard2 = 1.0 - hard0 - hard1
    log0, q0 = _softened(p0, temperature)
    log1, q1 = _softened(p1, temperature)
    log2, q2 = _softened(p2, temperature)
    powers = q0 + q1 + q2
    s0, s1, s2 = z0 / temperature, z1 / temperature, z2 / temperature
    e0, e1, e2 = tl.exp(z0), tl.exp(z1), tl.exp(z2)
    f0, f1, f2 = tl.exp(s0), tl.exp(s1), tl.exp(s2)
    total, soft_total = e0 + e1 + e2, f0 + f1 + f2
    part = 1.0 / powers
    q0, q1, q2 = q0 * part, q1 * part, q2 * part

    cross_entropy = tl.log(total) - (hard0 * z0 + hard1 * z1 + hard2 * z2)
    divergence = q0 * (log0 - s0) + q1 * (log1 - s1) + q2 * (log2 - s2)
    divergence += tl.log(soft_total * part)
    weight = tl.where(answered, share, 0.0)
    if HAS_WEIGHTS:
        label = tl.where(is_first, 0, tl.where(is_second, 1, 2))
        weight *= tl.load(weights_ptr + (cells % N_FINDINGS) * 3 + label)
    cost = (1.0 - alpha) * cross_entropy + alpha * temperature * temperature * divergence
    # A weight of 0 does not undo a NaN of a cell that does not count.
    tl.store(partial_ptr + tl.program_id(0), tl.sum(tl.where(answered, cost * weight, 0.0), 0))
    if WITH_GRADIENT:
        # A mean over a million cells lies below what float16 can hold.
        later = share if SCALE_LATER else 1.0
        weight = weight / share if SCALE_LATER else weight
        hard_part, soft_part = (1.0 - alpha) * weight, alpha * temperature * weight
        by_total, by_soft = hard_part / total, soft_part / soft_total
        g0 = e0 * by_total - hard0 * hard_part + f0 * by_soft - q0 * soft_part
        g1 = e1 * by_total - hard1 * hard_part + f1 * by_soft - q1 * soft_part
        g2 = e2 * by_total - hard2 * hard_part + f2 * by_soft - q2 * soft_part
        tl.store(gradient_ptr + cells * 3, g0, inside)
        tl.store(gradient_ptr + cells * 3 + 1, g1, inside)
        tl.store(gradient_ptr + cells * 3 + 2, g2, inside)
        tl.store(factor_ptr, later, tl.program_id(0) == 0)


def _launch(targets, class_weights, alpha, temperature, logits, with_gradient):
    gradient = torch.empty_like(logits) if with_gradient else None
    if not logits.numel():
        one = torch.ones(1, device=logits.device)
        return one.sum() * 0, gradient, one
    n_cells = logits.numel() // CLASSES
    factor = torch.empty(1, device=logits.device)
    count = torch.zeros(1, dtype=torch.int32, device=logits.device)
    partial_losses = torch.empty(cdiv(n_cells, BLOCK), device=logits.device)
    with on_device_of(logits):
        count_kernel[(cdiv(n_cells, COUNT_BLOCK),)](
            targets, count, n_cells, COUNT_BLOCK, num_warps=8
        )
        distillation_kernel[(len(partial_losses),)](
            logits,
            targets,
            logits if class_weights is None else class_weights,
            count,
            partial_losses,
            logits if gradient is None else gradient,
            factor,
            n_cells,
            alpha,
            temperature,
            N_FINDINGS=logits.shape[-2],
            HAS_WEIGHTS=class_weights is not None,
            WITH_GRADIENT=with_gradient,
            SCALE_LATER=logits.dtype == torch.float16,
            BLOCK=BLOCK,
        )
    return partial_losses.sum(), gradient, factor


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
    r"""Return the mean loss over reports and findings.

    With teacher probabilities :math:`p`, its hard label :math:`h = \arg\max p` (the first of equal
    ones) and the student's logits :math:`z`, one report and finding costs

    .. math::

        w_h \left[ -(1 - \alpha) \log \mathrm{softmax}(z)_h
        + \alpha T^2 \sum_c q_c (\log q_c - \log \mathrm{softmax}(z / T)_c) \right],
        \qquad q_c = p_c^{1/T} / \sum_k p_k^{1/T}.

    The factor :math:`T^2` keeps the two gradients comparable when :math:`T` changes. A teacher
    that gives hard labels has :math:`q = p` at any temperature.

    Parameters
    ----------
    logits : Tensor, shape (n_reports, n_findings, n_classes)
        Computed on in float32 at least.
    targets : Tensor, shape (n_reports, n_findings, n_classes)
        Probabilities of the teacher. A report and finding with any NaN is left out: the mean is
        over the others, and 0 where there are none. They get no gradient.
    alpha : float
        Weight of the softened targets, 0 to 1.
    temperature : float
        Above 0.
    class_weights : Tensor, shape (n_findings, n_classes), optional
        Weight :math:`w` of a report and finding by its hard label; 1 unless given.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes do not fit.

    References
    ----------
    Hinton et al. 2015, section 2. Wong & Tanaka 2025 (DeBERTa-RAD), the loss of stage 2.
    """
    _check(logits, targets, class_weights)
    fits = (
        logits.dtype in KERNEL_TYPES
        and targets.dtype in KERNEL_TYPES
        and logits.numel() < 2**31
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


class DistillationLoss(nn.Module):
    """`distillation_loss` as a module; its weights move with the model and are saved with it.

    Parameters
    ----------
    alpha, temperature : float
    class_weights : Tensor, shape (n_findings, n_classes), optional
    """

    def __init__(self, alpha: float, temperature: float, class_weights: torch.Tensor | None = None):
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss; see `distillation_loss`."""
        return distillation_loss(logits, targets, self.alpha, self.temperature, self.class_weights)
