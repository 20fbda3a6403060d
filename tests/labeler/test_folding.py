"""Text of any alphabet as ASCII, with the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.labeler.folding import fold, fold_with_offsets


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
    assert offsets == sorted(offsets) and offsets[-1] == len(text)
