"""How much agreement the label hierarchy's convention costs."""

import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import Agreement
from cxrstudy.observations import PARENTS, apply_uncertainty_policy, close_upward

POLICIES: tuple[str, ...] = ("zeros", "ones", "optimistic", "pessimistic")


def closing_contrast(policy: str) -> str:
    """Name the method that holds the paired difference of a policy, closed minus as given."""
    return f"{policy}, closed - {policy}"


def hierarchy_effect(
    truth: pd.DataFrame, labels: pd.DataFrame, resampling: Resampling = DEFAULT_RESAMPLING
) -> Agreement:
    """Compare labels closed upward with labels as given, under each policy.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_scored)
        Image labels 1 and 0.
    labels : DataFrame, shape (n_studies, n_observations)
        Report codes 1, 0, -1 and NaN; children that are not scored still count for their parent.
    resampling : Resampling

    Returns
    -------
    Agreement
        F1 and kappa. Methods are each policy, each policy ``", closed"``, and their paired
        difference (`closing_contrast`). Averages run over the scored parents, or over all
        observations if none is a parent.
    """
    closed = close_upward(labels)
    variants = {}
    for policy in POLICIES:
        for name, table in ((policy, labels), (f"{policy}, closed", closed)):
            variants[name] = apply_uncertainty_policy(table[truth.columns], policy, truth)
    return agree(
        truth,
        variants,
        contrasts=[(f"{policy}, closed", policy) for policy in POLICIES],
        averages_over=scored_parents(truth) or None,
        resampling=resampling,
    )


def scored_parents(truth: pd.DataFrame) -> list[str]:
    """List the scored observations that are a parent of another observation."""
    return [name for name in truth if name in PARENTS.values()]
