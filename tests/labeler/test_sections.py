"""Sections of a report: which words are headings, and what a labeler may read."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.labeler import sections
from cxrstudy.labeler.sections import (
    SECTIONS,
    join_sections,
    labeled_text,
    section_spans,
    split_sections,
)

HOSPITAL = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with fever  // pneumonia?

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  ___: effusion.

 FINDINGS:

 No focal consolidation.
 LUNGS: clear.
 Heart: normal size.
 Effusion: none

 Pleura: unremarkable at 9:04 a.m.

 IMPRESSION:

 No acute process.

 RECOMMENDATION(S):  CT of the nodule.

 NOTIFICATION:  Told to Dr. ___.
"""
SINGLE_LINE = (
    "INDICATION: Rule out pneumonia. COMPARISON: XXXX FINDINGS: Lungs clear. Heart: normal. "
    "Impression: No acute disease."
)
HEADINGS = {
    "indication": [
        "INDICATION", "HISTORY", "CLINICAL HISTORY", "CLINICAL INFORMATION",
        "CLINICAL INDICATION", "REASON FOR EXAM", "REASON FOR EXAMINATION", "REASON FOR STUDY",
    ],
    "technique": ["EXAMINATION", "EXAM", "STUDY", "TECHNIQUE", "PROCEDURE"],
    "comparison": ["COMPARISON"],
    "findings": ["FINDINGS", "REPORT", "WET READ"],
    "impression": ["IMPRESSION", "CONCLUSION", "OPINION", "SUMMARY"],
    "other": ["RECOMMENDATION", "RECOMMENDATIONS", "NOTIFICATION"],
}  # fmt: skip
NAMES = [(section, name) for section, names in HEADINGS.items() for name in names]


def _sections(text: str) -> dict[str, str]:
    return {name: part for name, part in split_sections(text).items() if part}


def test_a_hospital_report_is_divided():
    assert split_sections(HOSPITAL) == {
        "indication": "___F with fever  // pneumonia?",
        "comparison": "___: effusion.",
        "technique": "CHEST (PA AND LAT).\n\nChest PA and lateral",
        "findings": (
            "No focal consolidation.\n LUNGS: clear.\n Heart: normal size.\n Effusion: none\n\n"
            " Pleura: unremarkable at 9:04 a.m."
        ),
        "impression": "No acute process.",
        "other": "FINAL REPORT.\n\nCT of the nodule.\n\nTold to Dr. ___.",
    }


def test_a_labeler_reads_findings_and_impression_only():
    read = labeled_text(HOSPITAL)
    assert read.startswith("No focal") and read.endswith("a.m.\n\nNo acute process.")
    assert labeled_text(SINGLE_LINE) == "Lungs clear. Heart: normal.\n\nNo acute disease."
    assert labeled_text(SINGLE_LINE, ("impression",)) == "No acute disease."
    assert labeled_text(SINGLE_LINE, {"indication"}) == "Rule out pneumonia."
    with pytest.raises(ValueError, match="no section 'finding'.*findings, impression"):
        labeled_text("x", ("finding",))


@pytest.mark.parametrize(("section", "name"), NAMES)
def test_every_heading_opens_its_section(section, name):
    other = "impression" if section != "impression" else "findings"
    for written in (name, name.lower(), name.title(), f"  {name} ", f"**{name}"):
        assert _sections(f"{other}: a\n{written}: b") == {other: "a", section: "b"}
    assert _sections(f"{other.upper()}: a. {name.title()}: b") == {other: "a.", section: "b"}
    assert _sections(f"{other.upper()}: a {name}: b") == {other: "a", section: "b"}
    assert _sections(f"{other.upper()}\na\n {name}\nb") == {other: "a", section: "b"}


@pytest.mark.parametrize(
    "text",
    [
        "Unchanged from the prior Study: no effusion. Chest Exam: normal",
        "Compared with the prior study: no change.",
        "COMPARED WITH THE PRIOR STUDY: NO CHANGE.",
        "No history of: asthma. In summary: clear.",
        "Clear lungs and findings: none",
        "LUNGS: clear. Heart: normal. Pleura: normal. Effusion: none",
        "Impression\nclear",
        "Time 9:04, ratio 1:2.",
        "Microfindings: none. Ahistory: none",
        "Impressions of the film, findings",
        "",
        " : :: \n: ",
    ],
)
def test_text_without_a_heading_is_read_whole(text):
    """Words that only resemble headings open no section, and nothing is lost."""
    assert labeled_text(text) == text
    assert labeled_text(text, ("impression",)) == text
    assert _sections(text) == ({"findings": text.strip()} if text.strip() else {})


@pytest.mark.parametrize("before", ["cough", "for EKG", "XXXX", "None", "___", "2 views,"])
def test_a_lost_full_stop_hides_no_heading(before):
    for findings, impression in [("FINDINGS", "IMPRESSION"), ("Findings", "Impression")]:
        text = f"Indication: {before} {findings}: Lungs clear {impression}: normal"
        assert _sections(text) == {
            "indication": before, "findings": "Lungs clear", "impression": "normal",
        }  # fmt: skip
        assert _sections(text.upper()) == {"indication": text.upper().split(": ", 1)[1]}


