"""Fold a report to ASCII and split it into words and sentence ends, in one compiled pass.

All white space is alike: a line break is a blank. A sentence ends at a full stop that is no decimal
point and closes no abbreviation, at ``; ! ? < > *``, at the zero byte between reports, and at a
list number.
"""

import unicodedata
from functools import lru_cache

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.automaton import PUNCTUATION, UNKNOWN_WORD

SENTENCE_END, REPORT_END = -1, -2  # in place of a word's number

_FOLDED = {
    "\0": " ",
    "\N{LATIN SMALL LIGATURE OE}": "oe",
    "\N{LATIN CAPITAL LIGATURE OE}": "OE",
    "\N{LATIN SMALL LETTER AE}": "ae",
    "\N{LATIN CAPITAL LETTER AE}": "AE",
    "\N{LATIN SMALL LETTER SHARP S}": "ss",
    "\N{EN DASH}": " - ",
    "\N{EM DASH}": " - ",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{BULLET}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{HORIZONTAL ELLIPSIS}": ".",
    "\N{SOFT HYPHEN}": "",
    "\N{ZERO WIDTH SPACE}": "",
    "\N{ZERO WIDTH NON-JOINER}": "",
    "\N{ZERO WIDTH JOINER}": "",
    "\N{ZERO WIDTH NO-BREAK SPACE}": "",
}


def fold(text: str) -> str:
    """Write a text in ASCII without zero characters."""
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    return "".join(map(_fold_character, text))


def fold_with_offsets(text: str) -> tuple[str, np.ndarray]:
    """Fold a text; say where each folded character came from, and at the end how long it was."""
    pieces = [_fold_character(character) for character in text]
    origins = [position for position, piece in enumerate(pieces) for _ in piece]
    return "".join(pieces), np.array([*origins, len(text)])


@lru_cache(maxsize=65536)
def _fold_character(character: str) -> str:
    """Write a character in ASCII; one without such a form becomes a blank, a mark nothing."""
    if character in _FOLDED:
        return _FOLDED[character]
    if character.isascii():
        return character
    if unicodedata.combining(character):
        return ""
    parts = unicodedata.normalize("NFKD", character)
    if parts == character:
        return " "
    return "".join(map(_fold_character, parts))


# Classes of bytes: a to z are 0 to 25, digits 26 to 35, marks that are words from 200.
_DIGIT, _WORD = 26, 36
_SPACE, _STOP, _APOSTROPHE, _HYPHEN, _END, _OTHER = 100, 101, 102, 103, 104, 105
_MARK = 200
_HYPHEN_WORD = PUNCTUATION.index("-") + 1
_QUESTION_CLASS = _MARK + PUNCTUATION.index("?")
_NO = (13, 14)


def _byte_classes() -> np.ndarray:
    classes = np.full(256, _OTHER, dtype=np.uint8)
    for offset in range(26):
        classes[ord("a") + offset] = classes[ord("A") + offset] = offset
    for digit in range(10):
        classes[ord("0") + digit] = _DIGIT + digit
    for position, mark in enumerate(PUNCTUATION):
        classes[ord(mark)] = _MARK + position
    classes[list(b" \t\n\r\f\v")] = _SPACE
    classes[list(b"\0;!*<>")] = _END
    classes[ord(".")] = _STOP
    classes[ord("'")] = _APOSTROPHE
    classes[ord("-")] = _HYPHEN
    return classes


_CLASSES = _byte_classes()


@numba.njit(cache=True)
def split_words(text, automaton, words, spans):
    """Write the words of a batch, their first and past-the-last byte, and count them.

    The text is a batch of reports as uint8, each closed by a zero byte; words and spans have room
    for two entries for each byte and two more.
    """
    n = i = 0
    expected = 1  # next number of a list that writes its numbers without a full stop
    fresh = True  # nothing but white space and marks since the report or the sentence began
    while i < len(text):
        kind = _CLASSES[text[i]]
        if kind < _WORD:
            number, end, following, n_digits = _read_word(text, i, automaton)
            item_end = _item_end(text, i, end, n_digits, expected, fresh)
            if item_end > 0:  # "2. Heart is normal": the number ends what came before
                n = _end_sentence(words, spans, n, i, item_end)
                expected = _value(text, i, end) + 1
                i = item_end
                fresh = True
            else:
                n = _write_word(words, spans, n, number, i, end)
                i = following
                fresh = False
            continue
        if kind == _STOP:
            if not _belongs_to_word(text, i, automaton.abbreviations, words, spans, n):
                n = _end_sentence(words, spans, n, i, i + 1)
                fresh = True
        elif kind == _END:
            n = _end_sentence(words, spans, n, i, i + 1)
            fresh = True
            if text[i] == 0:
                words[n - 1] = REPORT_END
                expected = 1
        elif kind == _HYPHEN:
            # In "left-sided" it is a blank.
            if _class_at(text, i - 1) == _class_at(text, i + 1) == _SPACE:
                n = _write_word(words, spans, n, _HYPHEN_WORD, i, i + 1)
        elif kind >= _MARK:
            n = _write_word(words, spans, n, kind - _MARK + 1, i, i + 1)
            glued = _class_at(text, i + 1) < _WORD  # "?effusion"
            if kind == _QUESTION_CLASS and not glued and not fresh:  # "effusion? "
                n = _end_sentence(words, spans, n, i + 1, i + 1)
                fresh = True
        i += 1
    return n


