"""Decide what a sentence says of each observation, in one walk over its phrases.

The walk carries a few numbers: which denial or hedge is in force, whether it has met its finding,
what joined the last finding to the next, and which anatomy still waits for its adjective. Every
phrase changes them in constant time, so a sentence costs what it is long.
"""

from cxrstudy.compiled import numba
from cxrstudy.labeler.phrases import look_ahead
from cxrstudy.labeler.role_bits import (
    ABNORMAL,
    ALTERNATIVE,
    ANATOMY,
    ASSERTION,
    BORDERLINE,
    BOUNDARY,
    COMMA,
    DECIDES_BACKWARD,
    DESCRIPTOR,
    DETERMINER,
    HEDGES,
    HYPOTHETICAL,
    JOINING,
    LABELING,
    MENTION,
    MENTION_UNCERTAIN,
    NEGATION_AFTER,
    NEGATION_BEFORE,
    NEGATION_EITHER,
    NEGATION_NOT,
    NEGATION_OPENS,
    NORMAL,
    OPENS,
    RESUMING,
    STABLE,
    UNCERTAINTY_AFTER,
    UNCERTAINTY_AFTER_DESPITE,
    UNCERTAINTY_EITHER,
    UNCERTAINTY_SUSPICIOUS,
    VERB,
    VERSUS,
)
from cxrstudy.labeler.strengths import (
    BLANK_STRENGTH,
    BY_ABNORMAL_ANATOMY,
    BY_ALTERNATIVE,
    BY_BORDERLINE_ANATOMY,
    BY_CONVENTION,
    BY_HEDGED_AFTER,
    BY_HEDGED_BEFORE,
    BY_IMPLIED,
    BY_MENTION,
    BY_NEGATED_AFTER,
    BY_NEGATED_BEFORE,
    BY_NORMAL_ANATOMY,
    BY_UNCHANGED_ANATOMY,
    NEGATIVE_STRENGTH,
    POSITIVE_STRENGTH,
    UNCERTAIN_STRENGTH,
    UNSAID,
    raise_strengths,
)

_NO_CONNECTOR, _COMMA, _JOINING, _OR = 0, 1, 2, 3