@pytest.mark.parametrize("separator", ["\n", "\n\n", " "])
@pytest.mark.parametrize("title", [str.upper, str.title])
def test_real_reports_are_divided_as_their_authors_did(openi, separator, title):
    """OpenI's sections, joined to one text: of each report the labeler reads the right ones.

    Left out are reports in whose sections a colon stands, as some hold a second report.
    """
    sections = openi[["indication", "comparison", "findings", "impression"]]
    sections = sections[~sections.apply(lambda column: column.str.contains(":")).any(axis=1)]
    assert len(sections) > 3500
    for row in sections.to_dict("records"):
        text = separator.join(f"{title(name)}: {part}" for name, part in row.items() if part)
        wanted = [part for part in (row["findings"], row["impression"]) if part]
        assert labeled_text(text) == join_sections(wanted)


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        (
            SINGLE_LINE,
            {
                "indication": "Rule out pneumonia.",
                "comparison": "XXXX",
                "findings": "Lungs clear. Heart: normal.",
                "impression": "No acute disease.",
            },
        ),
        ("FINDINGS: Clear.IMPRESSION:ok", {"findings": "Clear.", "impression": "ok"}),
        ("FINDINGS:\n  **IMPRESSION:** ok", {"impression": "ok"}),
        ("FINDINGS:**IMPRESSION: ok", {"impression": "ok"}),
        ("IMPRESSION:", {}),
        (
            "INDICATION: pneumonia?\r\n\r\nLungs clear.\r\nIMPRESSION\r\nok\r\n",
            {"indication": "pneumonia?", "findings": "Lungs clear.", "impression": "ok"},
        ),
        # Text before the first heading counts as findings, unless it is a header.
        ("Lungs clear.\nIMPRESSION: ok", {"findings": "Lungs clear.", "impression": "ok"}),
        (
            "CHEST, TWO VIEWS\n\nHEART NORMAL.\n\nIMPRESSION: ok",
            {"other": "CHEST, TWO VIEWS", "findings": "HEART NORMAL.", "impression": "ok"},
        ),
    ],
)
def test_headings_divide_a_text(text, sections):
    assert _sections(text) == sections


def test_a_body_without_a_heading_counts_as_findings():
    """It follows a blank line below the indication, comparison or technique."""
    text = "FINAL REPORT\n INDICATION: pneumonia?\n \n AP chest.\n Lungs clear.\n\n Heart large.\n"
    assert labeled_text(text) == "AP chest.\n Lungs clear.\n\n Heart large."
    assert split_sections(text)["indication"] == "pneumonia?"
    assert labeled_text(text + "\n IMPRESSION: ok").endswith("Heart large.\n\nok")
    assert labeled_text(text, ("impression",)) == ""
    assert labeled_text("INDICATION: pneumonia?\n with cough.") == ""
    # A preliminary reading does not hide it.
    text = "WET READ: Clear.\n FINAL REPORT\n HISTORY: pneumonia?\n\n Heart large."
    assert split_sections(text)["findings"] == "Clear.\n FINAL REPORT.\n\nHeart large."
    # Before a findings heading none is guessed.
    text = "HISTORY: cough\n\npneumonia last year\n\nFINDINGS: Clear.\n\nNormal heart."
    assert labeled_text(text) == "Clear.\n\nNormal heart."
    assert labeled_text("Cough, pneumonia?\nFINDINGS: Clear.") == "Clear."
    assert labeled_text("IMPRESSION:") == ""


PIECES = st.sampled_from(
    ["FINDINGS:", "Impression:", "INDICATION", "history:", "REPORT: ", "\n", "\n\n", "  ", "**",
     "Lungs clear.", "no change", "XXXX", ":", ".", "_", "\r\n", "WET READ:", "STUDY:", "\u00a0"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=60))
def test_spans_locate_the_text_and_never_overlap(text):
    every = section_spans(text)
    assert all(span.section in SECTIONS and span.start < span.end for span in every)
    assert all(a.end <= b.start for a, b in pairwise(every))
    assert set(_sections(text)) == {span.section for span in every}


@pytest.mark.parametrize(
    "piece",
    [":", "a:", "FINDINGS:", "x STUDY: ", "STUDY ", "FINDINGS\n", "\n", " \n", " ", "*", "A ",
     "INDICATION:\n\nx\n\n", "a\n   ", "INDICATION: \n"],
)  # fmt: skip
def test_work_is_linear_in_the_text(piece, monkeypatch):
    """Twice the text makes at most twice the work, counted so that a busy machine changes nothing.

    Counted are the characters in which a heading or a blank line is looked for.
    """
    small, large = (_counted_work(piece * count, monkeypatch) for count in (500, 1000))
    assert large <= 2.1 * small + 1000


def _counted_work(text: str, monkeypatch) -> int:
    work = [0]

    def counted(function):
        def call(stretch, start=0, end=None):
            work[0] += (len(stretch) if end is None else end) - start
            return function(stretch) if end is None else function(stretch, start, end)

        return call

    def counted_heading(before, *arguments):
        work[0] += len(before)
        return heading(before, *arguments)

    heading, blank = sections._heading_at_the_end, sections._BLANK_LINE
    pattern = SimpleNamespace(search=counted(blank.search), finditer=counted(blank.finditer))
    with monkeypatch.context() as patch:
        patch.setattr(sections, "_heading_at_the_end", counted_heading)
        patch.setattr(sections, "_BLANK_LINE", pattern)
        patch.setattr(sections, "_is_prose", counted(sections._is_prose))
        patch.setattr(sections, "_plain", counted(sections._plain))
        labeled_text(f"INDICATION:\n{text}")
    return work[0]
