"""Pages from executed notebooks: captions, anchors, downloads, verdicts, provenance, inert text."""

import html
from dataclasses import replace

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cxrstudy.book.pages import (
    failed_page,
    own_run_page,
    page_without_run,
    recorded_note,
    study_page,
    write_page,
)
from cxrstudy.claims import LedgerRow
from cxrstudy.display import METADATA_KEY
from cxrstudy.runs import Study
from cxrstudy.table_html import captioned_table

STUDY = Study("tiny", "Tiny study", "01_tiny.ipynb", data=(), sets={})
EVIL = "<script>alert(1)</script>"
STAMP = {
    "set": "quick", "parameters": {"n": 3, "truth": "own.csv"}, "data": {"own": "0123456789ab"},
    "source": "ba9876543210", "commit": "c0ffee", "versions": {"python": "3.11.7"}, "seconds": 12.4,
}  # fmt: skip


ROW = LedgerRow(
    id="paper.claim", paper="chexpert", statement="A beats B", where="Table 1", estimand="AUROC",
    published="0.5", data="made up", label_policy="zeros", metric="AUROC", margin=0.02,
    rule="direction", scope="proxy", family="primary", study="tiny", table="my_table", seen="",
    amended=(),
    verdict="supported", measured="+0.100", low=0.05, high=0.15, level=0.9875, detectable=0.07,
)  # fmt: skip


def _page(*arguments):
    return study_page(STUDY, *arguments)


def _output(kind: str, name: str, html="", **shown):
    metadata = {METADATA_KEY: {"kind": kind, "name": name, **shown}}
    html = html or (_table(name) if kind == "table" else "")
    return new_output("display_data", data={"text/html": html}, metadata=metadata)


def _table(name: str, n_rows: int = 1) -> str:
    table = pd.DataFrame({"difference": ["-0.5"] * n_rows})
    return captioned_table(table, name, name)


def _executed(caption="A caption"):
    figure = [
        _output("figure", "my_curve", caption=caption, alt="It rises"),
        _output("caption", "my_curve"),
    ]
    return new_notebook(
        cells=[
            new_markdown_cell("# Tiny"),
            new_code_cell("n = 3", metadata={"tags": ["parameters"]}),
            new_code_cell("show_table()", outputs=[_output("table", "my_table")]),
            new_code_cell("show_figure()", outputs=figure),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python"}},
    )


@pytest.fixture
def page():
    return _page(_executed(), [ROW], STAMP)


def _text(page) -> str:
    return "\n\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")


def test_without_an_answer_the_title_comes_first_and_the_verdicts_last(page):
    assert page.cells[0].source == "# Tiny study"
    verdicts = page.cells[-2].source
    assert (
        "| A beats B | 0.5 | +0.100 (+0.050 to +0.150) "
        "<small>98.75 % interval; detectable 0.070</small> | "
        "direction, tested against 0, negligible within ±0.02 | **supported** "
        "<small>(proxy)</small> |" in verdicts
    )
    assert "../claims.md" in verdicts
    assert page.metadata.kernelspec.name == "python3"
    assert "No claim" in _page(_executed(), [replace(ROW, study="other")], STAMP).cells[-2].source


def _with_finding(sentence: str):
    executed = _executed()
    executed.cells[2:2] = [new_markdown_cell("## Which is better?\n\nTwo are compared.")]
    executed.cells[3].outputs.insert(0, _output("finding", "", html="<p/>", sentence=sentence))
    return executed


def test_a_finding_heads_its_section():
    """It stands in place of what the section asks, and not a second time in its cell."""
    page = _page(_with_finding(f"A gains -0.5 {EVIL}"), [ROW], STAMP)
    (section,) = (cell.source for cell in page.cells if cell.source.startswith("## A"))
    heading, _, text = section.partition("\n")
    assert heading == "## A gains \N{MINUS SIGN}0.5 &lt;script&gt;alert(1)&lt;/script&gt;"
    assert text == "\nTwo are compared." and "Which is better" not in _text(page)
    (cell,) = (cell for cell in page.cells if cell.source == "show_table()")
    assert [o.metadata[METADATA_KEY]["kind"] for o in cell.outputs] == ["table"]


