"""Add what a sentence names: findings, and anatomy with its adjectives."""

from cxrstudy.compiled import numba
from cxrstudy.labeler.roles import SIZES, Role
from cxrstudy.labeler.walk import (
    NO_MENTION,
    NO_PHRASE,
    Connector,
    Rule,
    Strength,
    decide,
    raise_strengths,
    start_list,
)


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
