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

from cxrstudy.kernels.compiler import cdiv, jit, next_power_of_2, tl
from cxrstudy.kernels.dispatch import on_device_of, takes_kernel
from cxrstudy.kernels.one_pass import one_pass_loss

BLOCK = 256
COUNT_BLOCK = 2048
KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)
MOST_CLASSES = 16


@jit
def _load_cells(ptr, cells, n_cells, N_CLASSES: tl.constexpr, PADDED: tl.constexpr):
    """Load [BLOCK, PADDED] classes of a block of cells as float32; padding reads 0."""
    classes = tl.arange(0, PADDED)[None, :]
    at = cells[:, None] * N_CLASSES + classes
    inside = (cells[:, None] < n_cells) & (classes < N_CLASSES)
    return tl.load(ptr + at, inside, other=0.0).to(tl.float32)


@jit(do_not_specialize=["n_cells"])
def count_kernel(
    targets_ptr,  # [n_cells, N_CLASSES]
    count_ptr,  # [1] int32, zero on entry
    n_cells,
    N_CLASSES: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Count cells without NaN."""
    cells = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    targets = _load_cells(targets_ptr, cells, n_cells, N_CLASSES, PADDED)
    missing = tl.max((targets != targets).to(tl.int32), 1)
    answered = tl.where(cells < n_cells, 1 - missing, 0)
    tl.atomic_add(count_ptr, tl.sum(answered, 0))


@jit
def _log_softmax(values, real):
    """Of values that are at most 0, the largest of them 0; padding is left out."""
    total = tl.sum(tl.where(real, tl.exp(values), 0.0), 1)
    return values - tl.log(total)[:, None]


@jit(do_not_specialize=["n_cells"])
def distillation_kernel(
    logits_ptr,  # [n_cells, N_CLASSES]
    targets_ptr,  # [n_cells, N_CLASSES]
    weights_ptr,  # [N_FINDINGS, N_CLASSES] float32, or anything unless HAS_WEIGHTS
    count_ptr,  # [1] int32
    partial_ptr,  # [n_programs] float32
    gradient_ptr,  # [n_cells, N_CLASSES], or anything unless WITH_GRADIENT
    factor_ptr,  # [1] float32
    n_cells,
    alpha,
    temperature,
    N_FINDINGS: tl.constexpr,
    N_CLASSES: tl.constexpr,
    PADDED: tl.constexpr,
    HAS_WEIGHTS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr,
    SCALE_LATER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write each block's share of the mean loss, and the gradient of every logit."""
    cells = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    classes = tl.arange(0, PADDED)[None, :]
    real = classes < N_CLASSES
    z = _load_cells(logits_ptr, cells, n_cells, N_CLASSES, PADDED)
    p = _load_cells(targets_ptr, cells, n_cells, N_CLASSES, PADDED)
    share = 1.0 / tl.maximum(tl.load(count_ptr), 1).to(tl.float32)
    answered = (cells < n_cells) & (tl.max((p != p).to(tl.int32), 1) == 0)
    # Cells that do not count get harmless numbers, so that no NaN arises anywhere.
    p = tl.where(answered[:, None], p, 1.0)
    z = tl.where(answered[:, None], z, 0.0)
    # Before the division by T, which would round large logits.
    z -= tl.max(tl.where(real, z, float("-inf")), 1)[:, None]
    z = tl.where(real, z, 0.0)

    # The first of equal classes is the hard label, as in torch.
    highest = tl.max(tl.where(real, p, -1.0), 1)
    hard = tl.min(tl.where(real & (p == highest[:, None]), classes, PADDED), 1)
    is_hard = classes == hard[:, None]
    # A class of probability 0 has power 0, and costs nothing.
    some = real & (p > 0)
    powers = tl.where(some, tl.exp(tl.log(tl.where(some, p, 1.0)) / temperature), 0.0)
    q = powers / tl.sum(powers, 1)[:, None]
    log_q = tl.log(tl.where(q > 0, q, 1.0))

    log_student = _log_softmax(z, real)
    log_soft = _log_softmax(z / temperature, real)
    cross_entropy = -tl.sum(tl.where(is_hard, log_student, 0.0), 1)
    divergence = tl.sum(tl.where(q > 0, q * (log_q - log_soft), 0.0), 1)
    weight = tl.where(answered, 1.0, 0.0)
    if HAS_WEIGHTS:
        weight *= tl.load(weights_ptr + (cells % N_FINDINGS) * N_CLASSES + hard)
    cost = (1.0 - alpha) * cross_entropy + alpha * temperature * temperature * divergence
    tl.store(
        partial_ptr + tl.program_id(0), tl.sum(tl.where(answered, cost * weight, 0.0), 0) * share
    )
    if WITH_GRADIENT:
        of_hard = tl.exp(log_student) - tl.where(is_hard, 1.0, 0.0)
        of_soft = tl.exp(log_soft) - q
        slope = weight[:, None] * ((1.0 - alpha) * of_hard + alpha * temperature * of_soft)
        # A mean over a million cells lies below what float16 can hold.
        later = share if SCALE_LATER else 1.0
        slope = slope if SCALE_LATER else slope * share
        at = cells[:, None] * N_CLASSES + classes
        tl.store(gradient_ptr + at, slope, (cells[:, None] < n_cells) & real)
        tl.store(factor_ptr, later, tl.program_id(0) == 0)


def _launch(targets, class_weights, alpha, temperature, logits, with_gradient):
    gradient = torch.empty_like(logits) if with_gradient else None
    n_findings, n_classes = logits.shape[-2:]
    if not logits.numel():
        one = torch.ones(1, device=logits.device)
        return one.sum() * 0, gradient, one
    n_cells = logits.numel() // n_classes
    factor = torch.empty(1, device=logits.device)
    count = torch.zeros(1, dtype=torch.int32, device=logits.device)
    partial_losses = torch.empty(cdiv(n_cells, BLOCK), device=logits.device)
    padded = next_power_of_2(n_classes)
    with on_device_of(logits):
        count_kernel[(cdiv(n_cells, COUNT_BLOCK),)](
            targets, count, n_cells, n_classes, padded, COUNT_BLOCK, num_warps=8
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
            N_FINDINGS=n_findings,
            N_CLASSES=n_classes,
            PADDED=padded,
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
        and 0 < logits.shape[-1] <= MOST_CLASSES
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
