"""Split a report into words and sentence ends, in one compiled pass over its bytes.

A report is ASCII by the time it comes here, and all white space is alike: a line break is a
blank. A sentence ends at a full stop that is no decimal point and closes no abbreviation, at
``; ! ? < > *``, at the zero byte between reports, and at a list number.
"""

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.automaton import PUNCTUATION, UNKNOWN_WORD

SENTENCE_END = -1
"""Word number of a sentence end."""

REPORT_END = -2
"""Word number of the end of a report."""

_WORD_CLASS = 36
_SPACE, _STOP, _APOSTROPHE, _HYPHEN, _END, _OTHER = 100, 101, 102, 103, 104, 105
_PUNCTUATION_CLASS = 200


def _character_classes() -> np.ndarray:
    """Classify the 256 byte values: letter or digit, blank, full stop, mark, sentence end."""
    classes = np.full(256, _OTHER, dtype=np.uint8)
    for offset in range(26):
        classes[ord("a") + offset] = classes[ord("A") + offset] = offset
    for digit in range(10):
        classes[ord("0") + digit] = 26 + digit
    for blank in b" \t\n\r\f\v":
        classes[blank] = _SPACE
    for mark in b";!*<>":
        classes[mark] = _END
    classes[0] = _END
    classes[ord(".")] = _STOP
    classes[ord("'")] = _APOSTROPHE
    for position, mark in enumerate(PUNCTUATION):
        classes[ord(mark)] = _PUNCTUATION_CLASS + position
    classes[ord("-")] = _HYPHEN
    return classes


CHARACTER_CLASSES = _character_classes()
HYPHEN_WORD = PUNCTUATION.index("-") + 1
QUESTION_WORD = PUNCTUATION.index("?") + 1
CLOSING_WORD = PUNCTUATION.index(")") + 1