@numba.njit(cache=True)
def _read_word(text, start, automaton):
    """Return a word's number, its end, where the next may start, and its digits if all are."""
    state = prefix = 0
    alive = True  # the letters so far begin a word of the lexicon
    letters = digits = 0
    broken_at = resumed_at = number_at_break = 0
    i = start
    while i < len(text):
        kind = _CLASSES[text[i]]
        if kind < _WORD:
            letters += 1
            digits += kind >= _DIGIT
            if alive:
                state = automaton.letter_next[state, kind]
                alive = state != 0
                if alive and automaton.word_prefix[state] != 0:
                    prefix = automaton.word_prefix[state]
            i += 1
        elif kind == _APOSTROPHE and _class_at(text, i + 1) < _WORD:  # "isn't"
            i += 1
        elif kind == _HYPHEN and broken_at == 0:  # "pneumo-\nthorax"
            resumed = _after_broken_line(text, i)
            if resumed == 0:
                break
            number_at_break = _word_number(automaton.word_exact, state, alive, prefix)
            broken_at, resumed_at = i, resumed
            i = resumed
        elif kind == _STOP and digits == letters and _DIGIT <= _class_at(text, i + 1) < _WORD:
            i += 1  # "1.5"
        else:
            break
    number = _word_number(automaton.word_exact, state, alive, prefix)
    if number == UNKNOWN_WORD and broken_at > 0:  # "left-\nsided" is two words
        return number_at_break, broken_at, resumed_at, 0
    return number, i, i, digits if digits == letters else 0


@numba.njit(cache=True)
def _word_number(word_exact, state, alive, prefix):
    """Prefer the whole word to its longest known beginning ("atelecta*")."""
    return word_exact[state] if alive and word_exact[state] else prefix


@numba.njit(cache=True)
def _after_broken_line(text, hyphen):
    """Find where a word goes on after a hyphen at the end of a line; 0 if it does not."""
    i = hyphen + 1
    broken = False
    while i < len(text) and _CLASSES[text[i]] == _SPACE:
        broken = broken or text[i] == ord("\n") or text[i] == ord("\r")
        i += 1
    return i if broken and _class_at(text, i) < _DIGIT else 0


@numba.njit(cache=True)
def _item_end(text, start, end, n_digits, expected, fresh):
    """Find the end of a list number: "3.", "3)", or a bare 3 where the list has come to 3."""
    if not 0 < n_digits <= 2:
        return 0
    if end < len(text) and (_CLASSES[text[end]] == _STOP or text[end] == ord(")")):
        return end + 1
    value = _value(text, start, end)
    bare = value == expected and (fresh or value > 1) and _opens_item(text, end)
    return end if bare else 0


@numba.njit(cache=True)
def _value(text, start, end):
    value = 0
    for i in range(start, end):
        if _DIGIT <= _CLASSES[text[i]] < _WORD:
            value = 10 * value + _CLASSES[text[i]] - _DIGIT
    return value


@numba.njit(cache=True)
def _opens_item(text, number_end):
    """Say whether a bare number may open a list item: a blank and then "no" or a long word."""
    start = number_end
    while start < len(text) and _CLASSES[text[start]] == _SPACE:
        start += 1
    end = start
    while _class_at(text, end) < _DIGIT:
        end += 1
    no = end - start == 2 and (_CLASSES[text[start]], _CLASSES[text[start + 1]]) == _NO
    return start > number_end and (end - start >= 4 or no)


@numba.njit(cache=True)
def _belongs_to_word(text, stop, abbreviations, words, spans, n):
    """Say whether a full stop is part of "vs." or "p.a."."""
    if n == 0 or words[n - 1] < 0 or spans[n - 1, 1] != stop:
        return False
    for abbreviation in abbreviations:
        if words[n - 1] == abbreviation:
            return True
    one_letter = spans[n - 1, 1] - spans[n - 1, 0] == 1
    return one_letter and _class_at(text, stop + 1) < _DIGIT


@numba.njit(cache=True)
def _class_at(text, i):
    """Return a byte's class; what lies before and after the text is white space."""
    return _CLASSES[text[i]] if 0 <= i < len(text) else _SPACE


@numba.njit(cache=True)
def _write_word(words, spans, n, number, start, end):
    words[n] = number
    spans[n, 0] = start
    spans[n, 1] = end
    return n + 1


@numba.njit(cache=True)
def _end_sentence(words, spans, n, start, end):
    """Write a sentence end; a run of them is one."""
    if n > 0 and words[n - 1] == SENTENCE_END:
        return n
    return _write_word(words, spans, n, SENTENCE_END, start, end)
