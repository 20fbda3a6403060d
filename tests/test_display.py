"""Captioned tables and figures: what is shown, and what is saved beside it."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cxrstudy import display
from cxrstudy.display import METADATA_KEY, Page, in_words, save_table

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def shown(monkeypatch) -> list[tuple[dict, dict]]:
    """Collect what would be displayed: data and metadata of each output."""
    outputs = []
    monkeypatch.setattr(
        display, "publish_display_data", lambda data, metadata: outputs.append((data, metadata))
    )
    return outputs


def test_a_saved_table_is_stable_text(tmp_path):
    """Six significant digits, unix line ends, a named index, and no temporary file."""
    table = pd.DataFrame({"f1": [1 / 3, np.nan]}, index=pd.Index(["a", "b"], name="observation"))
    path = save_table(table, "scores", tmp_path / "new")
    assert path.read_bytes() == b"observation,f1\na,0.333333\nb,\n"
    assert [file.name for file in path.parent.iterdir()] == ["scores.csv"]
    unnamed = save_table(pd.DataFrame({"n": [5, 7]}), "counts", tmp_path)
    assert unnamed.read_text("utf-8") == "n\n5\n7\n"


def test_a_table_is_shown_with_caption_anchor_and_decimals(tmp_path, shown):
    table = pd.DataFrame({"f1": [0.12345], "kappa": [0.5], "n": [3]})
    Page(tmp_path).table(table, "my_scores", "Scores of <all> & none", decimals={"f1": 2})
    ((data, metadata),) = shown
    assert metadata[METADATA_KEY]["name"] == "my_scores"
    assert metadata[METADATA_KEY]["kind"] == "table"
    assert 'id="my-scores"' in data["text/html"]
    assert ">Scores of &lt;all&gt; &amp; none<" in data["text/html"]
    assert 'aria-labelledby="my-scores-caption"' in data["text/html"]
    assert _cells(shown) == ["0.12", "0.500", "3"]
    assert (tmp_path / "my_scores.csv").exists()
    Page(tmp_path).table(table, "my_scores", "Scores", folded=True)
    assert shown[1][1][METADATA_KEY]["folded"] and "folded" not in metadata[METADATA_KEY]


def test_markup_in_any_text_is_inert(tmp_path, shown):
    """Only the page's own mark of a quote is markup."""
    table = pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=f"id{EVIL}"))
    Page(tmp_path).table(table, "ids", EVIL)
    Page("").note("my_note", EVIL)
    Page(tmp_path).quotes(_quotes(before=EVIL, evidence=EVIL, after="</mark>"), "q", EVIL)
    table, note, quotes = (data["text/html"] for data, _ in shown)
    assert "<script" not in table + note + quotes
    assert table.count("&lt;script&gt;") >= 4 and 'id="my-note"' in note
    assert quotes.count("<mark>") == quotes.count("</mark>") == 1


def _cells(shown) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", shown[0][0]["text/html"])


def test_numbers_have_one_style(tmp_path, shown):
    """Commas from 1,000 on, zero without a sign, large means with one decimal, counts whole."""
    table = pd.DataFrame(
        {"n": [2179], "mean": [962.667], "zero": [-0.0001], "count": [3.0], "one": [1.0],
         "mixed": pd.Series([11250], dtype=object), "undefined": [np.nan],
         "infinite": [np.inf], "name": [None]}
    )  # fmt: skip
    Page(tmp_path).table(table, "style", "Style")
    numbers = ["2,179", "962.7", "0.000", "3", "1.000", "11,250"]
    assert _cells(shown) == [*numbers, "\N{EN DASH}", "\N{INFINITY}", ""]


def test_significant_digits_by_column(tmp_path, shown):
    table = pd.DataFrame({"time": [0.01234, 9.96, 14694.9, 0.0]})
    Page(tmp_path).table(table, "times", "Times", digits={"time": 2})
    assert _cells(shown) == ["0.012", "10", "15,000", "0"]
    assert (tmp_path / "times.csv").read_text("utf-8").splitlines()[1] == "0.01234"


