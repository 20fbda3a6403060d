"""A claim in print: on the ledger's page and in the README; and the table of data sets."""

import html
import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from cxrstudy.book.ledger_page import ledger_html
from cxrstudy.book.printed_claims import (
    HEADLINE_BEGIN,
    HEADLINE_END,
    PrintedClaim,
    row_id,
    verdict_chip,
    with_headline,
)
from cxrstudy.book.site import datasets_html
from cxrstudy.claims import LedgerRow, build_ledger
from cxrstudy.data.registry import datasets

EVIL = '<script>alert("1")</script>'


@pytest.fixture
def ledger(tmp_path) -> list[LedgerRow]:
    return build_ledger([tmp_path])


def _links(html: str) -> list[str]:
    return [tag["href"] for tag in BeautifulSoup(html, "html.parser").select("[href]")]


@pytest.fixture
def tested(ledger) -> LedgerRow:
    row = next(row for row in ledger if row.id == "nlp_expert_gap.frozen_backbone")
    limits = {"low": -0.078, "high": -0.004, "level": 0.9875, "detectable": 0.041}
    return replace(row, measured="-0.039", margin=0.02, **limits)


def test_every_claim_is_a_row_with_its_own_anchor(ledger):
    page = BeautifulSoup(ledger_html(ledger), "html.parser")
    assert len(page.select("tr")) == len(ledger) + 1
    ids = {tag["id"] for tag in page.select("[id]")}
    assert ids == {*map(row_id, ledger), "conditional"}
    assert {f"#{row_id(row)}" for row in ledger} <= set(_links(ledger_html(ledger)))
    assert "visualchexbert-table4" in ids
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in ids)


def test_a_sentence_counts_the_claims_by_verdict(ledger):
    rows = [replace(ledger[0], verdict=f"{word}, exploratory") for word in ("supported",) * 3]
    text = ledger_html([*rows, replace(ledger[-1], verdict="not measurable: a thing")])
    assert "4 claims of 2 papers: 3 supported, 1 not measurable." in text


def test_rows_say_what_a_reader_can_filter_by(ledger):
    row = replace(ledger[0], verdict="not measurable: what nobody has", measured="", scope="proxy")
    text = ledger_html([row])
    assert 'data-paper="VisualCheXbert"' in text and 'data-scope="proxy"' in text
    assert 'data-verdict="not measurable"' in text
    assert "read: full text" in text and "<small>what nobody has</small>" in text


def test_what_holds_for_many_rows_is_said_once(tested):
    rows = [replace(tested, conditional=True), replace(tested, id="b", conditional=True)]
    text = ledger_html(rows)
    assert text.count('href="#conditional"') == 2
    assert text.count("training is not repeated") == 1


def test_a_chip_leads_to_its_row_and_names_the_severity(tested):
    row = replace(tested, verdict="inconsistent", severity="last digit")
    chip = verdict_chip(row)
    assert _links(chip) == ["../claims.html#nlp-expert-gap-frozen-backbone"]
    assert chip.endswith("<b>≠</b> inconsistent (last digit)</a>")
    assert verdict_chip(row, letter_only=True).endswith("<b>≠</b></a>")


def test_a_measured_claim_links_to_its_table(ledger):
    assert all(link.startswith("#") for link in _links(ledger_html(ledger)))
    row = next(row for row in ledger if row.id == "visualchexbert.table4")
    measured = replace(row, measured="20 of 20 cells", verdict="reproduced", n=500)
    links = _links(ledger_html([measured]))
    assert "studies/report_vs_image_agreement.html#table4-cells" in links


def test_a_rule_names_its_margin_and_the_interval_that_it_asks_for(tested):
    def rule(**fields) -> str:
        return PrintedClaim(replace(tested, **fields)).rule

    expected = "direction, tested against 0, negligible within ±0.02"
    assert rule(rule="direction") == expected
    assert rule(rule="direction", margin=0.0) == "direction, tested against 0"
    assert rule(rule="exact", margin=0.0, level=None) == "exact"
    assert rule() == "equivalence within ±0.02, by the 97.5 % interval"
    assert rule(level=None) == "equivalence within ±0.02"


def test_levels_are_printed_where_an_interval_decides(tested):
    def interval(**fields) -> str:
        return PrintedClaim(replace(tested, **fields)).interval

    assert interval(level=0.99167) == "99.17 % interval; detectable 0.041"
    assert interval(level=0.95, low=None, detectable=None) == "95 % intervals"
    assert interval(level=None) == ""


@pytest.mark.parametrize(
    ("measured", "low", "high", "expected"),
    [
        ("+0.100", 0.05, 0.15, "+0.100 (+0.050 to +0.150)"),
        ("20 of 20 cells", None, None, "20 of 20 cells"),
        ("", None, None, ""),
        ("+0.100", -0.1, -0.0, "+0.100 (-0.100 to 0.000)"),
        ("-0.000", -0.0001, 10.0, "0.000 (0.000 to +10.000)"),
    ],
)
def test_a_measured_value_has_its_interval_or_words_or_nothing(
    tested, measured, low, high, expected
):
    row = replace(tested, measured=measured, low=low, high=high)
    assert PrintedClaim(row).measured == expected


def test_the_ledger_prints_interval_and_rule_and_escapes_every_text(tested):
    text = ledger_html([tested])
    assert "98.75 % interval; detectable 0.041" in text
    assert "equivalence within ±0.02, by the 97.5 % interval" in text
    fields = ("statement", "where", "published", "measured", "detail", "data", "rule", "scope",
              "verdict")  # fmt: skip
    evil = {field: f"{EVIL} {field}" for field in fields}
    evil["verdict"] = f"not measurable: {EVIL}"
    text = ledger_html([replace(tested, **evil, amended=(EVIL,), low=None)])
    assert not BeautifulSoup(text, "html.parser").find("script")
    assert text.count("&lt;script&gt;alert(&#34;1&#34;)") == len(fields) + 2  # scope twice


def test_every_data_set_shows_terms_and_command():
    text = datasets_html()
    for entry in datasets().values():
        assert html.escape(entry.fetch_command) in text
        assert entry.homepage in _links(text)


README = f"# Title\n\n{HEADLINE_BEGIN}\nold\n{HEADLINE_END}\n\nRest with \\1 and $2.\n"


def test_the_headline_is_replaced_and_stays(ledger):
    row = replace(ledger[0], measured="20 of 20 cells \\1", verdict="reproduced")
    once = with_headline(README, [row])
    assert "old" not in once and "**reproduced** (same)" in once
    assert once.startswith("# Title") and once.endswith("Rest with \\1 and $2.\n")
    assert with_headline(once, [row]) == once
    # Of nothing measured stands the table's header alone.
    table = with_headline(README, ledger).split(HEADLINE_BEGIN)[1].split(HEADLINE_END)[0]
    assert len(table.strip().splitlines()) == 2


@pytest.mark.parametrize(
    "readme",
    ["# Title\n", f"{HEADLINE_BEGIN}\n", f"{HEADLINE_END}\n{HEADLINE_BEGIN}\n", README * 2],
)
def test_missing_or_doubled_markers_are_an_error(readme, ledger):
    with pytest.raises(ValueError, match=r"README\.md needs one pair"):
        with_headline(readme, ledger)
