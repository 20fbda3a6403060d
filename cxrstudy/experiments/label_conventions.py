"""What an agreement owes to convention: the reading of uncertain labels, and blank parents."""

import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Agreement, Resampling, agree
from cxrstudy.observations import PARENTS, apply_uncertainty_policy, close_upward

POLICIES: tuple[str, ...] = ("zeros", "ones", "optimistic", "pessimistic")


def always_positive_f1(truth: pd.DataFrame) -> pd.Series:
    """F1 of a labeler that calls every study positive: the floor of every F1.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Image labels 1 and 0.

    Returns
    -------
    Series
        ``2 p / (1 + p)`` for prevalence p, by observation.

    Examples
    --------
    >>> always_positive_f1(pd.DataFrame({"Edema": [1, 0, 0, 0]})).to_dict()
    {'Edema': 0.4}
    """
    prevalence = truth.mean()
    return (2 * prevalence / (1 + prevalence)).rename("always positive F1")


def bound_scores(truth: pd.DataFrame, labels: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Score labels under the worst and the best reading of their uncertain codes."""
    bounds = {
        policy: apply_uncertainty_policy(labels[truth.columns], policy, truth)
        for policy in ("pessimistic", "optimistic")
    }
    return agree(truth, bounds, resampling=resampling).table()


def closing_contrast(policy: str) -> str:
    """Name the method that holds the paired difference of a policy, closed minus as given."""
    return f"{policy}, closed - {policy}"


def hierarchy_effect(
    truth: pd.DataFrame, labels: pd.DataFrame, resampling: Resampling
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


def closing_gains(effect: Agreement, truth: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what closing upward gains for each scored parent and on average, by policy."""
    table = effect.table()
    of_policy = {closing_contrast(policy): policy for policy in POLICIES}
    shown = table["observation"].isin([*scored_parents(truth), MACRO_AVERAGE])
    gains = table[table["method"].isin(of_policy) & shown]
    return gains.assign(policy=gains["method"].map(of_policy))


def scored_parents(truth: pd.DataFrame) -> list[str]:
    """List the scored observations that are a parent of another observation."""
    return [name for name in truth if name in PARENTS.values()]