def test_text_and_numbers_get_their_own_width(tmp_path, shown):
    Page(tmp_path).table(pd.DataFrame({"error": ["1e-07"], "what": ["word " * 20]}), "w", "W")
    html = shown[0][0]["text/html"]
    assert '<td class="cxr-short">1e-07<' in html and '<td class="cxr-text">word word' in html


RECORDED = pd.DataFrame(
    {"arm": ["a"], "estimate": [0.5], "low": [0.4], "high": [0.6], "measure": ["F1"], "n": [2179],
     "set": ["cpu"], "hardware": ["2 cores"], "versions": ["python 3, torch 2"],
     "date": ["2026-01-02"], "data": [f"openi {EVIL}"], "commit": ["c0ffee"]}
)  # fmt: skip


@pytest.mark.parametrize("layout", [{}, {"rows": "arm", "columns": "measure"}])
def test_a_recorded_table_has_plain_facts_above_and_the_rest_folded(
    tmp_path, shown, monkeypatch, layout
):
    """Set, date, hardware and n are in the caption; versions and hashes open on a click."""
    monkeypatch.setattr(display, "load_recorded", lambda study: RECORDED)
    Page(tmp_path).recorded("x", "recorded", "Arms.", **layout)
    html = shown[0][0]["text/html"]
    caption, rest = html.split("</summary>", 1)
    assert "Arms. Recorded run: set cpu, 2026-01-02, 2 cores; n = 2,179." in caption
    assert "torch" not in caption and "torch 2" in rest.split("<details")[1]
    assert "<script" not in html
    assert (tmp_path / "recorded.csv").exists()


def test_where_nothing_is_recorded_a_sentence_stands(tmp_path, shown, monkeypatch):
    monkeypatch.setattr(display, "load_recorded", lambda study: None)
    Page(tmp_path).recorded("x", "recorded", "Arms.", nothing="No GPU run has been recorded.")
    ((data, metadata),) = shown
    assert data["text/plain"] == "No GPU run has been recorded."
    assert metadata[METADATA_KEY] == {"kind": "note", "name": "recorded"}
    assert "Arms." not in data["text/html"] and not list(tmp_path.iterdir())


def test_estimates_stand_side_by_side_and_are_saved_tidy(tmp_path, shown):
    nan = np.nan
    table = pd.DataFrame(
        [
            ("Fracture", "b", 0.5, 0.4, 0.6, 30, False),
            ("Fracture", "a", 0.25, nan, nan, 30, False),
            ("Edema", "b", nan, nan, nan, 30, False),
            ("Edema", "a", 0.9, 0.8, 1.0, 3, True),
        ],
        columns=["observation", "method", "estimate", "low", "high", "positives", "too_few"],
    )
    layout = {"rows": "observation", "columns": "method"}
    Page(tmp_path).estimates(table, "side", "Side", decimals=2, **layout)
    html = shown[0][0]["text/html"]
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in _cells(shown)] == [
        "Fracture", "0.50 [0.40, 0.60]", "0.25", "Edema", "\N{EN DASH}", "too few (3 positive)",
    ]  # fmt: skip
    assert re.findall(r"<th[^>]*>(.*?)</th>", html) == ["observation", "b", "a"]
    assert len(pd.read_csv(tmp_path / "side.csv")) == 4


def test_a_figure_has_alt_text_caption_and_its_numbers(tmp_path, shown):
    """Equal figures are equal bytes."""
    for _ in range(2):
        _, axes = plt.subplots()
        axes.plot([0, 1], [0, 1])
        Page(tmp_path).figure(axes, pd.DataFrame({"x": [1]}), "curve", "A curve", "It rises")
    data, metadata = shown[0]
    images = [data["image/svg+xml"] for data, _ in shown if "image/svg+xml" in data]
    assert "<svg" in data["image/svg+xml"] and images[0] == images[1]
    assert metadata[METADATA_KEY]["alt"] == "It rises"
    assert metadata[METADATA_KEY]["caption"] == "A curve"
    assert (tmp_path / "curve.csv").read_text("utf-8") == "x\n1\n"
    assert not plt.get_fignums()


