"""The generated tables: ledger, data sets and the README's headline."""

import html
import re
from html.parser import HTMLParser

import pytest
from cxrstudy.book.tables import HEADLINE_BEGIN, HEADLINE_END

from cxrstudy.book import datasets_html, ledger_html, with_headline
from cxrstudy.claims import build_ledger
from cxrstudy.data.registry import datasets

EVIL = '<script>alert("1")</script>'


@pytest.fixture
def ledger(tmp_path) -> list[dict]:
    """The ledger before any study ran."""
    return build_ledger(tmp_path)


class _Parser(HTMLParser):
    """Collect tags, links and ids of a page."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.tags, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        """Note a tag."""
        found = dict(attributes)
        self.tags.append(tag)
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []


def _parsed(text: str) -> _Parser:
    parser = _Parser()
    parser.feed(text)
    return parser


def test_every_claim_is_a_row_with_its_own_anchor(ledger):
    """One row for each claim, with a unique id that is fit for HTML."""
    page = _parsed(ledger_html(ledger))
    assert page.tags.count("tr") == len(ledger) + 1
    assert len(set(page.ids)) == len(ledger)
    assert "visualchexbert-table4" in page.ids
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in page.ids)


def test_a_measured_claim_links_to_its_table(ledger):
    """The verdict leads to the study's page and the table that measured it; others do not."""
    assert not _parsed(ledger_html(ledger)).links
    row = next(row for row in ledger if row["id"] == "visualchexbert.table4")
    row |= {"measured": "20 of 20 cells", "verdict": "reproduced", "n": 500}
    page = _parsed(ledger_html(ledger))
    assert page.links == ["studies/report_vs_image_agreement.html#table4-cells"]


def test_a_tested_claim_shows_level_detectable_effect_and_rule(ledger):
    """What the interval's limits leave out stands beside them."""
    row = next(row for row in ledger if row["id"] == "nlp_expert_gap.frozen_backbone")
    row |= {"measured": "-0.039", "low": -0.078, "high": -0.004, "level": 0.9875}
    text = ledger_html([row | {"detectable": 0.041}])
    assert "98.75 % interval; detectable 0.041" in text
    assert "equivalence within ±0.02, by the 97.5 % interval" in text


def test_the_ledger_escapes_every_text(ledger):
    """Markup in any text of a row is shown, not run."""
    fields = (
        "statement",
        "where",
        "published",
        "measured",
        "detail",
        "data",
        "rule",
        "scope",
        "verdict",
    )
    row = ledger[0] | {field: f"{EVIL} {field}" for field in fields}
    row |= {"amended": [EVIL], "low": None}
    text = ledger_html([row])
    assert "script" not in _parsed(text).tags
    assert text.count("&lt;script&gt;alert(&quot;1&quot;)") == len(fields) + 1


def test_every_data_set_shows_terms_and_command():
    """Each data set of the registry is listed with its terms and how to get it."""
    text = datasets_html()
    for entry in datasets().values():
        assert html.escape(entry.fetch_command) in text
        assert entry.homepage in _parsed(text).links


README = f"# Title\n\n{HEADLINE_BEGIN}\nold\n{HEADLINE_END}\n\nRest with \\1 and $2.\n"


def test_the_headline_is_replaced_and_stays(ledger):
    """Between the markers stands the ledger's table; a second time changes nothing."""
    ledger[0] |= {"measured": "20 of 20 cells \\1", "verdict": "reproduced"}
    once = with_headline(README, ledger)
    assert "old" not in once and "**reproduced** (same)" in once
    assert once.startswith("# Title") and once.endswith("Rest with \\1 and $2.\n")
    assert with_headline(once, ledger) == once


def test_only_measured_claims_are_headlines(ledger):
    """Nothing measured leaves the table's header alone."""
    table = with_headline(README, ledger).split(HEADLINE_BEGIN)[1].split(HEADLINE_END)[0]
    assert len(table.strip().splitlines()) == 2


@pytest.mark.parametrize(
    "readme",
    ["# Title\n", f"{HEADLINE_BEGIN}\n", f"{HEADLINE_END}\n{HEADLINE_BEGIN}\n", README * 2],
)
def test_missing_or_doubled_markers_are_an_error(readme, ledger):
    """Without exactly one pair of markers nothing is written."""
    with pytest.raises(ValueError, match=r"README\.md needs one pair"):
        with_headline(readme, ledger)
