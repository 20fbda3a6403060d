"""What the walk over a sentence carries, and the mentions that it writes."""

from enum import IntEnum, auto

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY
from cxrstudy.labeler.roles import Role
from cxrstudy.observations import OBSERVATIONS


class Strength(IntEnum):
    """How strongly a label is asserted; the strongest mention decides (CheXpert's rule)."""

    BLANK = 0
    NEGATIVE = 1
    UNCERTAIN = 2
    POSITIVE = 3
    UNSAID = 4  # in force like a denial, but what it covers is not said at all


class Rule(IntEnum):
    """Why a mention got its strength."""

    MENTION = 0  # "effusion"
    UNCERTAIN_BY_CONVENTION = auto()  # "congestion"
    NEGATION_BEFORE = auto()  # "no effusion"
    NEGATION_AFTER = auto()  # "effusion is not seen"
    UNCERTAINTY_BEFORE = auto()  # "possible effusion"
    UNCERTAINTY_AFTER = auto()  # "effusion cannot be excluded"
    ALTERNATIVE = auto()  # "edema or pneumonia"
    ABNORMAL_ANATOMY = auto()  # "heart is enlarged"
    NORMAL_ANATOMY = auto()  # "heart size is normal"
    ANATOMY_UNCHANGED = auto()  # "heart is stable"
    BORDERLINE_ANATOMY = auto()  # "borderline heart size"
    IMPLIED = auto()  # "heart failure" hints at a large heart


class Connector(IntEnum):
    """What has joined the last finding to the next."""

    NONE = 0
    COMMA = 1
    AND = 2
    OR = 3


MENTION = np.dtype(
    [
        ("observations", np.int32),  # a bit for each, and one for other abnormalities
        ("strength", np.uint8),
        ("rule", np.uint8),
        ("phrase", np.int32),  # its place in the sentence
        ("cue", np.int32),  # likewise; NO_PHRASE for none
        ("partner", np.int32),  # the phrase that an "or" joins, or a cue under which the cue stands
    ]
)

WALK = np.dtype(
    [
        ("count", np.int32),  # mentions so far
        # The cue in force: what stands before findings and reaches them.
        ("force", np.uint8),  # strength that it gives; blank: none in force
        ("force_cue", np.int32),
        ("one_finding", np.bool_),  # it reaches one finding, not a list
        ("met", np.bool_),  # it has met its finding
        ("paused", np.uint8),  # strength of a cue that a verb ended; "to suggest" takes it up
        ("paused_cue", np.int32),
        # The list of findings.
        ("connector", np.uint8),
        ("comma_seen", np.bool_),  # since the last finding
        ("asserted", np.bool_),  # "small", "left", "stable" since the connector
        ("verb_seen", np.bool_),  # likewise
        ("after_finding", np.bool_),  # the last thing said was a finding
        ("list_start", np.int32),  # first mention of the running list
        ("chain_start", np.int32),  # first mention that an "or" would leave open
        ("heading", np.int32),  # mention before a colon: a heading if a finding follows
        # Anatomy and its adjectives.
        ("waiting", np.int32),  # the last so many mentions are anatomy without an adjective
        ("described", np.int32),  # last anatomy with an adjective
        ("described_weakly", np.bool_),  # as "stable", which says nothing of its size
        ("forward", np.uint8),  # strength of an adjective that stands before its anatomy
        ("forward_rule", np.uint8),
        ("forward_cue", np.int32),
    ]
)

NO_PHRASE = NO_MENTION = -1

_NO_FINDING = OBSERVATIONS.index("No Finding")
_SUPPORT_DEVICES = OBSERVATIONS.index("Support Devices")


@numba.njit(cache=True)
def start_list(walk):
    """Keep what comes from being joined to the mentions so far."""
    walk.list_start = walk.chain_start = walk.count


@numba.njit(cache=True)
def decide(mention, strength, rule, cue):
    """Give a mention its strength, with the reason and the cue."""
    mention.strength = strength
    mention.rule = rule
    mention.cue = cue


@numba.njit(cache=True)
def decide_after(mention, role, cue):
    """Let a cue that stands after a mention decide it."""
    if role & (Role.NEGATION_AFTER | Role.NEGATION_EITHER):
        # "effusion is not seen"; of "heart is unchanged and not seen" nothing is left to deny.
        if mention.strength != Strength.BLANK and mention.strength != Strength.UNSAID:
            decide(mention, Strength.NEGATIVE, Rule.NEGATION_AFTER, cue)
    elif mention.strength == Strength.POSITIVE or role & Role.UNCERTAINTY_AFTER_DESPITE_NEGATION:
        # "effusion is suspected"; "cannot be excluded" also opens what was denied.
        decide(mention, Strength.UNCERTAIN, Rule.UNCERTAINTY_AFTER, cue)


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
        if k != _NO_FINDING and k != _SUPPORT_DEVICES and strengths[k] >= Strength.UNCERTAIN:
            return
    strengths[_NO_FINDING] = Strength.POSITIVE
