"""How strongly a report asserts an observation, by which rule, and what it says as a whole."""

from cxrstudy.compiled import numba
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY
from cxrstudy.observations import OBSERVATIONS

# How strongly a label is asserted; the strongest mention decides a report (CheXpert's rule).
BLANK_STRENGTH, NEGATIVE_STRENGTH, UNCERTAIN_STRENGTH, POSITIVE_STRENGTH = 0, 1, 2, 3
UNSAID = 4  # in force like a denial, but what it covers is not said at all

# Why a mention got its strength.
RULES: tuple[str, ...] = (
    "mention",
    "uncertain by convention",
    "negation before",
    "negation after",
    "uncertainty before",
    "uncertainty after",
    "alternative",
    "abnormal anatomy",
    "normal anatomy",
    "anatomy unchanged",
    "borderline anatomy",
    "implied",
)
(
    BY_MENTION,
    BY_CONVENTION,
    BY_NEGATED_BEFORE,
    BY_NEGATED_AFTER,
    BY_HEDGED_BEFORE,
    BY_HEDGED_AFTER,
    BY_ALTERNATIVE,
    BY_ABNORMAL_ANATOMY,
    BY_NORMAL_ANATOMY,
    BY_UNCHANGED_ANATOMY,
    BY_BORDERLINE_ANATOMY,
    BY_IMPLIED,
) = range(len(RULES))

_NO_FINDING = OBSERVATIONS.index("No Finding")
_SUPPORT_DEVICES = OBSERVATIONS.index("Support Devices")


@numba.njit(cache=True)
def raise_strengths(strengths, observations, strength):
    """Raise a report's strength of the observations whose bits are set."""
    for k in range(OTHER_ABNORMALITY + 1):
        if observations >> k & 1 and strengths[k] < strength:
            strengths[k] = strength


@numba.njit(cache=True)
def decide_no_finding(strengths):
    """Say "No Finding" of a report that asserts and suspects nothing but support devices."""
    for k in range(len(strengths)):
        if k != _NO_FINDING and k != _SUPPORT_DEVICES and strengths[k] >= UNCERTAIN_STRENGTH:
            return
    strengths[_NO_FINDING] = POSITIVE_STRENGTH
