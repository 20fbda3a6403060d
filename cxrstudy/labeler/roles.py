"""The parts that a phrase can play in a sentence, as bits of one number."""

from enum import IntFlag, auto


class Role(IntFlag):
    """What a phrase does; one phrase may do several things at once."""

    MENTION = auto()
    MENTION_UNCERTAIN = auto()
    ANATOMY = auto()
    ABNORMAL = auto()
    NORMAL = auto()
    STABLE = auto()
    BORDERLINE = auto()
    NEGATION_BEFORE = auto()
    NEGATION_NOT = auto()
    NEGATION_AFTER = auto()
    NEGATION_EITHER = auto()
    UNCERTAINTY_BEFORE = auto()
    UNCERTAINTY_SUSPICIOUS = auto()
    UNCERTAINTY_EITHER = auto()
    UNCERTAINTY_AFTER = auto()
    UNCERTAINTY_DESPITE_NEGATION = auto()
    UNCERTAINTY_AFTER_DESPITE_NEGATION = auto()
    HYPOTHETICAL = auto()
    ALTERNATIVE = auto()
    VERSUS = auto()
    JOINING = auto()
    COMMA = auto()
    BOUNDARY = auto()
    DETERMINER = auto()
    ASSERTION = auto()
    VERB = auto()
    RESUMING = auto()
    LABELING = auto()
    NEUTRAL = auto()


SECTION_ROLES: dict[str, Role] = {
    "ignored": Role.NEUTRAL,
    "neutral": Role.NEUTRAL,
    "hypothetical": Role.HYPOTHETICAL,
    "alternatives": Role.ALTERNATIVE,
    "versus": Role.ALTERNATIVE | Role.VERSUS,
    "joining": Role.JOINING,
    "boundaries": Role.BOUNDARY,
    "determiners": Role.DETERMINER,
    "assertions": Role.ASSERTION,
    "verbs": Role.VERB,
    "labeling": Role.LABELING,
    "resuming": Role.RESUMING,
    "negation.before": Role.NEGATION_BEFORE,
    "negation.not": Role.NEGATION_NOT,
    "negation.after": Role.NEGATION_AFTER,
    "negation.either": Role.NEGATION_EITHER,
    "uncertainty.before": Role.UNCERTAINTY_BEFORE,
    "uncertainty.suspicious": Role.UNCERTAINTY_SUSPICIOUS,
    "uncertainty.either": Role.UNCERTAINTY_EITHER,
    "uncertainty.after": Role.UNCERTAINTY_AFTER,
    "uncertainty.despite_negation": Role.UNCERTAINTY_DESPITE_NEGATION,
    "uncertainty.after_despite_negation": Role.UNCERTAINTY_AFTER_DESPITE_NEGATION,
    "uncertainty.borderline": Role.BORDERLINE | Role.UNCERTAINTY_EITHER,
    "descriptors.abnormal": Role.ABNORMAL,
    "descriptors.normal": Role.NORMAL,
    "descriptors.stable": Role.STABLE,
}
"""Section of the lexicon, with a dot between levels, to the role of its phrases."""
