"""Decide what a sentence says of each observation, in one walk over its phrases.

The walk carries a few numbers: which denial or hedge is in force, whether it has met its finding,
what joined the last finding to the next, and which anatomy still waits for its adjective. Every
phrase changes them by its roles, in constant time, so a sentence costs what it is long.
`_read_phrase` is the table of these changes.
"""

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.lexicon import (
    CONNECTS,
    DECIDES_BACKWARD,
    DECIDES_EITHER_SIDE,
    DESCRIBES,
    HEDGES,
    NEGATION_OPENS,
    OPENS,
    Role,
)
from cxrstudy.labeler.walk import (
    NO_MENTION,
    WALK,
    Connector,
    Strength,
    add_anatomy,
    add_finding,
    decide_after,
    describe_anatomy,
    raise_strengths,
    start_list,
)

# What may stand between a modifier and the finding or anatomy that it modifies.
_MODIFIES = Role.ASSERTION | Role.NEUTRAL | DESCRIBES | Role.UNCERTAINTY_EITHER
# What a list of findings goes on through.
_LISTS = Role.MENTION | Role.ANATOMY | DESCRIBES | Role.ASSERTION | CONNECTS | Role.NEUTRAL


@numba.njit(cache=True)
def read_sentence(phrases, n, mentions, strengths):
    """Fill in a sentence's mentions from its n phrases, raise the report's strengths; count them.

    There are at most two mentions for each phrase.
    """
    _look_ahead(phrases, n)
    walks = np.zeros(1, WALK)
    walks[0].heading = walks[0].described = NO_MENTION
    for i in range(n):
        _read_phrase(walks[0], phrases[i], mentions, strengths)
    count = walks[0].count
    for k in range(count):
        if mentions[k].strength == Strength.UNSAID:
            mentions[k].strength = Strength.BLANK
        raise_strengths(strengths, mentions[k].observations, mentions[k].strength)
    return count


@numba.njit(cache=True)
def _read_phrase(walk, phrase, mentions, strengths):
    """Let a phrase act by the first of its roles that has a part to play here."""
    role = phrase.role
    hypothetical = walk.force == Strength.UNSAID and not walk.met
    if role & Role.ASSERTION:  # "small effusion"
        walk.asserted = True
    if role & CONNECTS:  # "edema, effusion or pneumonia"
        _connect(walk, phrase, mentions)
    elif role & Role.BOUNDARY:  # "no edema but effusion"
        _start_statement(walk)
    elif role & Role.DETERMINER:  # "no edema, the effusion"
        _start_noun(walk, phrase)
    elif role & Role.LABELING:  # "effusion: large effusion"
        walk.heading = walk.count - 1 if walk.after_finding else NO_MENTION
    elif role & Role.VERB:  # "no opacity is seen"
        _pause_cue(walk)
    elif role & Role.RESUMING:  # "to suggest pneumonia"
        _resume_cue(walk)
    elif role & DECIDES_BACKWARD:  # "effusion is not seen"
        _decide_backward(walk, phrase, mentions)
    elif role & DECIDES_EITHER_SIDE and (phrase.finding_next or not role & Role.BORDERLINE):
        _decide_either_side(walk, phrase, mentions)  # "effusion absent", "possible effusion"
    elif role & Role.NEGATION_BEFORE and walk.heading >= 0 and not phrase.finding_next:
        _decide_list(walk, mentions, Role.NEGATION_AFTER, phrase.place)  # "effusion: no."
        walk.heading = NO_MENTION
    elif role & OPENS and not (hypothetical and role & HEDGES):  # but "if there is concern for"
        _open_statement(walk, phrase)  # "no effusion", "may represent pneumonia"
    elif role & DESCRIBES:  # "enlarged"
        describe_anatomy(walk, phrase, mentions, strengths)
    elif role & Role.ANATOMY:  # "heart size"
        add_anatomy(walk, phrase, mentions)
    elif role & Role.MENTION:  # "effusion"
        add_finding(walk, phrase, mentions)


@numba.njit(cache=True)
def _start_statement(walk):
    """Forget the cues and the list: what comes after "but" stands for itself."""
    walk.force = walk.paused = walk.forward = Strength.BLANK
    walk.connector = Connector.NONE
    walk.comma_seen = walk.asserted = walk.after_finding = False
    start_list(walk)


@numba.njit(cache=True)
def _start_noun(walk, phrase):
    """End a denied list at an article, unless the list still comes to an "or"."""
    joined = walk.connector == Connector.COMMA or walk.connector == Connector.AND
    if walk.met and joined and not phrase.or_ahead:  # "no edema, the effusion is large"
        walk.force = Strength.BLANK
        start_list(walk)