def test_a_smaller_run_is_shown_without_what_it_seems_to_find():
    page = own_run_page(STUDY, _with_finding("A is better"), STAMP)
    text = _text(page)
    assert "decides nothing" in page.cells[0].source and "tiny.ipynb" in page.cells[0].source
    assert "## Which is better?" in text and "A is better" not in text
    assert "What this study decided" not in text
    (figure,) = (cell for cell in page.cells if cell.source == "show_figure()")
    # The book knows each anchor once.
    assert figure.metadata["mystnb"]["figure"]["name"] == "own-my-curve"
    assert "`tiny_run_my_curve.csv <tiny_run/tiny_run_my_curve.csv>`" in text
    assert "<tiny_run/01_tiny.ipynb>" in page.cells[-1].source


def test_few_tables_are_open_first_those_that_decide():
    """Long tables and all but six are folded; numbers get a true minus."""
    names = [f"table_{i}" for i in range(8)] + ["long", "my_table"]
    rows = {name: 20 if name == "long" else 3 for name in names}
    shown = [
        new_code_cell(name, outputs=[_output("table", name, html=_table(name, rows[name]))])
        for name in names
    ]
    executed = new_notebook(cells=[new_markdown_cell("# Tiny"), *shown])
    tables = [
        cell.outputs[0].data["text/html"]
        for cell in _page(executed, [ROW], STAMP).cells
        if cell.cell_type == "code"
    ]
    opened = {name for name, table in zip(names, tables, strict=True) if " open>" in table}
    assert opened == {"my_table", *names[:3]}
    assert all("\N{MINUS SIGN}0.5" in table for table in tables)


def test_a_table_is_folded_if_the_notebook_says_so_and_verdicts_if_they_are_many():
    executed = _executed()
    executed.cells[2].outputs[0].metadata[METADATA_KEY]["folded"] = True
    page = _page(executed, [replace(ROW, id=f"paper.claim_{i}") for i in range(7)], STAMP)
    table = next(cell for cell in page.cells if cell.get("source") == "show_table()")
    assert " open>" not in table.outputs[0]["data"]["text/html"]
    assert "{dropdown} All 7 claims" in page.cells[-2].source


def test_a_table_leads_back_to_the_claims_that_it_decided():
    """In its frame, below its rows; a claim that was not measured is not said to be decided."""
    waiting = replace(ROW, id="paper.other", measured="", low=None, verdict="not measurable: x")
    page = _page(_executed(), [replace(ROW, statement=EVIL), waiting], STAMP)
    table = next(cell for cell in page.cells if cell.get("source") == "show_table()")
    shown = table.outputs[0]["data"]["text/html"]
    assert 'href="../claims.html#paper-claim"' in shown and "paper-other" not in shown
    assert "<b>+0.100 (+0.050 to +0.150)</b> 98.75 % interval</p></details>" in shown
    assert "<script" not in shown and "<details" not in page.cells[3].source


def test_every_table_and_figure_has_its_download(page):
    following = {
        cell.source: after.source for cell, after in zip(page.cells, page.cells[1:], strict=False)
    }
    assert "`tiny_my_table.csv <tiny/tiny_my_table.csv>`" in following["show_table()"]
    assert "`tiny_my_curve.csv <tiny/tiny_my_curve.csv>`" in following["show_figure()"]


def test_a_figure_gets_caption_alt_text_and_anchor(page):
    (figure,) = (cell for cell in page.cells if cell.source == "show_figure()")
    assert figure.metadata["mystnb"] == {
        "image": {"alt": "It rises"},
        "figure": {"caption": "**Figure 1.** A caption", "name": "my-curve"},
    }
    assert [o.metadata[METADATA_KEY]["kind"] for o in figure.outputs] == ["figure"]


