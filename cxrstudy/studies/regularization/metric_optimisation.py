"""Optimise AUROC directly on a small set: heads moved until its positives outrank its negatives."""

import numpy as np
import pandas as pd
import torch
from torch.nn import functional


def optimise_auroc(
    features: np.ndarray,
    labels: np.ndarray,
    subsets: np.ndarray,
    start: np.ndarray,
    steps: int = 300,
    learning_rate: float = 1e-3,
) -> np.ndarray:
    """Move linear heads, (s, d), so that positives of a subset score above its negatives.

    AUROC counts pairs in the right order; its usual surrogate puts the logistic function in
    place of the count. All subsets, (s, m) rows of features (n, d) on a common scale, are
    optimised together, each with a head of its own, by Adam on all pairs, without a penalty: this
    is what "optimising the metric" does when nothing holds it back.

    Yuan et al. 2021. Large-scale robust deep AUC maximization. ICCV (the aim, with another
    surrogate); Gao and Zhou 2015. On the consistency of AUC pairwise optimization. IJCAI.
    """
    chosen = labels[subsets] == 1
    if not (chosen.any(axis=1) & ~chosen.all(axis=1)).all():
        raise ValueError("a subset has one class only, so that it has no pairs to order")
    # Positives first: pairs are then a corner of all pairs of rows.
    order = np.argsort(~chosen, axis=1, kind="stable")
    positive = torch.from_numpy(np.take_along_axis(chosen, order, axis=1))
    rows = np.take_along_axis(subsets, order, axis=1)
    inputs = torch.from_numpy(np.asarray(features)[rows].astype(np.float32))
    n_first, n_last = (int(part.sum(axis=1).max()) for part in (chosen, ~chosen))
    pairs = positive[:, :n_first, None] & ~positive[:, None, -n_last:]
    # An intercept would change no order.
    weights = torch.tensor(np.asarray(start, np.float32), requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=learning_rate)
    for _ in range(steps):
        scores = torch.einsum("smd,sd->sm", inputs, weights)
        margins = scores[:, :n_first, None] - scores[:, None, -n_last:]
        losses = (functional.softplus(-margins) * pairs).sum((1, 2)) / pairs.sum((1, 2))
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    return weights.detach().numpy()


def column_aurocs(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the AUROC of every column of scores, (n, k), by ranks; ties count half.

    For choices among many candidates; what is reported comes from `cxrstudy.agreement`.

    >>> column_aurocs(np.array([[1, 4], [2, 3], [3, 3], [4, 1]]), np.array([0, 0, 1, 1]))
    array([1.   , 0.125])
    """
    ranks = pd.DataFrame(scores).rank().to_numpy()
    n_positive = positive.sum()
    excess = ranks[positive == 1].sum(axis=0) - n_positive * (n_positive + 1) / 2
    return excess / (n_positive * (len(positive) - n_positive))
