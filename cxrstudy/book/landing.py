"""What was found, on the landing page and in the README: from the ledger and the shown runs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from cxrstudy.book.hero import CREDIT, Hero, draw_preview, hero
from cxrstudy.book.printed_claims import LETTERS, markdown_text, verdict_chip, verdict_word
from cxrstudy.book.release import release
from cxrstudy.book.top import answer_of, description_markdown, figure_of, one_line
from cxrstudy.claims import LedgerRow
from cxrstudy.data.registry import DataNotAvailableError
from cxrstudy.paths import in_project
from cxrstudy.published import PAPERS, paper
from cxrstudy.runs.catalogue import Study, studies
from cxrstudy.runs.shown import shown_run
from cxrstudy.table_html import with_true_minus

TITLE = "What does a chest X-ray label measure?"

# Verdicts by what they mean for the paper.
_MEANINGS = {
    "came out for the paper": (
        "supported", "reproduced", "consistent", "compatible", "mechanism shown",
    ),
    "against it": (
        "contradicted", "not reproduced", "inconsistent", "differs",
    ),
    "stay open": (
        "inconclusive", "negligible", "not comparable", "too few", "not decidable here",
        "mechanism not shown",
    ),
    "have no measurement": ("not measurable", "not yet measured"),
}  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """F1 of two kinds of label against radiologists who read the image, each with its limits."""

    report: tuple[float, float, float]
    reader: tuple[float, float, float]  # one more radiologist
    convention: tuple[float, float, float]  # what closing the report's labels upward gains
    reader_is_better: bool

    @classmethod
    def read(cls, results: Path) -> "Scores | None":
        """Read the scores from study 02's table of reasons, if it has run."""
        path = results / "published_reasons.csv"
        if not path.exists():
            return None
        limits = pd.read_csv(path, index_col="reason")[["estimate", "low", "high"]]
        missed, noise = limits.loc["all together"], limits.loc["noise of the labeling task"]
        # What is missed at most is what is met at least.
        report, reader = (tuple(1 - row[["estimate", "high", "low"]]) for row in (missed, noise))
        return cls(
            report,
            reader,
            convention=tuple(limits.loc["label hierarchy"]),
            reader_is_better=bool(limits.loc["beyond one reader's noise", "low"] > 0),
        )

    @property
    def sentence(self) -> str:
        """Answer the book's question."""
        head = "A report label is not told from one more look at the image"
        if self.reader_is_better:
            head = "A report label records what a radiologist wrote, not what the image shows"
        gain, low, high = self.convention
        return (
            f"{head}: against radiologists who read the image it scores F1 {self.report[0]:.2f}, "
            f"where one more radiologist scores {self.reader[0]:.2f}. A labeling convention costs "
            f"the report label {gain:.2f} ({low:.2f} to {high:.2f}): a broader finding, such as "
            "Lung Opacity, stays blank beside a narrower one."
        )

    @property
    def bars(self) -> list[tuple[str, str, str]]:
        """Lay the two out: what it is, length in per cent, number with its limits."""
        rows = (("Report label", self.report), ("One more radiologist", self.reader))
        return [
            (name, f"{value:.1%}", f"{value:.2f} ({low:.2f} to {high:.2f})")
            for name, (value, low, high) in rows
        ]


@dataclass(frozen=True)
class Card:
    """What one study found: its answer, the alt text of its figure, its first verdict."""

    study: Study
    sentence: str
    alt: str
    row: LedgerRow | None  # none if the study decides no claim


