"""The loss of knowledge distillation for several findings of three classes each."""

import torch
from torch.nn.functional import log_softmax, one_hot


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
    logits : Tensor, shape (n_reports, n_findings, 3)
        Computed on in float32 at least.
    targets : Tensor, shape (n_reports, n_findings, 3)
        Probabilities of the teacher. A report and finding with any NaN is left out: the mean is
        over the others, and 0 where there are none.
    alpha : float
        Weight of the softened targets, 0 to 1.
    temperature : float
        Above 0.
    class_weights : Tensor, shape (n_findings, 3), optional
        Weight :math:`w` of a report and finding by its hard label; 1 unless given.

    Returns
    -------
    Tensor, shape ()

    References
    ----------
    Hinton et al. 2015, section 2. Wong & Tanaka 2025 (DeBERTa-RAD), the loss of stage 2.
    """
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