def test_the_provenance_line_says_all(page):
    line = page.cells[-1].source
    hashes = ("0123456789ab", "ba9876543210", "c0ffee")
    assert all(part in line for part in ("quick", "n = 3", *hashes, "python 3.11.7", "12 s"))
    assert "{download}`01_tiny.ipynb <tiny/01_tiny.ipynb>`" in line
    kept = STAMP | {"parameters": {"kept": "_build"}}
    assert (
        "Ran 12 s, without trainings that were kept"
        in _page(_executed(), [], kept).cells[-1].source
    )
    assert "commit" not in _page(_executed(), [], STAMP | {"commit": ""}).cells[-1].source


def test_markup_in_claims_and_captions_is_inert():
    text = f"{EVIL} *a* _b_ [x](y) `c` $d$ e|f"
    page = _page(_executed(text), [replace(ROW, statement=text, measured=text)], STAMP)
    (figure,) = (cell for cell in page.cells if cell.source == "show_figure()")
    inert = "&lt;script&gt;alert(1)&lt;/script&gt; \\*a\\* \\_b\\_ \\[x\\](y) \\`c\\` \\$d\\$ e"
    assert figure.metadata["mystnb"]["figure"]["caption"] == f"**Figure 1.** {inert}|f"
    assert f"| {inert}\\|f |" in page.cells[-2].source
    assert "<script" not in _text(page)


def test_markup_in_parameters_is_inert():
    """A path that closes the code span cannot open a tag."""
    parameters = {"truth": f"`{EVIL}`"}
    line = _page(_executed(), [], STAMP | {"parameters": parameters}).cells[-1].source
    inside_code = line.split("`")[1::2]
    outside = "".join(line.split("`")[::2])
    assert "<script" not in outside
    assert any("script" in code for code in inside_code)


def test_missing_data_name_what_and_the_one_command():
    text = _text(page_without_run(STUDY, [ROW], ["chexpert_test_set_labels"]))
    assert text.startswith("# Tiny study")
    assert "CheXpert test-set labels" in text
    assert text.count("cxrstudy data fetch chexpert_test_set_labels") == 1
    assert "CXRSTUDY_MIRROR" in text
    assert "| A beats B |" in text


def test_without_data_the_page_is_that_of_the_recorded_run():
    stamp = STAMP | {"set": "full", "date": "2026-01-02", "hardware": f"2 {EVIL}"}
    note = recorded_note(STUDY, stamp, ["chexpert_test_set_labels"], has_own_page=False)
    page = _page(_executed(), [ROW], stamp, note)
    banner = page.cells[1].source
    assert "made on 2026-01-02, on 2 &lt;script&gt;" in banner and "<script" not in _text(page)
    assert "Not on this machine: CheXpert test-set labels" in banner
    assert "cxrstudy data fetch chexpert_test_set_labels\nmake book" in banner
    assert [cell.source for cell in page.cells if cell.cell_type == "code"][-1] == "show_figure()"


def test_a_study_that_has_not_run_says_how_to_run_it():
    text = _text(page_without_run(STUDY, []))
    assert "has not run" in text and "cxrstudy run tiny" in text and "failed" not in text


@pytest.mark.parametrize("error", [f"ValueError: {EVIL}", "a </pre> b", "**x** `y`\n\n# z"])
def test_a_failed_study_shows_its_error_as_text(error):
    text = _text(failed_page(STUDY, error))
    assert f'<pre class="cxr-error">{html.escape(error)}</pre>' in text
    assert "<script" not in text and text.count("</pre>") == 1
    assert "cxrstudy run tiny" in text


def test_equal_pages_are_equal_bytes(tmp_path):
    """Cell ids are counted, not drawn, so that building twice changes nothing."""
    for name in ("a", "b"):
        write_page(_page(_executed(), [ROW], STAMP), tmp_path / "new" / name)
    first, second = ((tmp_path / "new" / name).read_bytes() for name in ("a", "b"))
    assert first == second
    nbformat.validate(nbformat.reads(first.decode(), as_version=4))