@dataclass(frozen=True)
class Findings:
    """What the runs at hand have found."""

    ledger: list[LedgerRow]
    scores: Scores | None  # none if study 02 has not run
    cards: list[Card]
    hero: Hero | None  # none if its data are not on this machine

    @classmethod
    def of_runs(cls, build: Path, ledger: list[LedgerRow]) -> "Findings":
        """Gather them from the runs that the pages show."""
        results = shown_run(studies()["report_vs_image_agreement"], build).results
        cards = [_card(study, build, ledger) for study in studies().values() if study.card]
        return cls(ledger, Scores.read(results), list(filter(None, cards)), _hero_if_here())

    @property
    def sentence(self) -> str:
        """Answer the book's question, or count what stands in the ledger."""
        return self.scores.sentence if self.scores else self.counts

    @property
    def counts(self) -> str:
        """Say how many claims came out how."""
        counted = _by_meaning(self.ledger).items()
        said = ", ".join(f"{sum(words.values())} {means}" for means, words in counted)
        return f"Of {len(self.ledger)} claims, {said}."

    @property
    def on_preview(self) -> str:
        """What the picture of the README says below its title."""
        text = f"{self.scores.sentence}\n\n{self.counts}" if self.scores else self.counts
        if self.hero is None:
            return text
        answers = "".join(f"{who}: {said}\n" for who, said in self.hero.answers.items())
        return f"This X-ray, by three sources of labels:\n{answers}\n{text}"

    def draw(self, path: Path) -> None:
        """Draw the picture of the README and of shared links."""
        draw_preview(path, self.hero, TITLE, self.on_preview)

    def in_readme(self) -> list[str]:
        """List the answers, the book's first, with the limits that the page draws as bars."""
        bars = self.scores.bars if self.scores else []
        limits = "; ".join(f"{name.lower()} {number}" for name, _, number in bars)
        first = f"{self.sentence} 95 % intervals: {limits}." if limits else self.sentence
        return [first, *(f"{card.study.question} {card.sentence}" for card in self.cards)]

    def landing_markdown(self) -> str:
        """Fill the template of the landing page, ``book/_templates/landing.md``."""
        environment = Environment(trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {
            "text": lambda text: with_true_minus(Markup.escape(text)),
            "markdown": markdown_text,
            "one_line": one_line,
        }
        template = in_project("book/_templates/landing.md").read_text("utf-8")
        papers = {key: [row for row in self.ledger if row.paper == key] for key in PAPERS}
        return environment.from_string(template).render(
            found=self, papers=papers, about=lambda key: paper(key)["paper"], title=TITLE,
            described=description_markdown, chip=verdict_chip, legend=_legend, credit=CREDIT,
            release=release(),
        )  # fmt: skip


def _card(study: Study, build: Path, ledger: list[LedgerRow]) -> Card | None:
    executed = shown_run(study, build).executed
    notebook = nbformat.read(executed, as_version=4) if executed.exists() else None
    answer = answer_of(notebook) if notebook else None
    if answer is None:
        return None
    rows = [row for row in ledger if row.study == study.name]
    first = min(rows, key=lambda row: (row.family != "primary", not row.measured), default=None)
    return Card(study, answer["sentence"], figure_of(notebook, answer["figure"])[1], first)


def _hero_if_here() -> Hero | None:
    try:
        return hero()
    except DataNotAvailableError:
        return None


def _by_meaning(ledger: Iterable[LedgerRow]) -> dict[str, dict[str, int]]:
    """Count verdicts by what they mean, the most frequent first."""
    counts = Counter(map(verdict_word, ledger)).most_common()
    return {
        means: {word: n for word, n in counts if word in group}
        for means, group in _MEANINGS.items()
    }


def _legend(ledger: Iterable[LedgerRow]) -> Markup:
    """List the verdicts that occur: for each meaning, which has one colour, its total and words."""
    item = Markup('<span><b class="cxr-verdict cxr-{}">{}</b> {} {}</span>')
    line = Markup("<li>{} {}: {}</li>")
    lines = []
    for means, words in _by_meaning(ledger).items():
        items = [item.format(w.replace(" ", "-"), LETTERS[w], n, w) for w, n in words.items()]
        if items:
            lines.append(line.format(sum(words.values()), means, Markup(" ").join(items)))
    return Markup('<ul class="cxr-legend">{}</ul>').format(Markup("").join(lines))