@numba.njit(cache=True)
def read_sentence(phrases, n, automaton, ahead, strengths, mentions):
    """Give every mention of a sentence its strength and raise the report's.

    Parameters
    ----------
    phrases : int32, shape (n, 3)
        See `find_phrases`.
    n : int
    automaton : Automaton
    ahead : bool, shape (3, >= n)
        Filled by `look_ahead`.
    strengths : uint8, shape (15,)
        The report's strength of each observation and of other abnormalities; raised here.
    mentions : int32, shape (>= 2 * n, 6)
        Filled with observation bits, strength, phrase, cue phrase (-1: none), rule and the
        phrase of the partner that an "or" joins (-1: none).

    Returns
    -------
    int
        Number of mentions.
    """
    roles, names = automaton.roles, automaton.mentions
    next_finding, next_anatomy, alternative_ahead = ahead[0], ahead[1], ahead[2]
    look_ahead(phrases, n, roles, next_finding, next_anatomy, alternative_ahead)
    count = 0

    force = BLANK_STRENGTH  # strength that a cue before gives to findings; blank: none in force
    force_cue = -1
    short = False  # the cue reaches one finding, not a list
    met = False  # the cue has met its finding
    paused = BLANK_STRENGTH  # denial that a verb ended; "to suggest" takes it up again
    paused_cue = -1

    connector = _NO_CONNECTOR
    comma_seen = False
    asserted = False  # "small", "left", "stable" since the connector
    verb_seen = False  # since the last finding
    list_start = 0  # first mention of the running list
    chain_start = 0  # first mention that an "or" would leave open
    heading = -1  # mention before a colon: only a heading if the sentence goes on to a finding
    after_finding = False  # the last thing said was a finding, with nothing joining since

    n_waiting = 0  # the last so many mentions are anatomy without an adjective
    settled = -1  # last anatomy with an adjective
    settled_weak = False
    forward = BLANK_STRENGTH  # strength of an adjective that stands before its anatomy
    forward_cue = -1
    forward_rule = BY_MENTION

    for i in range(n):
        state = phrases[i, 0]
        role = roles[state]

        if role & ASSERTION:
            asserted = True

        if role & (COMMA | JOINING | ALTERNATIVE):
            if role & ALTERNATIVE:
                connector = _OR
            elif role & JOINING:
                connector = _JOINING
            else:
                connector = _COMMA
                comma_seen = True
            if short and met and not role & ALTERNATIVE and not alternative_ahead[i]:
                force = BLANK_STRENGTH
            if role & VERSUS and after_finding:
                _apply_after(mentions, count - 1, UNCERTAINTY_AFTER, i)
            asserted = False
            after_finding = False
            continue

        if role & BOUNDARY:
            force = paused = forward = BLANK_STRENGTH
            list_start = chain_start = count
            connector = _NO_CONNECTOR
            comma_seen = asserted = after_finding = False
            continue

        if role & DETERMINER:
            if met and connector in (_COMMA, _JOINING) and not alternative_ahead[i]:
                force = BLANK_STRENGTH
                list_start = chain_start = count
            continue

        if role & LABELING:
            heading = count - 1 if after_finding else -1
            continue

        if role & VERB:
            if force != BLANK_STRENGTH and met:
                paused, paused_cue = force, force_cue
                force = BLANK_STRENGTH
            verb_seen = True
            if forward != BLANK_STRENGTH and settled >= 0:
                forward = BLANK_STRENGTH
            continue

        if role & RESUMING:
            if connector != _NO_CONNECTOR and met:
                force = BLANK_STRENGTH
            elif force == BLANK_STRENGTH and paused != BLANK_STRENGTH:
                force, force_cue, short, met = paused, paused_cue, False, False
            after_finding = False
            continue

        if role & DECIDES_BACKWARD:
            first = list_start if connector == _NO_CONNECTOR else count
            for k in range(first, count):
                _apply_after(mentions, k, role, i)
            if count > first:
                force = paused = BLANK_STRENGTH
            list_start = chain_start = count
            met = True
            verb_seen = True
            after_finding = False
            continue

        if role & (NEGATION_EITHER | UNCERTAINTY_EITHER):
            follows = after_finding or (connector == _COMMA and i == n - 1)
            if follows and not next_finding[i] and count > list_start and not role & BORDERLINE:
                for k in range(list_start, count):
                    _apply_after(mentions, k, role, i)
                list_start = chain_start = count
                after_finding = False
                continue
            if role & NEGATION_EITHER:
                force, force_cue, short, met = NEGATIVE_STRENGTH, i, False, False
                connector = _NO_CONNECTOR
                paused = BLANK_STRENGTH
                continue
            denied = force in (NEGATIVE_STRENGTH, UNSAID) and not met
            if not denied and (next_finding[i] or not role & BORDERLINE):
                force, force_cue, short, met = UNCERTAIN_STRENGTH, i, True, False
                connector = _NO_CONNECTOR
                asserted = False
            if not role & BORDERLINE or next_finding[i]:
                continue

        if role & NEGATION_BEFORE and heading >= 0 and not next_finding[i]:  # "Effusion: no."
            for k in range(list_start, count):
                _apply_after(mentions, k, NEGATION_AFTER, i)
            heading = -1
            continue

        hypothetical = force == UNSAID and not met  # "if there is concern for"
        if role & OPENS and not (hypothetical and role & HEDGES):
            if role & UNCERTAINTY_SUSPICIOUS and force == BLANK_STRENGTH and paused != force:
                force, force_cue = paused, paused_cue
            elif not (role & UNCERTAINTY_SUSPICIOUS and force == NEGATIVE_STRENGTH):
                force, force_cue = _opened_force(role), i
            short = role & NEGATION_NOT != 0
            paused = BLANK_STRENGTH
            connector = _NO_CONNECTOR
            met = comma_seen = asserted = after_finding = False
            list_start = chain_start = count
            continue

        if role & DESCRIPTOR:
            ended = met and connector in (_COMMA, _JOINING)
            bent = force != BLANK_STRENGTH and not ended
            strength, rule = _describe(role, force if bent else BLANK_STRENGTH)
            cue = i
            applied = True
            joined = connector != _NO_CONNECTOR and next_anatomy[i]
            if n_waiting > 0 and not joined:
                for k in range(count - n_waiting, count):
                    mentions[k, 1] = strength
                    mentions[k, 3] = cue
                    mentions[k, 4] = rule
                    mentions[k, 5] = force_cue if bent else -1
                settled = count - 1
                settled_weak = role & (ABNORMAL | NORMAL | BORDERLINE) == 0
                n_waiting = 0
            elif next_anatomy[i]:
                applied = False
                weak = role & (ABNORMAL | NORMAL | BORDERLINE) == 0
                if forward == BLANK_STRENGTH or not weak:
                    forward, forward_cue, forward_rule = strength, i, rule
            elif role & STABLE:
                applied = False
            elif settled >= 0 and (settled_weak or (connector == _NO_CONNECTOR and verb_seen)):
                mentions[settled, 1] = strength
                mentions[settled, 3] = cue
                mentions[settled, 4] = rule
                mentions[settled, 5] = force_cue if bent else -1
                settled_weak = False
            else:
                applied = False
                forward, forward_cue, forward_rule = strength, i, rule
            if names[state] and role & ABNORMAL:
                raise_strengths(strengths, names[state], strength)
            if bent and applied:
                met = True
                if short:
                    force = BLANK_STRENGTH
            verb_seen = False
            continue

        if role & ANATOMY:
            listed = automaton.anatomy[state] == 0 and (
                connector == _NO_CONNECTOR or alternative_ahead[i]
            )
            if force != BLANK_STRENGTH and met and connector != _OR and not listed:
                force = paused = BLANK_STRENGTH
            mentions[count, 0] = automaton.anatomy[state]
            mentions[count, 2] = i
            mentions[count, 5] = -1
            mentions[count, 1] = forward
            mentions[count, 3] = forward_cue if forward != BLANK_STRENGTH else -1
            mentions[count, 4] = forward_rule
            if forward != BLANK_STRENGTH:
                settled = count
                settled_weak = forward_rule == BY_UNCHANGED_ANATOMY
                n_waiting = 0
            else:
                n_waiting += 1
            count += 1
            if not after_finding:
                list_start = chain_start = count
            connector = _NO_CONNECTOR
            verb_seen = False
            continue

        if role & MENTION:
            if heading >= 0:
                mentions[heading, 1] = BLANK_STRENGTH
                heading = -1
            ends = connector != _OR and not alternative_ahead[i]
            if met and asserted and (connector == _NO_CONNECTOR or ends):
                force = BLANK_STRENGTH
            if connector == _OR and force == BLANK_STRENGTH and paused != BLANK_STRENGTH:
                force, force_cue = paused, paused_cue
            if connector == _NO_CONNECTOR or (connector != _OR and (asserted or verb_seen)):
                list_start = chain_start = count
            elif connector == _JOINING:
                chain_start = count
            strength, rule, cue = POSITIVE_STRENGTH, BY_MENTION, -1
            if role & MENTION_UNCERTAIN:
                strength, rule = UNCERTAIN_STRENGTH, BY_CONVENTION
            partner = -1
            if force == NEGATIVE_STRENGTH:
                strength, rule, cue = NEGATIVE_STRENGTH, BY_NEGATED_BEFORE, force_cue
            elif force == UNCERTAIN_STRENGTH:
                strength, rule, cue = UNCERTAIN_STRENGTH, BY_HEDGED_BEFORE, force_cue
            elif force == UNSAID:
                strength = BLANK_STRENGTH
            elif connector == _OR and count > list_start:
                if strength == POSITIVE_STRENGTH:
                    strength, rule = UNCERTAIN_STRENGTH, BY_ALTERNATIVE
                    partner = mentions[count - 1, 2]
                first = chain_start if comma_seen else count - 1
                for k in range(max(first, chain_start), count):
                    if mentions[k, 1] == POSITIVE_STRENGTH:
                        mentions[k, 1] = UNCERTAIN_STRENGTH
                        mentions[k, 4] = BY_ALTERNATIVE
                        mentions[k, 5] = i
                chain_start = count
            mentions[count, 0] = names[state]
            mentions[count, 1] = strength
            mentions[count, 2] = i
            mentions[count, 3] = cue
            mentions[count, 4] = rule
            mentions[count, 5] = partner
            count += 1
            n_waiting = 0
            if automaton.hints[state] and strength >= UNCERTAIN_STRENGTH:
                mentions[count, 0] = automaton.hints[state]
                mentions[count, 1] = UNCERTAIN_STRENGTH
                mentions[count, 2] = i
                mentions[count, 3] = cue
                mentions[count, 4] = BY_IMPLIED
                mentions[count, 5] = -1
                count += 1
            met = True
            connector = _NO_CONNECTOR
            comma_seen = asserted = verb_seen = False
            forward = BLANK_STRENGTH
            after_finding = True

    for k in range(count):
        if mentions[k, 1] == UNSAID:
            mentions[k, 1] = BLANK_STRENGTH
        raise_strengths(strengths, mentions[k, 0], mentions[k, 1])
    return count


