"""Compile a lexicon into the tables that one pass over a sentence walks through."""

import itertools
from typing import NamedTuple

import numpy as np

from cxrstudy.labeler.lexicon import Lexicon, Meaning
from cxrstudy.labeler.roles import Role

LETTERS = 36
"""a to z and 0 to 9."""

PUNCTUATION = ",:/?()&-"
"""Marks that count as words; the mark at position k has word number k + 1."""

HASH_FACTOR, HASH_MASK = 0x9E3779B97F4A7C15, 0xFFFFFFFFFFFFFFFF
"""Multiplicative hashing by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4)."""

UNKNOWN_WORD = 0
"""Number of a word that no phrase holds."""


class Automaton(NamedTuple):
    """Two automata, letters to words and words to phrases, as flat arrays.

    Attributes
    ----------
    letter_next : int32, shape (n_letter_states, 36)
        Next state after a letter or digit; 0 ends.
    word_exact, word_prefix : int32, shape (n_letter_states,)
        Number of the word that ends, or of the longest beginning (``atelecta*``) that is
        complete, in a state; 0 for none.
    phrase_keys, phrase_values : int64 and int32, shape (2 ** k,)
        Hash table from (phrase state, word) to the next phrase state; key -1 is free.
    n_words : int
        Size of the vocabulary, unknown words included.
    roles, mentions, anatomy, hints : int32, shape (n_phrase_states,)
        Meaning of the phrase that ends in a state; role 0 for none.
    """

    letter_next: np.ndarray
    word_exact: np.ndarray
    word_prefix: np.ndarray
    phrase_keys: np.ndarray
    phrase_values: np.ndarray
    n_words: int
    roles: np.ndarray
    mentions: np.ndarray
    anatomy: np.ndarray
    hints: np.ndarray


def compile_lexicon(lexicon: Lexicon) -> Automaton:
    """Build the automaton of a lexicon.

    Parameters
    ----------
    lexicon : Lexicon

    Returns
    -------
    Automaton
    """
    vocabulary = _number_words(lexicon)
    letter_next, word_exact, word_prefix = _letters_to_words(vocabulary)
    transitions, meanings = _words_to_phrases(lexicon, vocabulary)
    keys, values = _hash_table(transitions, len(vocabulary) + 1 + len(PUNCTUATION))
    columns = np.zeros((4, len(meanings)), dtype=np.int32)
    for state, meaning in enumerate(meanings):
        if meaning is not None:
            columns[:, state] = meaning.role, meaning.mentions, meaning.anatomy, meaning.hints
    n_words = len(vocabulary) + 1 + len(PUNCTUATION)
    return Automaton(letter_next, word_exact, word_prefix, keys, values, n_words, *columns)


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
            if known is None or (words == phrase and Role.NEUTRAL in meaning.role):
                meanings[state] = meaning
            elif Role.NEUTRAL not in known.role:
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


def _hash_table(
    transitions: dict[tuple[int, int], int], n_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the phrase transitions out as an open-addressing table, at most a quarter full."""
    size = 1 << (4 * len(transitions)).bit_length()
    keys = np.full(size, -1, dtype=np.int64)
    values = np.zeros(size, dtype=np.int32)
    for (state, word), target in transitions.items():
        key = state * n_words + word
        slot = (key * HASH_FACTOR & HASH_MASK) >> 32 & (size - 1)
        while keys[slot] != -1:
            slot = (slot + 1) & (size - 1)
        keys[slot], values[slot] = key, target
    return keys, values
