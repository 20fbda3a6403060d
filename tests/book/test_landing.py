"""The landing page: its words follow the tables, its counts add up, nothing in it is typed."""

import re
from dataclasses import replace

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cxrstudy.book import printed_claims
from cxrstudy.book.hero import Hero, draw_preview, hero, text_of_preview
from cxrstudy.book.landing import _MEANINGS, TITLE, Findings, Scores
from cxrstudy.claims import build_ledger
from cxrstudy.display import METADATA_KEY
from cxrstudy.paths import in_project
from cxrstudy.runs.catalogue import RunFolders

REASONS = pd.DataFrame(
    [
        ("all together", 0.6, 0.5, 0.7),
        ("label hierarchy", 0.03, 0.02, 0.04),
        ("noise of the labeling task", 0.25, 0.2, 0.3),
        ("beyond one reader's noise", 0.35, 0.3, 0.4),
    ],
    columns=["reason", "estimate", "low", "high"],
)
HERO = Hero("i.png", b"", {"report": "no <finding>", "reader": "opacity"}, n_read=9, n_agree=4)


@pytest.fixture
def ledger(tmp_path):
    """Every claim, of which a supported, an inconsistent and an inconclusive one are decided."""
    rows = build_ledger([tmp_path])
    verdicts = ("supported, exploratory", "inconsistent", "inconclusive")
    decided = zip(rows[:3], verdicts, strict=True)
    return [*(replace(row, verdict=verdict) for row, verdict in decided), *rows[3:]]


def _scores(tmp_path, reasons=REASONS) -> Scores:
    reasons.to_csv(tmp_path / "published_reasons.csv", index=False)
    return Scores.read(tmp_path)


def test_the_sentence_follows_the_table(tmp_path):
    scores = _scores(tmp_path)
    assert scores.report == pytest.approx((0.4, 0.3, 0.5))
    assert scores.sentence.startswith("A report label records what a radiologist wrote, not")
    assert "scores F1 0.40, where one more radiologist scores 0.75" in scores.sentence
    assert "costs the report label 0.03 (0.02 to 0.04): a broader" in scores.sentence
    assert [bar[1:] for bar in scores.bars] == [
        ("40.0%", "0.40 (0.30 to 0.50)"),
        ("75.0%", "0.75 (0.70 to 0.80)"),
    ]


def test_a_reader_who_is_not_better_turns_the_sentence(tmp_path):
    close = REASONS.assign(low=REASONS["low"].where(REASONS["estimate"] != 0.35, -0.01))
    sentence = _scores(tmp_path, close).sentence
    assert sentence.startswith("A report label is not told from one more look at the image:")


def test_counts_add_up(ledger):
    """Each verdict that there is has one meaning, and each claim is counted once."""
    words = [word for group in _MEANINGS.values() for word in group]
    assert sorted(words) == sorted(printed_claims.LETTERS)
    counts = Findings(ledger, None, [], None).counts
    total, *parts = map(int, re.findall(r"\d+", counts))
    assert total == sum(parts) == len(ledger)
    assert parts == [1, 1, 1, len(ledger) - 3]


def test_a_total_and_its_squares_have_one_colour(tmp_path, ledger):
    style = in_project("book/_static/cxrstudy.css").read_text("utf-8")
    hues = {
        name: hue
        for names, hue in re.findall(r"\n((?:\.cxr-[\w-]+(?:, )?)+) \{ --cxr-hue: (#\w+)", style)
        for name in names.split(", ")
    }
    for words in _MEANINGS.values():
        assert len({hues.get(f".cxr-{word.replace(' ', '-')}") for word in words}) == 1
    page = Findings(ledger, _scores(tmp_path), [], HERO).landing_markdown()
    legend = page[page.index('<ul class="cxr-legend">') :].partition("</ul>")[0]
    assert "<li>1 against it: " in legend and legend.count("<li>") == len(_MEANINGS)


