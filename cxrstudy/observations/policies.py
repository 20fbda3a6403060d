"""From label codes to yes and no: uncertainty policies and the hierarchy's closure."""

import numpy as np
import pandas as pd

from cxrstudy.observations.definitions import (
    PARENTS,
    POSITIVE,
    UNCERTAIN,
    UNCERTAINTY_POLICIES,
    ancestors,
)

# What an uncertain label becomes under each policy that needs no reference.
UNCERTAIN_TARGETS: dict[str, float] = {"zeros": 0.0, "ones": 1.0, "ignore": np.nan}


def apply_uncertainty_policy(
    labels: pd.DataFrame, policy: str, reference: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Turn label codes into 1, 0 and (under ``ignore``) missing.

    Blank becomes 0 under every policy, as in the papers. Policies differ in what -1 becomes (Irvin
    et al. 2019, section 4); ``optimistic`` and ``pessimistic`` look that up in the `reference`, 1
    and 0 (Jain et al. 2021, section 4.1.1).

    >>> labels = pd.DataFrame({"Edema": [1, 0, -1, np.nan]})
    >>> apply_uncertainty_policy(labels, "ones")["Edema"].tolist()
    [1.0, 0.0, 1.0, 0.0]
    >>> apply_uncertainty_policy(labels, "ignore")["Edema"].tolist()
    [1.0, 0.0, nan, 0.0]
    """
    if policy not in UNCERTAINTY_POLICIES:
        known = ", ".join(UNCERTAINTY_POLICIES)
        raise ValueError(f"unknown uncertainty policy {policy!r}; choose one of: {known}")
    replacement: float | pd.DataFrame
    if policy in {"optimistic", "pessimistic"}:
        if reference is None:
            raise ValueError(f"policy {policy!r} needs the reference labels that it compares with")
        reference = reference.loc[labels.index, labels.columns].astype(float)
        replacement = reference if policy == "optimistic" else 1 - reference
    else:
        replacement = UNCERTAIN_TARGETS[policy]
    uncertain = labels == UNCERTAIN
    return labels.astype(float).fillna(0.0).mask(uncertain, replacement)


def close_upward(labels: pd.DataFrame) -> pd.DataFrame:
    """Give every parent the strongest label among itself and its children.

    Report labelers mark only the most specific finding and leave its parent blank; readers of
    images mark each for itself. Closing upward removes that difference of convention alone.

    >>> close_upward(pd.DataFrame({"Lung Opacity": [np.nan], "Edema": [1]}))
       Lung Opacity  Edema
    0           1.0    1.0
    """
    closed = labels.astype(float).copy()
    # From the bottom up, so that a label passes through every level.
    for child in sorted(PARENTS, key=lambda name: -len(ancestors(name))):
        parent = PARENTS[child]
        if child not in closed or parent not in closed:
            continue
        closed[parent] = closed[parent].mask(
            (closed[child] == UNCERTAIN) & (closed[parent] != POSITIVE), UNCERTAIN
        )
        closed[parent] = closed[parent].mask(closed[child] == POSITIVE, POSITIVE)
    return closed
