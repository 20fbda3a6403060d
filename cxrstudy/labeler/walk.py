"""What the walk over a sentence carries and writes: mentions of findings and of anatomy."""

from enum import IntEnum, auto

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY, SIZES, Role
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


@numba.njit(cache=True)
def add_finding(walk, phrase, mentions):
    """Mention a finding under the cue in force, and what it implies."""
    if walk.heading >= 0:  # "effusion: small effusion": the first one is a heading
        mentions[walk.heading].strength = Strength.BLANK
        walk.heading = NO_MENTION
    _reach_finding(walk, phrase)
    mention = mentions[walk.count]
    _name(mention, phrase.mentions, phrase.place)
    _decide_finding(walk, phrase, mention, mentions)
    walk.count += 1
    if phrase.hints and mention.strength >= Strength.UNCERTAIN:  # "heart failure": a large heart
        hint = mentions[walk.count]
        _name(hint, phrase.hints, phrase.place)
        decide(hint, Strength.UNCERTAIN, Rule.IMPLIED, mention.cue)
        walk.count += 1
    walk.met = walk.after_finding = True
    walk.connector = Connector.NONE
    walk.comma_seen = walk.asserted = walk.verb_seen = False
    walk.waiting = 0
    walk.forward = Strength.BLANK


@numba.njit(cache=True)
def _name(mention, observations, phrase):
    """Begin a mention of the observations that a phrase names."""
    mention.observations = observations
    mention.phrase = phrase
    mention.cue = mention.partner = NO_PHRASE


@numba.njit(cache=True)
def _reach_finding(walk, phrase):
    """See whether the cue in force and the running list still hold at a finding."""
    apart = walk.connector == Connector.NONE or (
        walk.connector != Connector.OR and not phrase.or_ahead
    )
    if walk.met and walk.asserted and apart:  # "no edema, small effusion"
        walk.force = Strength.BLANK
    if (
        walk.connector == Connector.OR
        and walk.force == Strength.BLANK
        and walk.paused != Strength.BLANK
    ):  # "no opacity is seen or effusion"
        walk.force = walk.paused
        walk.force_cue = walk.paused_cue
    if walk.connector == Connector.NONE or (
        walk.connector != Connector.OR and (walk.asserted or walk.verb_seen)
    ):  # "small edema, small effusion"
        start_list(walk)
    elif walk.connector == Connector.AND:  # in "edema and effusion or mass" the edema stays sure
        walk.chain_start = walk.count


@numba.njit(cache=True)
def _decide_finding(walk, phrase, mention, mentions):
    """Give a finding the strength of the cue in force, or its own."""
    if phrase.role & Role.MENTION_UNCERTAIN:  # "congestion"
        decide(mention, Strength.UNCERTAIN, Rule.UNCERTAIN_BY_CONVENTION, NO_PHRASE)
    else:  # "effusion"
        decide(mention, Strength.POSITIVE, Rule.MENTION, NO_PHRASE)
    if walk.force == Strength.NEGATIVE:  # "no effusion"
        decide(mention, Strength.NEGATIVE, Rule.NEGATION_BEFORE, walk.force_cue)
    elif walk.force == Strength.UNCERTAIN:  # "possible effusion"
        decide(mention, Strength.UNCERTAIN, Rule.UNCERTAINTY_BEFORE, walk.force_cue)
    elif walk.force == Strength.UNSAID:  # "to evaluate for effusion"
        mention.strength = Strength.BLANK
    elif walk.connector == Connector.OR and walk.count > walk.list_start:  # "edema or effusion"
        _leave_open(walk, phrase, mention, mentions)


@numba.njit(cache=True)
def _leave_open(walk, phrase, mention, mentions):
    """Make this finding and those that an "or" joins to it uncertain."""
    if mention.strength == Strength.POSITIVE:
        mention.strength = Strength.UNCERTAIN
        mention.rule = Rule.ALTERNATIVE
        mention.partner = mentions[walk.count - 1].phrase
    # "edema, mass, or effusion" leaves all three open, "edema, mass or effusion" two.
    first = walk.chain_start if walk.comma_seen else walk.count - 1
    for k in range(max(first, walk.chain_start), walk.count):
        if mentions[k].strength == Strength.POSITIVE:
            mentions[k].strength = Strength.UNCERTAIN
            mentions[k].rule = Rule.ALTERNATIVE
            mentions[k].partner = phrase.place
    walk.chain_start = walk.count


