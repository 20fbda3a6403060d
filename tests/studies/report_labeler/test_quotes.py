"""Quotes: short, around the evidence, never most of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.studies.report_labeler.quotes import quote_around

TEXT = " ".join(f"w{n}" for n in range(30))


def _at(first: int, last: int, **options):
    return quote_around(TEXT, TEXT.index(f"w{first} "), TEXT.index(f"w{last} ") + 1, **options)


def test_the_evidence_stands_in_the_middle():
    """Two words of evidence, five before and five after, cut on both sides."""
    quote = _at(14, 15)
    assert quote.before == "… w9 w10 w11 w12 w13"
    assert quote.evidence == "w14 w15"
    assert quote.after == "w16 w17 w18 w19 w20 …"


def test_at_an_edge_the_other_side_gets_the_words():
    """Nothing is cut where the text begins or ends."""
    assert _at(0, 0, n_words=4) == ("", "w0", "w1 w2 w3 …")
    end = quote_around(TEXT, len(TEXT) - 1, len(TEXT), n_words=4)
    assert end == ("… w26 w27 w28", "w29", "")


def test_long_evidence_is_cut():
    """The quote keeps its length whatever the evidence."""
    quote = _at(5, 25)
    assert quote.evidence.split() == [f"w{n}" for n in range(5, 17)]
    assert (quote.before, quote.after) == ("…", "…")


@pytest.mark.parametrize(
    ("text", "start", "end"), [("a short report", 2, 7), (TEXT, 4, 4), ("", 0, 0)]
)
def test_short_texts_and_empty_evidence_give_no_quote(text, start, end):
    """A quote would be most of the report, or point at nothing."""
    assert quote_around(text, start, end) is None


@given(st.text(alphabet="ab \n", max_size=120), st.data())
def test_a_quote_is_short_and_from_the_text(text, data):
    """At most n words, all of them neighbours in the text, less than half plus one of it."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = quote_around(text, start, end, n_words=5)
    if quote is None:
        return
    words = [word for part in quote for word in part.split() if word != "…"]
    assert len(words) <= 5 <= len(text.split()) / 2
    assert " ".join(words) in " ".join(text.split())
    assert quote.evidence
