"""A report as ASCII, as words and sentence ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.labeler.label import _sentences, default_labeler
from cxrstudy.labeler.tokens import fold, fold_with_offsets


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
    words, spans = default_labeler()._split(text)
    found = [text[spans[s.start, 0] : spans[s.stop - 1, 1]] for s in _sentences(words)]
    assert found == sentences


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
    found, spans = default_labeler()._split(text)
    assert [text[a:b] for a, b in spans[found >= 0]] == words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("œdème", "oedeme"),
        ("\N{LATIN SMALL LIGATURE FI}ssure", "fissure"),
        ("isn\N{RIGHT SINGLE QUOTATION MARK}t", "isn't"),
        ("a\N{EN DASH}b", "a - b"),
        ("soft\N{SOFT HYPHEN}hyphen", "softhyphen"),
        ("e\N{COMBINING ACUTE ACCENT}", "e"),
        ("胸部", "  "),
        ("a\0b", "a b"),
    ],
)
def test_a_character_becomes_its_plain_form(text, folded):
    assert fold(text) == folded


@given(st.text())
def test_folded_text_is_ascii_and_every_character_knows_its_origin(text):
    folded, offsets = fold_with_offsets(text)
    assert folded == fold(text)
    assert folded.isascii() and "\0" not in folded
    assert len(offsets) == len(folded) + 1
    assert (offsets[1:] >= offsets[:-1]).all() and offsets[-1] == len(text)