def test_without_study_02_the_page_counts(tmp_path, ledger):
    found = Findings(ledger, Scores.read(tmp_path), [], None)
    page = found.landing_markdown()
    assert found.sentence == found.counts and "cxr-bars" not in page
    assert "not on this machine" in page


def test_the_page_holds_answer_labels_and_a_square_for_each_claim(tmp_path, ledger):
    page = Findings(ledger, _scores(tmp_path), [], HERO).landing_markdown()
    assert page.startswith(f"# {TITLE}\n") and "F1 0.40" in page
    strip = page[page.index('<ul class="cxr-strip"') :]
    strip = strip[: strip.index("</ul>")]
    linked = re.findall(r'href="claims\.html#([\w-]+)"', strip)
    assert sorted(linked) == sorted(map(printed_claims.row_id, ledger))
    assert "no &lt;finding&gt;" in page and "<finding>" not in page
    assert "on 4 of them they agree" in page
    assert "{{" not in page and "{%" not in page


def test_no_number_is_typed_into_the_template():
    template = in_project("book/_templates/landing.md").read_text("utf-8")
    assert not re.findall(r"\d[.,]\d", template)


def _output(kind, data, **shown):
    shown = {"kind": kind, "name": kind, **shown}
    return new_output("display_data", data=data, metadata={METADATA_KEY: shown})


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs, of which only one gave an answer, and none that is recorded."""
    monkeypatch.setattr("cxrstudy.runs.catalogue.recorded_folder", lambda: tmp_path / "recorded")
    answer = _output("answer", {}, sentence="Yes, by -0.5 <b>.", figure="figure")
    figure = _output("figure", {"image/svg+xml": "<svg/>"}, alt="It\nrises.")
    for study, outputs in {"nlp_to_expert_gap": [figure, answer], "report_labeler": []}.items():
        path = RunFolders.of(study, tmp_path).executed
        path.parent.mkdir(parents=True)
        nbformat.write(new_notebook(cells=[new_code_cell("", outputs=outputs)]), path)
    monkeypatch.setattr("cxrstudy.book.landing.hero", lambda: HERO)
    return tmp_path


def test_a_study_with_an_answer_has_a_card_with_its_first_verdict(runs, ledger):
    found = Findings.of_runs(runs, ledger)
    (card,) = found.cards
    assert card.study.name == "nlp_to_expert_gap"
    assert card.row.id == "nlp_expert_gap.report_labels_flatter"
    page = found.landing_markdown()
    assert "Yes, by \N{MINUS SIGN}0.5 &lt;b&gt;." in page and "<b>." not in page
    assert ":alt: It rises.\n" in page and "studies/nlp_to_expert_gap/answer.svg" in page
    assert found.in_readme()[1] == f"{card.study.question} Yes, by -0.5 <b>."


def test_the_x_ray_has_three_answers():
    """Known of the tables: 62 images of the block were labeled by all three."""
    found = hero()
    assert found.image == "00001900_019.png" and found.jpeg.startswith(b"\xff\xd8")
    assert list(found.answers.values()) == [
        "no finding", "no lung opacity / not normal", "airspace opacity, nodule or mass",
    ]  # fmt: skip
    assert (found.n_read, found.n_agree) == (62, 32)


def test_picture_and_readme_say_what_the_page_says(tmp_path, ledger):
    """The three answers are in the picture's text, and the limits in the README's sentence."""
    found = Findings(ledger, _scores(tmp_path), [], HERO)
    assert "report: no <finding>\nreader: opacity\n" in found.on_preview
    assert found.on_preview.endswith(f"{found.scores.sentence}\n\n{found.counts}")
    (first,) = found.in_readme()
    assert all(number in first for _, _, number in found.scores.bars)


def test_a_preview_carries_its_text(tmp_path):
    draw_preview(tmp_path / "a.png", None, "Title", "What was found.\n\nSo much.")
    assert text_of_preview(tmp_path / "a.png") == "What was found.\n\nSo much."
    assert text_of_preview(tmp_path / "none.png") == ""
