"""The built book in a real browser: quiet, offline, complete and accessible."""

import functools
import http.server
import json
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

from cxrstudy.paths import in_project
from cxrstudy.runs import studies

SITE = in_project("_build/html")
REQUIRED = bool(os.environ.get("CXRSTUDY_REQUIRE_BROWSER"))

pytestmark = pytest.mark.browser

if not REQUIRED and not SITE.is_dir():
    pytest.skip("needs a built book: run `make book` first", allow_module_level=True)


class _Page(HTMLParser):
    """Ids, links, sources and alt texts of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.sources, self.images = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in {"script", "img", "iframe", "source"} and values.get("src"):
            self.sources.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "preload", "icon"}:
            self.sources.append(values["href"])
        if tag == "img":
            self.images.append(values.get("alt"))


@functools.cache
def _parsed(path: Path) -> _Page:
    return _Page(path.read_text("utf-8"))


@functools.cache
def _soup(path: Path):
    from bs4 import BeautifulSoup

    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def _pages() -> list[Path]:
    """Pages of the book; the theme keeps templates of its own among its static files."""
    return [page for page in sorted(SITE.rglob("*.html")) if "_static" not in page.parts]


def _content_pages() -> list[Path]:
    return [page for page in _pages() if page.name not in {"genindex.html", "search.html"}]


@pytest.fixture(scope="module")
def server():
    """Serve the built site on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_every_page_is_quiet_complete_and_offline(open_page, server):
    """No console error, no request outside the site, no failed request, no missing image."""
    page, said, requested, failed, troubles = open_page(), [], [], [], []
    page.on("console", lambda message: said.append(message))
    page.on("request", lambda request: requested.append(request))
    page.on("pageerror", lambda error: troubles.append((page.url, str(error))))
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    assert _pages(), "the book has no pages"
    for path in _pages():
        response = page.goto(f"{server}/{path.relative_to(SITE)}", wait_until="networkidle")
        assert response.ok
        missing = page.evaluate(
            "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
        )
        troubles += [(page.url, source) for source in missing]
    assert not troubles
    # The browser drops the icon of a page that it leaves at once; nothing else may be dropped.
    dropped = (f"{server}/_static/favicon.svg", "net::ERR_ABORTED")
    assert not [each for each in failed if each != dropped]
    assert not [(message.page.url, message.text) for message in said if message.type == "error"]
    ours = (server, "data:", "blob:")
    assert not [request.url for request in requested if not request.url.startswith(ours)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_accessibility_violation(open_page, server, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(color_scheme=theme)
    page.add_init_script(f"localStorage.setItem('mode', '{theme}')")
    options = {"resultTypes": ["violations"]}
    found = []
    for path in _content_pages():
        page.goto(f"{server}/{path.relative_to(SITE)}", wait_until="networkidle")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        for violation in axe.run(page, options=options).response["violations"]:
            if violation["impact"] in {"serious", "critical"}:
                targets = [node["target"] for node in violation["nodes"]][:3]
                found.append((path.name, violation["id"], targets))
    assert not found


def test_the_ledger_sorts_by_a_click(open_page, server):
    page = open_page()
    page.goto(f"{server}/claims.html")
    column = page.locator("table.cxr-sortable th", has_text="Verdict").first
    chips = page.locator("table.cxr-sortable tbody [data-verdict]")
    read = "all => all.map(chip => chip.dataset.verdict)"
    column.locator("button").click()
    ascending = chips.evaluate_all(read)
    column.locator("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    assert ascending == sorted(ascending)
    assert chips.evaluate_all(read) == sorted(ascending, reverse=True)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("longer training agreement experts", "claims.html#nlp-expert-gap-memorises-labeler"),
        ("thresholds see", "studies/reader_panel.html#readers-differ-in-their-thresholds"),
    ],
)
def test_search_leads_to_a_ledger_row_or_a_section(open_page, server, words, first):
    page = open_page()
    page.goto(f"{server}/search.html?q={words.replace(' ', '+')}")
    link = page.wait_for_selector("#search-results li a")
    assert first in link.get_attribute("href")


def test_search_knows_every_claim_and_section_and_no_code():
    text = (SITE / "searchindex.js").read_text("utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip(" ;\n").removesuffix(")"))
    places = {(index["docnames"][page], place) for found in index["objects"].values()
              for page, _, _, place, _ in found}  # fmt: skip
    claims = re.findall(r'<tr id="([^"]+)"', (SITE / "claims.html").read_text("utf-8"))
    assert claims and {("claims", claim) for claim in claims} <= places
    sections = set()
    for study in studies():
        below = _soup(SITE / f"studies/{study}.html").select("article section section")
        sections |= {(f"studies/{study}", section["id"]) for section in below}
    assert len(sections) > 50 and sections <= places
    # Words of code cells that stand in no text of the book.
    assert not {"set_index", "iloc", "dropna", "groupbi"} & {*index["terms"]}


def test_wide_tables_scroll_inside_their_frame(open_page, server):
    """On a small screen no page scrolls sideways."""
    page = open_page(viewport={"width": 480, "height": 900})
    for path in _content_pages():
        page.goto(f"{server}/{path.relative_to(SITE)}")
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 1, path.name


@pytest.mark.parametrize(("width", "height", "screens"), [(1280, 900, 1), (390, 844, 3)])
def test_a_study_answers_at_its_top_and_ends_in_reach(open_page, server, width, height, screens):
    """Answer, figure and verdicts come first; twelve screens and six open tables at the most."""
    page = open_page(viewport={"width": width, "height": height})
    below = """all => all.map(e => e.getBoundingClientRect().bottom + scrollY)"""
    for study in studies():
        page.goto(f"{server}/studies/{study}.html", wait_until="networkidle")
        assert page.locator(".cxr-answer").count() == page.locator(".cxr-top img").count() == 1
        ends = page.locator(".cxr-answer, .cxr-top img, .cxr-chips").evaluate_all(below)
        assert max(ends) <= screens * height, (study, ends)
        assert page.locator("details.cxr-block[open]").count() <= 6, study
        if width == 1280:
            length = page.evaluate("document.documentElement.scrollHeight")
            assert length <= 12 * height, (study, length)


def test_the_first_number_of_a_table_is_on_the_screen(open_page, server):
    """At 1280 pixels no reader has to scroll a table sideways to see its first number."""
    page = open_page(viewport={"width": 1280, "height": 900})
    hidden_numbers = """() => [...document.querySelectorAll(".cxr-scroll table")].flatMap(table => {
        for (let fold = table; fold; fold = fold.parentElement.closest("details")) fold.open = true;
        const {right} = table.closest(".cxr-scroll").getBoundingClientRect();
        const numeric = (cell) => /^[+\u2212]?[0-9]/.test(cell.textContent.trim());
        const first = [...table.tBodies[0].rows].map(row => [...row.cells].find(numeric));
        const hidden = first.filter(cell => cell?.getBoundingClientRect().right > right + 1);
        return hidden.length ? [table.closest("[id]").id] : [];
    })"""
    for study in studies():
        page.goto(f"{server}/studies/{study}.html", wait_until="load")
        assert not page.evaluate(hidden_numbers), study
        assert page.locator(".cxr-scroll table:visible").count()


def test_paper_loses_no_column(open_page, server):
    """A4 between the margins that browsers set: every cell lies within the sheet and its frames."""
    page = open_page(viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")
    cut_cells = """() => [...document.querySelectorAll(".bd-article :is(th, td)")].filter(cell => {
        const {width, right} = cell.getBoundingClientRect();
        const cuts = (frame) => getComputedStyle(frame).overflowX !== "visible"
            && frame.getBoundingClientRect().right + 1 < right;
        let cut = !width || right > innerWidth + 1 || cell.scrollWidth > cell.clientWidth + 1;
        for (let frame = cell.closest("table"); frame.matches(".bd-article *");
             frame = frame.parentElement) cut ||= cuts(frame);
        return cut;
    }).map(cell => cell.textContent.trim())"""
    for name in ("claims", *(f"studies/{study}" for study in studies())):
        page.goto(f"{server}/{name}.html", wait_until="load")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert not page.evaluate(cut_cells), name


def test_the_page_of_a_smaller_run_concludes_nothing():
    """It has figures and tables, neither verdicts nor an answer, and leads to the study's page."""
    own = sorted((SITE / "studies").glob("*_run.html"))
    for page in own:
        text = page.read_text("utf-8")
        article = text[text.index("<article") : text.index("</article>")]
        assert "cxr-block" in article and "decides nothing" in article, page.name
        assert not [name for name in ("cxr-verdict", "cxr-answer") if name in article], page.name
        assert f'href="{page.name.replace("_run", "")}"' in article, page.name
    assert own


def test_no_external_script_style_or_image():
    external = [
        (page.name, source)
        for page in _pages()
        for source in _parsed(page).sources
        if urlsplit(source).scheme in {"http", "https"} or source.startswith("//")
    ]
    assert not external


def test_no_broken_internal_link():
    broken = []
    for page in _pages():
        for link in _parsed(page).links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file() or (
                parts.fragment
                and target.suffix == ".html"
                and unquote(parts.fragment) not in _parsed(target).ids
            ):
                broken.append((page.name, link))
    assert not broken


def test_every_page_has_one_title_its_terms_and_its_citation():
    for page in _content_pages():
        text = page.read_text("utf-8")
        # The theme repeats the title in a part that only print shows.
        article = text[text.index("<article") : text.index("</article>")]
        assert article.count("<h1") == 1, page.name
        assert "Not for clinical use" in text, page.name
        assert "Cite this page" in text, page.name
        assert "Project name not set" not in text, page.name
        assert "Copyright 2026 The cxrstudy authors" in text, page.name


def test_every_image_has_an_alt_text_that_says_something():
    for page in _content_pages():
        for alt in _parsed(page).images:
            assert alt and len(alt) > 20 and not alt.endswith(".png"), page.name


def test_no_path_of_the_building_machine_reaches_a_page():
    from cxrstudy.data.origins import CACHE_VARIABLE
    from cxrstudy.data.registry import MIRROR_VARIABLE

    folders = [str(in_project(".")), str(Path.home())]
    folders += [
        os.environ[name] for name in (MIRROR_VARIABLE, CACHE_VARIABLE) if name in os.environ
    ]
    for page in _pages():
        text = page.read_text("utf-8")
        assert not [folder for folder in folders if f"{folder}/" in text], page.name


def test_the_ledger_page_lists_every_claim():
    from cxrstudy.claims import claims

    rows = json.loads(in_project("_build/ledger.json").read_text("utf-8"))
    assert [row["id"] for row in rows] == list(claims())
    assert all(row["verdict"] for row in rows)
    text = (SITE / "claims.html").read_text("utf-8")
    assert text.count("<tr id=") == len(rows)


def _numbers(text: str) -> list[str]:
    return re.findall(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?", text.replace("\N{MINUS SIGN}", "-"))


def _lost(printed: str, element) -> list[str]:
    """Numbers of a text that an element does not hold, with their sign, as exactly or more so."""
    there = [float(each.replace(",", "")) for each in _numbers(element.get_text(" "))]
    lost = []
    for each in _numbers(printed):
        half = 0.5 * 10 ** -len(each.partition(".")[2]) + 1e-9
        number = float(each.replace(",", ""))
        if not any(abs(one - number) <= half and one * number >= 0 for one in there):
            lost.append(each)
    return lost


def test_every_chip_leads_to_what_holds_its_number():
    """Of studies, landing page and ledger: to the claim's row, and to the table that decided it."""
    from cxrstudy.book.printed_claims import PrintedClaim, row_id
    from cxrstudy.claims import read_ledger
    from cxrstudy.table_html import with_true_minus

    rows = {row_id(row): row for row in read_ledger(in_project("_build/ledger.json"))}
    lost, in_strip, n_tables = [], set(), 0
    for path in [SITE / "index.html", *(SITE / f"studies/{study}.html" for study in studies())]:
        for link in _soup(path).select(".bd-article a[data-verdict]"):
            page, _, place = link["href"].partition("#")
            target = _soup((path.parent / page).resolve()).find(id=place).get_text()
            said = [rows[place].statement, link["data-verdict"]]
            said.append(with_true_minus(PrintedClaim(rows[place]).measured))
            lost += [(path.name, place, each) for each in said if each not in target]
            if path.name == "index.html":
                in_strip.add(place)
        for link in _soup(path).select(".bd-article .cxr-chips a.cxr-measured"):
            target = _soup(path).find(id=link["href"].removeprefix("#"))
            if link.get_text() not in target.get_text():
                lost.append((path.name, link["href"], link.get_text()))
    for link in _soup(SITE / "claims.html").select("tr[id] a[data-verdict]"):
        page, _, place = link["href"].partition("#")
        target, row = _soup(SITE / page).find(id=place), rows[link.find_parent("tr")["id"]]
        n_tables += 1
        if with_true_minus(row.measured) not in target.get_text():
            lost.append((row.id, place))
        # Its rows too, and not only the line below them; a count is that of rows.
        if row.low is not None or (row.rule == "internal" and "." in row.measured):
            lost += [(row.id, place, each) for each in _lost(row.measured, target.find("table"))]
    assert in_strip == set(rows) and n_tables >= 50
    assert not lost


def test_the_ledger_filters_by_verdict_and_words(open_page, server):
    page = open_page()
    page.goto(f"{server}/claims.html?verdict=inconsistent")
    visible = page.locator("table.cxr-sortable tbody tr:visible")
    everything = page.locator("table.cxr-sortable tbody tr").count()
    words = visible.locator("[data-verdict]").evaluate_all("all => all.map(e => e.dataset.verdict)")
    assert 0 < len(words) < everything and set(words) == {"inconsistent"}
    page.locator("select[name=verdict]").select_option("")
    assert visible.count() == everything
    page.locator("input[name=words]").fill("students deberta")
    assert 0 < visible.count() < everything


def test_the_frozen_head_scores_as_was_verified():
    """Features of a network that saw no X-ray: known AUROC against experts and report labels."""
    results = in_project("_build/results/frozen_backbone")
    head = "method == 'ImageNet features (128 px)' and learned_from == 'report'"
    tables = (pd.read_csv(results / f"{name}.csv") for name in ("heads_pooled", "heads"))
    pooled, within = (table.query(head) for table in tables)
    auroc = pooled.set_index("quantity")["estimate"]
    assert auroc["expert"] == pytest.approx(0.786, abs=0.02)
    assert auroc["report"] == pytest.approx(0.659, abs=0.02)
    gap = within.query("quantity == 'gap'").iloc[0]
    assert gap["n"] == 2179 and gap["high"] < 0
