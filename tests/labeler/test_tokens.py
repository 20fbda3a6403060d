"""Words and sentence ends."""

import numpy as np
import pytest

from cxrstudy.labeler.label import default_labeler


def _sentences(text: str) -> list[str]:
    """Cut a text at the sentence ends that the labeler finds."""
    words, spans, n_words = default_labeler()._split(text)
    sentences, first = [], 0
    for last in np.flatnonzero(words[:n_words] < 0):
        if last > first:
            sentences.append(text[spans[first, 0] : spans[last - 1, 1]])
        first = last + 1
    return sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Clear. Normal.", ["Clear", "Normal"]),
        ("Clear.Normal", ["Clear", "Normal"]),
        ("A 1.5 cm nodule. End", ["A 1.5 cm nodule", "End"]),
        ("Atelectasis vs. pneumonia", ["Atelectasis vs. pneumonia"]),
        ("e.g.effusion", ["e.g.effusion"]),
        ("1. Clear 2. Normal", ["Clear", "Normal"]),
        ("1) Clear 2) Normal", ["Clear", "Normal"]),
        ("1 Clear 2 Normal", ["Clear", "Normal"]),
        ("There are 2 icd leads", ["There are 2 icd leads"]),
        ("Clear; normal! Is it? Yes", ["Clear", "normal", "Is it?", "Yes"]),
        ("line\nbreak\n\nonly", ["line\nbreak\n\nonly"]),
        ("* Clear * Normal", ["Clear", "Normal"]),
        ("one<br>two", ["one", "br", "two"]),
    ],
)
def test_a_text_is_cut_into_sentences(text, sentences):
    assert _sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pneumo-\nthorax", ["pneumo-\nthorax"]),
        ("left-\nsided", ["left", "sided"]),
        ("left-sided", ["left", "sided"]),
        ("left - sided", ["left", "-", "sided"]),
        ("patient's", ["patient's"]),
        ("and/or", ["and", "/", "or"]),
    ],
)
def test_a_sentence_is_cut_into_words(text, words):
    found, spans, n_words = default_labeler()._split(text)
    assert [text[a:b] for a, b in spans[:n_words][found[:n_words] >= 0]] == words