@numba.njit(cache=True)
def _connect(walk, phrase, mentions):
    """Note what joins the next finding to the last."""
    role = phrase.role
    if role & Role.ALTERNATIVE:
        walk.connector = Connector.OR
    elif role & Role.JOINING:
        walk.connector = Connector.AND
    else:
        walk.connector = Connector.COMMA
        walk.comma_seen = True
    if walk.one_finding and walk.met and not role & Role.ALTERNATIVE and not phrase.or_ahead:
        walk.force = Strength.BLANK  # "possible edema, effusion", but not "possible edema or"
    if role & Role.VERSUS and walk.after_finding:  # "nodule versus vessel" leaves the nodule open
        decide_after(mentions[walk.count - 1], Role.UNCERTAINTY_AFTER, phrase.place)
    walk.asserted = walk.after_finding = False


@numba.njit(cache=True)
def _open_cue(walk, strength, cue, one_finding):
    """Put a cue in force."""
    walk.force = strength
    walk.force_cue = cue
    walk.one_finding = one_finding
    walk.met = False
    walk.connector = Connector.NONE


@numba.njit(cache=True)
def _open_statement(walk, phrase):
    """Begin a statement with a cue for all of it."""
    role, cue = phrase.role, phrase.place
    suspicious = role & Role.UNCERTAINTY_SUSPICIOUS != 0
    one_finding = role & Role.NEGATION_NOT != 0  # "not" denies no list
    if suspicious and walk.force == Strength.BLANK and walk.paused != Strength.BLANK:
        # "no opacity is seen suspicious for pneumonia" denies the pneumonia
        _open_cue(walk, walk.paused, walk.paused_cue, one_finding)
    elif suspicious and walk.force == Strength.NEGATIVE:  # "no opacity suspicious for pneumonia"
        _open_cue(walk, walk.force, walk.force_cue, one_finding)
    elif role & NEGATION_OPENS:  # "no pneumonia"
        _open_cue(walk, Strength.NEGATIVE, cue, one_finding)
    elif role & Role.HYPOTHETICAL:  # "to evaluate for pneumonia" says nothing
        _open_cue(walk, Strength.UNSAID, cue, one_finding)
    else:  # "may represent pneumonia", "cannot exclude pneumonia"
        _open_cue(walk, Strength.UNCERTAIN, cue, one_finding)
    walk.paused = Strength.BLANK
    walk.comma_seen = walk.asserted = walk.after_finding = False
    start_list(walk)


@numba.njit(cache=True)
def _pause_cue(walk):
    """End a cue that has met its finding at a verb, in a way that can be taken back."""
    if walk.force != Strength.BLANK and walk.met:  # "no opacity is seen"
        walk.paused = walk.force
        walk.paused_cue = walk.force_cue
        walk.force = Strength.BLANK
    walk.verb_seen = True
    if walk.described >= 0:  # "normal heart is seen, mediastinum": it is not called normal
        walk.forward = Strength.BLANK


@numba.njit(cache=True)
def _resume_cue(walk):
    """Take up the cue that a verb ended."""
    walk.after_finding = False
    if walk.connector != Connector.NONE and walk.met:  # "no edema, consistent with pneumonia"
        walk.force = Strength.BLANK
    elif walk.force == Strength.BLANK and walk.paused != Strength.BLANK:
        # "no opacity is seen to suggest pneumonia"
        walk.force = walk.paused
        walk.force_cue = walk.paused_cue
        walk.one_finding = walk.met = False


@numba.njit(cache=True)
def _decide_list(walk, mentions, role, cue):
    """Let a cue decide the running list of findings before it."""
    for k in range(walk.list_start, walk.count):
        decide_after(mentions[k], role, cue)


@numba.njit(cache=True)
def _decide_backward(walk, phrase, mentions):
    """Decide the list before a cue such as "is not seen", and begin another."""
    if walk.connector == Connector.NONE and walk.count > walk.list_start:
        _decide_list(walk, mentions, phrase.role, phrase.place)
        walk.force = walk.paused = Strength.BLANK
    walk.met = walk.verb_seen = True
    walk.after_finding = False
    start_list(walk)


@numba.njit(cache=True)
def _decide_either_side(walk, phrase, mentions):
    """Let a cue that may stand on either side look at its neighbours."""
    # "effusion unlikely", "effusion, unlikely."
    ends = walk.after_finding or (walk.connector == Connector.COMMA and phrase.ends_sentence)
    if ends and not phrase.finding_next and walk.count > walk.list_start:
        _decide_list(walk, mentions, phrase.role, phrase.place)
        walk.after_finding = False
        start_list(walk)
    elif phrase.role & Role.NEGATION_EITHER:  # "negative edema"
        _open_cue(walk, Strength.NEGATIVE, phrase.place, False)
        walk.paused = Strength.BLANK
    elif walk.met or (walk.force != Strength.NEGATIVE and walk.force != Strength.UNSAID):
        _open_cue(walk, Strength.UNCERTAIN, phrase.place, True)  # but "no possible edema"
        walk.asserted = False


@numba.njit(cache=True)
def _look_ahead(phrases, n):
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
