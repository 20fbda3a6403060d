"""The parts that phrases play in a sentence, and what lies ahead of each phrase."""

from enum import IntEnum

from cxrstudy.compiled import numba


class Role(IntEnum):
    """What a phrase does: a bit of its own, and the lexicon's section of such phrases.

    One phrase may do several things at once. Compiled code reads these members too.
    """

    def __new__(cls, place: int, section: str = "") -> "Role":
        """Make the member that is bit number `place`."""
        role = int.__new__(cls, 1 << place)
        role._value_ = 1 << place
        role.section = section
        return role

    MENTION = 0  # "effusion"
    MENTION_UNCERTAIN = 1  # "congestion" is edema, but uncertain by convention
    ANATOMY = 2  # "heart size"
    ABNORMAL = 3, "descriptors.abnormal"  # "enlarged"
    NORMAL = 4, "descriptors.normal"  # "within normal limits"
    STABLE = 5, "descriptors.stable"  # "unchanged"
    BORDERLINE = 6  # "borderline"
    NEGATION_BEFORE = 7, "negation.before"  # "no"
    NEGATION_NOT = 8, "negation.not"  # "is not", which denies one finding and no list
    NEGATION_AFTER = 9, "negation.after"  # "is not seen"
    NEGATION_EITHER = 10, "negation.either"  # "absent"
    UNCERTAINTY_BEFORE = 11, "uncertainty.before"  # "may represent"
    UNCERTAINTY_SUSPICIOUS = 12, "uncertainty.suspicious"  # "suspicious for"
    UNCERTAINTY_EITHER = 13, "uncertainty.either"  # "possible"
    UNCERTAINTY_AFTER = 14, "uncertainty.after"  # "is suspected"
    UNCERTAINTY_DESPITE_NEGATION = 15, "uncertainty.despite_negation"  # "cannot exclude"
    UNCERTAINTY_AFTER_DESPITE_NEGATION = (  # "cannot be excluded"
        16,
        "uncertainty.after_despite_negation",
    )
    HYPOTHETICAL = 17, "hypothetical"  # "to evaluate for"
    ALTERNATIVE = 18, "alternatives"  # "or"
    VERSUS = 19  # "versus"
    JOINING = 20, "joining"  # "and"
    COMMA = 21  # ","
    BOUNDARY = 22, "boundaries"  # "but"
    DETERMINER = 23, "determiners"  # "the"
    ASSERTION = 24, "assertions"  # "small", "left"
    VERB = 25, "verbs"  # "is"
    RESUMING = 26, "resuming"  # "to suggest"
    LABELING = 27, "labeling"  # ":"
    NEUTRAL = 28, "neutral"  # "not only"


SECTION_ROLES: dict[str, int] = {role.section: role for role in Role if role.section} | {
    "ignored": Role.NEUTRAL,
    "versus": Role.ALTERNATIVE | Role.VERSUS,
    "uncertainty.borderline": Role.BORDERLINE | Role.UNCERTAINTY_EITHER,
}
"""Section of the lexicon, with a dot between levels, to the roles of its phrases."""

# Roles that act alike.
CONNECTS = Role.COMMA | Role.JOINING | Role.ALTERNATIVE
SIZES = Role.ABNORMAL | Role.NORMAL | Role.BORDERLINE
DESCRIBES = SIZES | Role.STABLE
NEGATION_OPENS = Role.NEGATION_BEFORE | Role.NEGATION_NOT
HEDGES = Role.UNCERTAINTY_BEFORE | Role.UNCERTAINTY_SUSPICIOUS
OPENS = NEGATION_OPENS | HEDGES | Role.UNCERTAINTY_DESPITE_NEGATION | Role.HYPOTHETICAL
DECIDES_EITHER_SIDE = Role.NEGATION_EITHER | Role.UNCERTAINTY_EITHER
DECIDES_BACKWARD = (
    Role.NEGATION_AFTER | Role.UNCERTAINTY_AFTER | Role.UNCERTAINTY_AFTER_DESPITE_NEGATION
)

# What may stand between a modifier and the finding or anatomy that it modifies.
_MODIFIES = Role.ASSERTION | Role.NEUTRAL | DESCRIBES | Role.UNCERTAINTY_EITHER
# What a list of findings goes on through.
_LISTS = Role.MENTION | Role.ANATOMY | DESCRIBES | Role.ASSERTION | CONNECTS | Role.NEUTRAL


@numba.njit(cache=True)
def look_ahead(phrases, n):
    """Note of each of a sentence's n phrases, from the last to the first, what lies ahead."""
    finding = anatomy = alternative = False
    for i in range(n - 1, -1, -1):
        phrase = phrases[i]
        phrase.finding_next = finding
        phrase.anatomy_next = anatomy
        phrase.or_ahead = alternative
        phrase.ends_sentence = i == n - 1
        role = phrase.role
        if role & Role.ANATOMY:  # "large" in "large heart"
            finding, anatomy = False, True
        elif role & Role.MENTION and not role & DESCRIBES:  # "possible" in "possible edema"
            finding, anatomy = True, False
        elif not role & _MODIFIES:
            finding = anatomy = False
        if role & Role.ALTERNATIVE:  # "edema" in "edema, small effusion or pneumonia"
            alternative = True
        elif not role & _LISTS:
            alternative = False
