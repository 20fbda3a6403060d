"""Differences between labeler and codes: counted, and quoted where that is allowed."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.studies.report_labeler.error_gallery import (
    ERRORS,
    error_counts,
    error_quotes,
    quote_around,
)


@pytest.fixture
def labels(few_reports):
    return few_reports.label_readings()["whole_report"]


def test_every_report_is_counted_on_its_side(few_reports, labels):
    """Uncertain labels are no error of either kind."""
    counts = error_counts(few_reports.main_codes, labels)
    columns = ["coded", "coded and labeled", *ERRORS, "uncertain, coded", "uncertain, not coded"]
    assert list(counts) == columns
    assert counts.loc["Pleural Effusion"].tolist() == [3, 2, 0, 1, 0, 0]
    assert counts.loc["Lung Lesion"].tolist() == [1, 0, 1, 1, 0, 0]
    assert counts.loc["Atelectasis"].tolist() == [1, 0, 0, 0, 1, 0]


def test_quotes_show_the_evidence_and_the_codes(few_reports, labels):
    """A false positive shows its mention, a false negative the denial that was read."""
    quotes = error_quotes(few_reports, labels).set_index(["observation", "error"])
    assert quotes.loc[("Lung Lesion", ERRORS[0]), "evidence"].startswith("Nodule")
    denied = quotes.loc[("Pleural Effusion", ERRORS[1])]
    assert "No pleural effusion" in denied["evidence"]
    assert denied["codes"] == "Pulmonary Atelectasis; Pleural Effusion/right"
    # No word of the code Nodule stands in the report that carries it.
    assert ("Lung Lesion", ERRORS[1]) not in quotes.index


def test_a_word_of_the_code_is_found_by_its_stem(few_reports, labels):
    """A missed finding is pointed at by a word that begins like the code's heading."""
    sections = few_reports.sections.copy()
    sections.loc["a", "findings"] += " A nodular focus."
    reports = dataclasses.replace(few_reports, sections=sections)
    missed = labels.copy()
    missed.loc["a", "Lung Lesion"] = float("nan")
    quotes = error_quotes(reports, missed).set_index(["observation", "error"])
    assert quotes.loc[("Lung Lesion", ERRORS[1]), "evidence"] == "nodular"


def test_quotes_are_short(few_reports, labels):
    quotes = error_quotes(few_reports, labels)
    text = quotes["before"] + " " + quotes["evidence"] + " " + quotes["after"]
    assert len(quotes) and (text.str.replace("…", "").str.split().map(len) <= 12).all()


def test_own_reports_are_never_quoted(few_reports, labels):
    own = dataclasses.replace(few_reports, may_be_quoted=False)
    quotes = error_quotes(own, labels)
    assert quotes.empty and list(quotes) == list(error_quotes(few_reports, labels))


TEXT = " ".join(f"w{n}" for n in range(30))


def _at(first: int, last: int, **options):
    return quote_around(TEXT, TEXT.index(f"w{first} "), TEXT.index(f"w{last} ") + 1, **options)


def test_the_evidence_stands_in_the_middle():
    quote = _at(14, 15)
    assert quote.before == "… w9 w10 w11 w12 w13"
    assert quote.evidence == "w14 w15"
    assert quote.after == "w16 w17 w18 w19 w20 …"


def test_at_an_edge_the_other_side_gets_the_words():
    assert _at(0, 0, n_words=4) == ("", "w0", "w1 w2 w3 …")
    end = quote_around(TEXT, len(TEXT) - 1, len(TEXT), n_words=4)
    assert end == ("… w26 w27 w28", "w29", "")


def test_long_evidence_is_cut():
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
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = quote_around(text, start, end, n_words=5)
    if quote is None:
        return
    words = [word for part in quote for word in part.split() if word != "…"]
    assert len(words) <= 5 <= len(text.split()) / 2
    assert " ".join(words) in " ".join(text.split())
    assert quote.evidence
