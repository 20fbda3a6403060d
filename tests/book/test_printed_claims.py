"""A claim in print: on the ledger's page and in the README; and the table of data sets."""

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from cxrstudy.book.ledger_page import ledger_html
from cxrstudy.book.printed_claims import row_id, verdict_chip
from cxrstudy.claims import LedgerRow, build_ledger

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
    table = "studies/report_vs_image_agreement.html#table4-cells"
    assert table in _links(ledger_html([measured]))
