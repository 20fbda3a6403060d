"""The top of a study's page: the answer as the notebook gave it, a figure, chips."""

from dataclasses import replace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cxrstudy.book.pages import study_page
from cxrstudy.book.printed_claims import verdict_chip
from cxrstudy.book.top import answer_of, chips_html, figure_of
from cxrstudy.display import METADATA_KEY
from cxrstudy.runs import Study
from tests.book.test_pages import EVIL, ROW, STAMP

STUDY = Study("tiny", "07 · Tiny study", "01_tiny.ipynb", (), {}, question="Is it so?")
ANSWER = {"sentence": "No: -0.5.", "figure": "curve", "means": "Mind.", "changes": "More data."}


def _executed(**changes):
    figure = {"name": "curve", "caption": "A curve", "alt": "It\nrises"}
    shown = {
        "answer": ({"text/plain": "No"}, {"name": "answer", **ANSWER, **changes}),
        "figure": ({"image/svg+xml": "<svg/>"}, figure),
    }
    cells = []
    for kind, (data, about) in shown.items():
        metadata = {METADATA_KEY: {"kind": kind, **about}}
        output = new_output("display_data", data=data, metadata=metadata)
        cells.append(new_code_cell(kind, outputs=[output]))
    return new_notebook(cells=[new_markdown_cell("# T\n\n**Question.** Why?"), *cells])


def _top(*rows, **changes):
    return study_page(STUDY, _executed(**changes), list(rows), STAMP).cells


def test_the_top_has_question_answer_figure_chips_and_a_fold():
    first, *rest = _top(ROW)
    assert first.source.startswith("# Is it so?")
    parts = ["Study 07 · Tiny study · 1 claim of CheXpert", "No: \N{MINUS SIGN}0.5.",
             "{image} tiny/answer.svg\n:alt: It rises\n:target: '#curve'", "cxr-chips",
             "**What it means.** Mind.", "**What would change it.** More data.", "{dropdown}",
             "**Question.** Why?"]  # fmt: skip
    places = [first.source.index(part) for part in parts]
    assert places == sorted(places)
    # The answer's own cell is not shown again.
    assert [cell.source for cell in rest if cell.cell_type == "code"] == ["figure"]


def test_another_sentence_makes_another_page():
    assert "Yes: 3." in _top(sentence="Yes: 3.")[0].source
    source = _top(sentence=EVIL, means=EVIL, changes=EVIL)[0].source
    # Sphinx quotes what stands in a description.
    shown = [line for line in source.splitlines() if "description:" not in line]
    assert "<script" not in "".join(shown) and len(shown) < len(source.splitlines())


def test_a_chip_links_to_the_row_and_to_the_table_with_the_number():
    html = chips_html([ROW])
    assert 'href="../claims.html#paper-claim"' in html
    assert 'href="#my-table">+0.100 (+0.050 to +0.150)</a>' in html
    assert "98.75 % interval; detectable 0.070; published: 0.5" in html
    assert "<script" not in chips_html([replace(ROW, statement=EVIL, published=EVIL)])


def test_primary_claims_come_first_and_the_rest_are_letters():
    others = [replace(ROW, id=f"paper.c{i}", family="secondary") for i in range(5)]
    html = chips_html([*others, ROW])
    assert html.index("paper-claim") < html.index("paper-c0")
    assert html.count('<li id="chip-') == 4 and "and 2 more" in html


@pytest.mark.parametrize(
    ("verdict", "letter", "name"),
    [
        ("supported, exploratory", "S", "supported"),
        ("not measurable: the models", "\N{EN DASH}", "not-measurable"),
        ("inconsistent", "≠", "inconsistent"),
        ("not reproduced", "N", "not-reproduced"),
    ],
)
def test_a_verdict_has_a_letter_and_a_colour(verdict, letter, name):
    chip = verdict_chip(replace(ROW, verdict=verdict))
    assert f'class="cxr-verdict cxr-{name}"' in chip and f"<b>{letter}</b>" in chip


def test_a_figure_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="other"):
        figure_of(_executed(), "other")
    assert answer_of(new_notebook()) is None
