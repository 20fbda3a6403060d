"""The phrases of a sentence, and what follows each of them."""

from cxrstudy.compiled import numba
from cxrstudy.labeler.automaton import HASH_FACTOR
from cxrstudy.labeler.role_bits import (
    ALTERNATIVE,
    ANATOMY,
    ASSERTION,
    DESCRIPTOR,
    LIST_GOES_ON,
    MENTION,
    NEUTRAL,
    UNCERTAINTY_EITHER,
)


@numba.njit(cache=True)
def find_phrases(words, spans, start, end, automaton, phrases):
    """Find the phrases of a sentence, each the longest that begins at its word.

    Parameters
    ----------
    words, spans : int32
        See `split_words`.
    start, end : int
        The sentence's first and past-the-last word.
    automaton : Automaton
    phrases : int32, shape (n, 3)
        Filled with phrase state, first word and past-the-last word.

    Returns
    -------
    int
        Number of phrases.
    """
    keys = automaton.phrase_keys
    values = automaton.phrase_values
    roles = automaton.roles
    mask = len(keys) - 1
    n = 0
    i = start
    while i < end:
        state = 0
        best = 0
        best_end = i
        j = i
        while j < end and words[j] > 0:
            key = state * automaton.n_words + words[j]
            slot = ((numba.uint64(key) * numba.uint64(HASH_FACTOR)) >> numba.uint64(32)) & mask
            while keys[slot] != key and keys[slot] != -1:
                slot = (slot + 1) & mask
            if keys[slot] == -1:
                break
            state = values[slot]
            j += 1
            if roles[state] != 0:
                best = state
                best_end = j
        if best == 0:
            i += 1
            continue
        phrases[n, 0] = best
        phrases[n, 1] = i
        phrases[n, 2] = best_end
        n += 1
        i = best_end
    return n


@numba.njit(cache=True)
def look_ahead(phrases, n, roles, next_finding, next_anatomy, alternative_ahead):
    """Note, from the end of a sentence, what follows each phrase.

    Parameters
    ----------
    phrases : int32, shape (n, 3)
    n : int
    roles : int32
        Of every phrase state.
    next_finding, next_anatomy, alternative_ahead : bool, shape (>= n,)
        Filled: only modifiers stand before the next finding, or anatomy; the list of findings
        that goes on after the phrase comes to an "or".
    """
    finding = anatomy = alternative = False
    for i in range(n - 1, -1, -1):
        next_finding[i] = finding
        next_anatomy[i] = anatomy
        alternative_ahead[i] = alternative
        role = roles[phrases[i, 0]]
        if role & ANATOMY:
            anatomy, finding = True, False
        elif role & MENTION and not role & DESCRIPTOR:
            finding, anatomy = True, False
        elif not role & (ASSERTION | NEUTRAL | DESCRIPTOR | UNCERTAINTY_EITHER):
            finding = anatomy = False
        if role & ALTERNATIVE:
            alternative = True
        elif not role & LIST_GOES_ON:
            alternative = False