@numba.njit(cache=True)
def split_words(text, classes, letter_next, word_exact, word_prefix, abbreviations, words, spans):
    """Write the numbers and spans of a batch's words.

    Parameters
    ----------
    text : uint8, shape (n_bytes,)
        Reports, each closed by a zero byte.
    classes : uint8, shape (256,)
        `CHARACTER_CLASSES`.
    letter_next, word_exact, word_prefix : int32
        See `Automaton`.
    abbreviations : int32, shape (n,)
        Words after which a full stop does not end a sentence.
    words : int32, shape (2 * n_bytes + 2,)
        Filled with word numbers, `SENTENCE_END` and `REPORT_END`.
    spans : int32, shape (2 * n_bytes + 2, 2)
        Filled with each word's first and past-the-last byte.

    Returns
    -------
    int
        Number of entries written.
    """
    n = 0
    i = 0
    size = len(text)
    expected = 1  # next number of a list that writes its numbers without a full stop
    fresh = True  # nothing but white space since the report or the sentence began
    while i < size:
        kind = classes[text[i]]
        if kind < _WORD_CLASS:
            start = i
            state = 0
            prefix = 0
            alive = True
            all_digits = True
            n_letters = 0
            broken_at = resumed_at = number_at_break = 0
            while i < size:
                kind = classes[text[i]]
                if kind < _WORD_CLASS:
                    n_letters += 1
                    all_digits = all_digits and kind >= 26
                    if alive:
                        state = letter_next[state, kind]
                        alive = state != 0
                        if alive and word_prefix[state] != 0:
                            prefix = word_prefix[state]
                    i += 1
                elif kind == _APOSTROPHE and i + 1 < size and classes[text[i + 1]] < _WORD_CLASS:
                    i += 1
                elif kind == _HYPHEN:
                    joined = _after_broken_hyphen(text, i, classes)
                    if joined == 0 or broken_at > 0:
                        break
                    number_at_break = word_exact[state] if alive and word_exact[state] else prefix
                    broken_at = i
                    resumed_at = joined
                    i = joined
                elif (
                    kind == _STOP
                    and all_digits
                    and i + 1 < size
                    and 26 <= classes[text[i + 1]] < _WORD_CLASS
                ):
                    i += 1
                else:
                    break
            end = i
            number = word_exact[state] if alive and word_exact[state] else prefix
            if number == UNKNOWN_WORD and broken_at > 0:
                # Not one word broken by the line, but two that a hyphen joins.
                number = number_at_break
                end = broken_at
                i = resumed_at
            if all_digits and n_letters <= 2:
                value = _value(text, start, i)
                closed = i < size and (classes[text[i]] == _STOP or text[i] == 41)
                bare = value == expected and (fresh or value > 1) and _opens_item(text, i, classes)
                if closed or bare:
                    # "3." and "3)" end what came before and begin an item; so does a bare 3
                    # where the list has come to 3.
                    end = i + 1 if closed else i
                    n = _end_sentence(words, spans, n, start, end)
                    i = end
                    expected = value + 1
                    fresh = True
                    continue
            words[n] = number
            spans[n, 0] = start
            spans[n, 1] = end
            n += 1
            fresh = False
            continue
        if kind == _STOP:
            after_word = n > 0 and words[n - 1] >= 0 and spans[n - 1, 1] == i
            if after_word and (words[n - 1] == abbreviations).any():
                i += 1
                continue
            one_letter = after_word and spans[n - 1, 1] - spans[n - 1, 0] == 1
            if one_letter and i + 1 < size and classes[text[i + 1]] < 26:
                i += 1  # "p.a.", "e.g."
                continue
            n = _end_sentence(words, spans, n, i, i + 1)
            fresh = True
        elif kind == _END:
            n = _end_sentence(words, spans, n, i, i + 1)
            fresh = True
            if text[i] == 0:
                words[n - 1] = REPORT_END
                expected = 1
        elif kind == _HYPHEN:
            # Inside a word group a hyphen is a blank; between blanks it is a dash.
            before = i == 0 or classes[text[i - 1]] == _SPACE
            after = i + 1 == size or classes[text[i + 1]] == _SPACE
            if before and after:
                words[n] = HYPHEN_WORD
                spans[n, 0] = i
                spans[n, 1] = i + 1
                n += 1
        elif kind >= _PUNCTUATION_CLASS:
            word = kind - _PUNCTUATION_CLASS + 1
            asks = word == QUESTION_WORD
            words[n] = word
            spans[n, 0] = i
            spans[n, 1] = i + 1
            n += 1
            if asks and (i + 1 == size or classes[text[i + 1]] >= _WORD_CLASS) and not fresh:
                n = _end_sentence(words, spans, n, i + 1, i + 1)
                fresh = True
        i += 1
    return n


@numba.njit(cache=True)
def _end_sentence(words, spans, n, start, end):
    """Write a sentence end; a run of them is one."""
    if n > 0 and words[n - 1] == SENTENCE_END:
        return n
    words[n] = SENTENCE_END
    spans[n, 0] = start
    spans[n, 1] = end
    return n + 1


@numba.njit(cache=True)
def _after_broken_hyphen(text, i, classes):
    """Find where a word goes on after a hyphen at the end of a line; 0 if it does not."""
    size = len(text)
    j = i + 1
    broken = False
    while j < size and classes[text[j]] == _SPACE:
        broken = broken or text[j] == 10 or text[j] == 13
        j += 1
    if broken and j < size and classes[text[j]] < 26:
        return j
    return 0


@numba.njit(cache=True)
def _value(text, start, end):
    value = 0
    for i in range(start, end):
        if 48 <= text[i] <= 57:
            value = 10 * value + text[i] - 48
    return value


@numba.njit(cache=True)
def _opens_item(text, i, classes):
    """Say whether a bare number may open a list item: a blank and then "no" or a long word."""
    size = len(text)
    if i >= size or classes[text[i]] != _SPACE:
        return False
    while i < size and classes[text[i]] == _SPACE:
        i += 1
    start = i
    while i < size and classes[text[i]] < 26:
        i += 1
    no = i - start == 2 and classes[text[start]] == 13 and classes[text[start + 1]] == 14
    return i - start >= 4 or no