@numba.njit(cache=True)
def describe_anatomy(walk, phrase, mentions, strengths):
    """Give an adjective to the anatomy that waits for it, or keep it for the next."""
    role = phrase.role
    joined = walk.connector == Connector.COMMA or walk.connector == Connector.AND
    bent = walk.force != Strength.BLANK and not (walk.met and joined)  # "is not enlarged"
    strength, rule = _size(role, walk, bent)
    sized = role & SIZES != 0
    applied = False
    if walk.waiting > 0 and not (walk.connector != Connector.NONE and phrase.anatomy_next):
        # "heart and mediastinum are enlarged"; not the heart in "heart, normal mediastinum"
        for k in range(walk.count - walk.waiting, walk.count):
            _apply_size(walk, mentions[k], strength, rule, phrase.place, bent)
        walk.described = walk.count - 1
        walk.described_weakly = not sized
        walk.waiting = 0
        applied = True
    elif phrase.anatomy_next:  # "large heart"; a "stable large heart" is large
        if walk.forward == Strength.BLANK or sized:
            _keep_for_next(walk, strength, rule, phrase.place)
    elif role & Role.STABLE:  # "heart is enlarged and stable": it stays enlarged
        pass
    elif walk.described >= 0 and (
        walk.described_weakly or (walk.connector == Connector.NONE and walk.verb_seen)
    ):  # "heart is stable, enlarged"; "normal heart is prominent"
        _apply_size(walk, mentions[walk.described], strength, rule, phrase.place, bent)
        walk.described_weakly = False
        applied = True
    else:  # "normal appearance of the heart"
        _keep_for_next(walk, strength, rule, phrase.place)
    if role & Role.ABNORMAL:  # "enlarged" of any organ rules out "No Finding"
        raise_strengths(strengths, phrase.mentions, strength)
    if bent and applied:
        walk.met = True
        if walk.one_finding:  # "heart is not enlarged, dilated aorta"
            walk.force = Strength.BLANK
    walk.verb_seen = False


@numba.njit(cache=True)
def _size(role, walk, bent):
    """Read an adjective of the heart or the mediastinum, bent by the cue in force or not."""
    if bent and walk.force == Strength.UNSAID:  # "to evaluate for large heart"
        return Strength.BLANK, Rule.MENTION
    denied = bent and walk.force == Strength.NEGATIVE
    hedged = bent and walk.force == Strength.UNCERTAIN
    abnormal = role & (Role.ABNORMAL | Role.BORDERLINE) != 0
    if not role & SIZES:  # "stable"
        return Strength.UNSAID, Rule.ANATOMY_UNCHANGED
    if abnormal == denied:  # "not enlarged", "normal"
        return Strength.NEGATIVE, Rule.NORMAL_ANATOMY
    if abnormal and (hedged or role & Role.BORDERLINE):  # "possibly enlarged", "borderline"
        return Strength.UNCERTAIN, Rule.BORDERLINE_ANATOMY
    return Strength.POSITIVE, Rule.ABNORMAL_ANATOMY  # "enlarged", "not normal"


@numba.njit(cache=True)
def _apply_size(walk, mention, strength, rule, cue, bent):
    """Decide anatomy by an adjective; the cue that bends it is part of the evidence."""
    decide(mention, strength, rule, cue)
    mention.partner = walk.force_cue if bent else NO_PHRASE


@numba.njit(cache=True)
def _keep_for_next(walk, strength, rule, cue):
    """Keep an adjective for the anatomy after it."""
    walk.forward = strength
    walk.forward_rule = rule
    walk.forward_cue = cue


@numba.njit(cache=True)
def add_anatomy(walk, phrase, mentions):
    """Mention anatomy, which waits for its adjective unless one stood before it."""
    # "no edema in lungs, effusion" goes on, as lungs are no part of the 14; "no edema, heart" ends.
    goes_on = phrase.anatomy == 0 and (walk.connector == Connector.NONE or phrase.or_ahead)
    if walk.force != Strength.BLANK and walk.met and walk.connector != Connector.OR and not goes_on:
        walk.force = walk.paused = Strength.BLANK
    mention = mentions[walk.count]
    _name(mention, phrase.anatomy, phrase.place)
    decide(mention, walk.forward, walk.forward_rule, NO_PHRASE)
    if walk.forward != Strength.BLANK:  # "large heart"; also "large heart and mediastinum"
        mention.cue = walk.forward_cue
        walk.described = walk.count
        walk.described_weakly = walk.forward_rule == Rule.ANATOMY_UNCHANGED
        walk.waiting = 0
    else:  # "heart is enlarged"
        walk.waiting += 1
    walk.count += 1
    if not walk.after_finding:  # in "effusion in left lung" the list goes on
        start_list(walk)
    walk.connector = Connector.NONE
    walk.verb_seen = False
