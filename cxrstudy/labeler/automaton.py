"""A lexicon compiled, so that one pass over a sentence finds its phrases."""

import itertools
from dataclasses import fields
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.labeler.lexicon import Lexicon, Meaning, Role

LETTERS = 36  # a to z and 0 to 9
PUNCTUATION = ",:/?()&-"  # marks that count as words; the mark at position k is word k + 1
ABBREVIATIONS = ("vs", "dr", "approx", "cf", "fig")  # their full stop ends no sentence
UNKNOWN_WORD = 0  # number of a word that no phrase holds

MEANING = [(field.name, np.int32) for field in fields(Meaning)]
PHRASE = np.dtype(
    [
        ("place", np.int32),  # 0 for the first phrase of its sentence
        ("start", np.int32),  # its first and past-the-last word
        ("end", np.int32),
        *MEANING,
        ("finding_next", np.bool_),  # nothing but modifiers stands before a finding
        ("anatomy_next", np.bool_),  # likewise before anatomy
        ("ends_sentence", np.bool_),
        ("or_ahead", np.bool_),  # the list of findings that goes on after it comes to an "or"
    ]
)


class Automaton(NamedTuple):
    """Two automata, letters to words and words to phrases, as flat arrays."""

    letter_next: np.ndarray  # int32 (n_letter_states, 36): state after a letter or digit; 0 ends
    word_exact: np.ndarray  # int32 (n_letter_states,): the word that ends here; 0 for none
    word_prefix: np.ndarray  # likewise the longest beginning ("atelecta*") that is complete
    phrase_keys: np.ndarray  # int64 (n,), rising: state * n_words + word of each transition ...
    phrase_values: np.ndarray  # int32 (n,): ... to this phrase state
    n_words: int  # size of the vocabulary, unknown words included
    meanings: np.ndarray  # MEANING (n_phrase_states,): of the phrase that ends here; 0 for none
    abbreviations: np.ndarray  # int32 (n,): words whose full stop ends no sentence


def compile_lexicon(lexicon: Lexicon) -> Automaton:
    """Build the automaton of a lexicon."""
    vocabulary = _number_words(lexicon)
    letter_next, word_exact, word_prefix = _letters_to_words(vocabulary)
    transitions, meanings = _words_to_phrases(lexicon, vocabulary)
    n_words = len(vocabulary) + 1 + len(PUNCTUATION)
    by_key = sorted((state * n_words + word, to) for (state, word), to in transitions.items())
    keys, values = np.array(by_key).T
    values_of, blank = attrgetter(*(name for name, _ in MEANING)), Meaning(0)
    table = np.array([values_of(meaning or blank) for meaning in meanings], dtype=MEANING)
    known = [vocabulary[word] for word in ABBREVIATIONS if word in vocabulary]
    abbreviations = np.array(known, dtype=np.int32)
    letters = letter_next, word_exact, word_prefix
    return Automaton(*letters, keys, values.astype(np.int32), n_words, table, abbreviations)


def _number_words(lexicon: Lexicon) -> dict[str, int]:
    """Give every word that is not punctuation a number, after those of the punctuation."""
    words = {word for phrase in lexicon.phrases for word in phrase if word not in PUNCTUATION}
    return {word: number for number, word in enumerate(sorted(words), len(PUNCTUATION) + 1)}


def _letters_to_words(vocabulary: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    trie: list[dict[int, int]] = [{}]
    exact, prefix = [0], [0]
    for word, number in vocabulary.items():
        state = 0
        for letter in word.rstrip("*"):
            code = ord(letter) - ord("a") if letter.isalpha() else 26 + int(letter)
            if code not in trie[state]:
                trie[state][code] = len(trie)
                trie.append({})
                exact.append(0)
                prefix.append(0)
            state = trie[state][code]
        (prefix if word.endswith("*") else exact)[state] = number
    table = np.zeros((len(trie), LETTERS), dtype=np.int32)
    for state, arcs in enumerate(trie):
        for code, target in arcs.items():
            table[state, code] = target
    return table, np.array(exact, dtype=np.int32), np.array(prefix, dtype=np.int32)


def _words_to_phrases(
    lexicon: Lexicon, vocabulary: dict[str, int]
) -> tuple[dict[tuple[int, int], int], list[Meaning | None]]:
    """Build the trie of phrases; a word that another's beginning covers stands for both."""
    covering = _covering_words(vocabulary)
    transitions: dict[tuple[int, int], int] = {}
    meanings: list[Meaning | None] = [None]
    for phrase, meaning in lexicon.phrases.items():
        choices = [covering.get(word, (word,)) for word in phrase]
        for words in itertools.product(*choices):
            state = 0
            for word in words:
                number = vocabulary.get(word) or PUNCTUATION.index(word) + 1
                if (state, number) not in transitions:
                    transitions[state, number] = len(meanings)
                    meanings.append(None)
                state = transitions[state, number]
            known = meanings[state]
            # What is ignored by its own words stays so, whatever beginning covers it.
            if known is None or (words == phrase and meaning.role & Role.NEUTRAL):
                meanings[state] = meaning
            elif not known.role & Role.NEUTRAL:
                meanings[state] = known | meaning
    return transitions, meanings


def _covering_words(vocabulary: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """List for each beginning (``calcif*``) the vocabulary's words that it also covers."""
    covered = {}
    for word in vocabulary:
        if word.endswith("*"):
            others = (w for w in vocabulary if w != word and w.startswith(word[:-1]))
            covered[word] = (word, *sorted(others))
    return covered


@numba.njit(cache=True)
def find_phrases(words, start, end, automaton, phrases):
    """Fill in the phrases of a sentence, each the longest that begins at its word; count them."""
    n = 0
    i = start
    while i < end:
        state, phrase_end = _longest_phrase(words, i, end, automaton)
        if state == 0:
            i += 1
            continue
        phrase = phrases[n]
        phrase.place = n
        phrase.start = i
        phrase.end = phrase_end
        meaning = automaton.meanings[state]
        phrase.role = meaning.role
        phrase.mentions = meaning.mentions
        phrase.anatomy = meaning.anatomy
        phrase.hints = meaning.hints
        n += 1
        i = phrase_end
    return n


@numba.njit(cache=True)
def _longest_phrase(words, start, end, automaton):
    """Find the state and the end of the longest phrase that begins at a word; state 0 for none."""
    keys = automaton.phrase_keys
    state = 0
    longest, longest_end = 0, start
    for i in range(start, end):
        if words[i] == UNKNOWN_WORD:
            break
        key = state * automaton.n_words + words[i]
        at = np.searchsorted(keys, key)
        if at == len(keys) or keys[at] != key:
            break
        state = automaton.phrase_values[at]
        if automaton.meanings[state].role != 0:
            longest, longest_end = state, i + 1
    return longest, longest_end
