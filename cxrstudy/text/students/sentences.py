"""Reports as sentences."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")


def split_sentences(text: str) -> list[str]:
    """Split a report after full stops and the like, and at line breaks.

    Meant for training samples that a teacher labels afresh, where a wrong split does no harm.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        In the order of the text, without surrounding white space; none is empty or lacks a letter.
    """
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if any(character.isalpha() for character in part)]


def shares_sentence(texts: Sequence[str], others: Iterable[str]) -> np.ndarray:
    """Mark the reports that hold a sentence which also stands in one of the others.

    Reports repeat each other's sentences. Only a report that shares none with the training shows
    how a student reads what is new to it.

    Parameters
    ----------
    texts : sequence of str, length n_reports
    others : iterable of str
        Training reports.

    Returns
    -------
    ndarray of bool, shape (n_reports,)
        Sentences are compared without regard to case, white space and final punctuation.
    """
    known = _known(others)
    return np.array(
        [any(_plain(sentence) in known for sentence in split_sentences(text)) for text in texts],
        dtype=bool,
    )


def new_sentences(texts: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the sentences of reports that stand in none of the others, each once.

    Hardly any report shares no sentence at all with thousands of others; its new sentences by
    themselves are a test of the same kind that has enough of them.

    Parameters
    ----------
    texts : iterable of str
        Held-out reports.
    others : iterable of str
        Training reports.

    Returns
    -------
    list of str
        In the order of the reports, compared as `shares_sentence` does.
    """
    known = _known(others)
    found: dict[str, str] = {}
    for text in texts:
        for sentence in split_sentences(text):
            found.setdefault(_plain(sentence), sentence)
    return [sentence for plain, sentence in found.items() if plain not in known]


def _known(texts: Iterable[str]) -> set[str]:
    return {_plain(sentence) for text in texts for sentence in split_sentences(text)}


def _plain(sentence: str) -> str:
    """Return a sentence as it is compared."""
    return " ".join(sentence.lower().rstrip(".!?; ").split())
