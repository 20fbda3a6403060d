"""The 14 CheXpert observations: names, hierarchy, label codes, policies, crosswalk."""

from cxrstudy.observations.definitions import (
    COMPETITION_OBSERVATIONS,
    DEFINITIONS,
    LABEL_CODES,
    NEGATIVE,
    OBSERVATIONS,
    PARENTS,
    POSITIVE,
    UNCERTAIN,
    UNCERTAINTY_POLICIES,
    crosswalk,
)
from cxrstudy.observations.policies import apply_uncertainty_policy, close_upward

__all__ = [
    "COMPETITION_OBSERVATIONS",
    "DEFINITIONS",
    "LABEL_CODES",
    "NEGATIVE",
    "OBSERVATIONS",
    "PARENTS",
    "POSITIVE",
    "UNCERTAIN",
    "UNCERTAINTY_POLICIES",
    "apply_uncertainty_policy",
    "close_upward",
    "crosswalk",
]