@numba.njit(cache=True)
def _opened_force(role):
    """Look up the strength that a cue gives to the findings after it."""
    if role & NEGATION_OPENS:
        return NEGATIVE_STRENGTH
    if role & HYPOTHETICAL:
        return UNSAID
    return UNCERTAIN_STRENGTH


@numba.njit(cache=True)
def _describe(role, force):
    """Read an adjective of the heart or the mediastinum under the cue in force."""
    if force == UNSAID:
        return BLANK_STRENGTH, BY_MENTION
    denied = force == NEGATIVE_STRENGTH
    if role & (ABNORMAL | BORDERLINE):
        if denied:
            return NEGATIVE_STRENGTH, BY_NORMAL_ANATOMY
        if role & BORDERLINE or force == UNCERTAIN_STRENGTH:
            return UNCERTAIN_STRENGTH, BY_BORDERLINE_ANATOMY
        return POSITIVE_STRENGTH, BY_ABNORMAL_ANATOMY
    if role & NORMAL:
        if denied:
            return POSITIVE_STRENGTH, BY_ABNORMAL_ANATOMY
        return NEGATIVE_STRENGTH, BY_NORMAL_ANATOMY
    return UNSAID, BY_UNCHANGED_ANATOMY


@numba.njit(cache=True)
def _apply_after(mentions, k, role, cue):
    """Let a cue that stands after a mention decide it."""
    strength = mentions[k, 1]
    if role & (NEGATION_AFTER | NEGATION_EITHER):
        if strength not in (BLANK_STRENGTH, UNSAID):
            mentions[k, 1], mentions[k, 3], mentions[k, 4] = (
                NEGATIVE_STRENGTH,
                cue,
                BY_NEGATED_AFTER,
            )
    elif strength == POSITIVE_STRENGTH or role & UNCERTAINTY_AFTER_DESPITE:
        mentions[k, 1], mentions[k, 3], mentions[k, 4] = UNCERTAIN_STRENGTH, cue, BY_HEDGED_AFTER