def _quotes(**changes) -> pd.DataFrame:
    columns = ["observation", "before", "evidence", "after", "codes"]
    row = dict(zip(columns, ["Edema", "no", "overt edema", "today", "normal"], strict=True))
    return pd.DataFrame([row | changes], columns=columns)


def test_a_quote_is_marked_on_the_page_and_plain_in_the_file(tmp_path, shown):
    Page(tmp_path).quotes(_quotes(), "said", "Said")
    data, metadata = shown[0]
    assert _cells(shown) == ["Edema", "no <mark>overt edema</mark> today", "normal"]
    header = re.findall(r"<th[^>]*>(.*?)</th>", data["text/html"])
    assert header == ["observation", "quote", "codes"]
    assert metadata[METADATA_KEY] == {"kind": "table", "name": "said"}
    saved = (tmp_path / "said.csv").read_text("utf-8")
    assert saved == "observation,quote,codes\nEdema,no overt edema today,normal\n"
    assert "overt edema" in data["text/plain"]
    assert data["text/plain"].isascii()


def test_no_quote_is_an_empty_table(tmp_path, shown):
    Page(tmp_path).quotes(_quotes().iloc[:0], "none", "No quotes")
    assert "<mark>" not in shown[0][0]["text/html"] and "No quotes" in shown[0][0]["text/html"]
    assert (tmp_path / "none.csv").read_text("utf-8") == "observation,quote,codes\n"


def test_a_part_of_a_recorded_table_can_be_shown(tmp_path, shown, monkeypatch):
    both = pd.concat([RECORDED, RECORDED.assign(arm="b")])
    monkeypatch.setattr(display, "load_recorded", lambda study: both)
    Page(tmp_path).recorded("x", "part", "Arms.", select=lambda table: table.query("arm == 'b'"))
    assert pd.read_csv(tmp_path / "part.csv")["arm"].tolist() == ["b"]


def test_a_finding_is_data_for_the_book_and_inert_text_in_the_notebook(shown):
    Page("").finding(f"after 60 epochs {EVIL}")
    ((data, metadata),) = shown
    assert metadata[METADATA_KEY] == {"kind": "finding", "sentence": f"After 60 epochs {EVIL}"}
    assert "After 60" in data["text/html"] and "<script" not in data["text/html"]


def test_words_are_made_on_the_page_and_keys_stay_in_the_file(tmp_path, shown, monkeypatch):
    """Renaming a row of a recorded run costs no new run."""
    words = {"a": "the plain arm", "arm": "training", "F1": "macro F1"}
    monkeypatch.setattr(display, "load_recorded", lambda study: RECORDED)
    page = Page(tmp_path)
    page.recorded("x", "recorded", "Arms.", rows=["arm"], columns="measure", words=words)
    page.table(RECORDED[["arm", "n"]], "own", "Own.", words=words)
    found = [re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t", data["text/html"]) for data, _ in shown]
    assert found[0][:3] == ["training", "macro F1", "the plain arm"]
    assert found[1][:3] == ["training", "n", "the plain arm"]
    assert pd.read_csv(tmp_path / "recorded.csv")["arm"].tolist() == ["a"]
    assert in_words(RECORDED, words)["measure"].tolist() == ["macro F1"]


def test_an_answer_is_data_for_the_book_and_inert_text_in_the_notebook(shown):
    Page("").answer(EVIL, figure="curve", means="Mind.", changes="More data.")
    ((data, metadata),) = shown
    assert metadata[METADATA_KEY] == {
        "kind": "answer", "name": "answer", "sentence": EVIL, "figure": "curve",
        "means": "Mind.", "changes": "More data.",
    }  # fmt: skip
    assert "<script" not in data["text/html"] and "Mind." in data["text/html"]
