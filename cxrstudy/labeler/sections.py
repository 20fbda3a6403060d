"""Find the sections of a report, and with them the text that a labeler may read.

The indication says what was feared and the comparison what was there before. A labeler that reads
them turns questions into findings.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from importlib.resources import files
from typing import NamedTuple

import yaml

# In the order in which reports usually give them.
SECTIONS = ("indication", "comparison", "technique", "findings", "impression", "other")
LABELED_SECTIONS = ("findings", "impression")  # those that describe the image

_NAMES: dict[str, str] = {
    name: section
    for section, names in yaml.safe_load(
        files(__package__).joinpath("sections.yaml").read_text("utf-8")
    ).items()
    for name in names
}
_NAMES_IN_CAPITALS = {name.upper(): section for name, section in _NAMES.items()}
_MOST_WORDS = max(len(name.split()) for name in _NAMES)
# The last letters of all headings, to pass over most colons quickly.
_ENDING = 4
_ENDINGS = frozenset(name[-_ENDING:] for name in _NAMES)

# Sections before the findings; a paragraph after a blank line in them may be the findings.
_PREPARATIONS = frozenset({"indication", "comparison", "technique"})
_MARKUP = " \t\r\f\v*#>"
# A heading is looked for this far before a colon, so that time is linear in the text's length.
_REACH = 120
_LAST_SENTENCE_END = re.compile(r".*[.!?;:]")
_SPACE = re.compile(r"\s*")
_AFTER_HEADING = re.compile(r":\**")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


_Heading = tuple[int, int, str]  # its start, the start of its text, its section


class Span(NamedTuple):
    """A stretch of a report, without its heading and the space around it, in one section."""

    section: str
    start: int
    end: int


def split_sections(text: str) -> dict[str, str]:
    """Divide a report into all of `SECTIONS`, empty where it has none.

    A heading is one of the names in ``sections.yaml`` with a colon, in any case where a line or a
    sentence starts. As reports on one line often lack the full stop before it, a heading may also
    stand within a sentence: in capitals, unless the whole report is, or with a capital first letter
    if it opens findings or impression. In capitals it may stand alone on its line.
    """
    spans = section_spans(text)
    return {
        name: join_sections(text[start:end] for section, start, end in spans if section == name)
        for name in SECTIONS
    }


def labeled_text(text: str, sections: Collection[str] = LABELED_SECTIONS) -> str:
    r"""Join the wanted sections of a report; the whole report if it has no heading.

    >>> labeled_text("INDICATION: edema? FINDINGS: Clear lungs. IMPRESSION: Normal.")
    'Clear lungs.\n\nNormal.'
    """
    for section in sections:
        if section not in SECTIONS:
            raise ValueError(f"no section {section!r}; choose among: {', '.join(SECTIONS)}")
    headings = _find_headings(text)
    if not headings:
        return join_sections([text])
    spans = _spans(text, headings)
    return join_sections(text[start:end] for name, start, end in spans if name in sections)


def join_sections(parts: Iterable[str]) -> str:
    """Join sections with blank lines and full stops, so that no sentence runs into the next."""
    parts = [part for part in parts if part.strip()]
    ended = [
        part if part.rstrip().endswith((".", "!", "?", ":")) else f"{part}." for part in parts[:-1]
    ]
    return "\n\n".join([*ended, *parts[-1:]])


def section_spans(text: str) -> list[Span]:
    """Locate the sections of a report, none of them empty, in its order.

    Findings may lack a heading. Where no findings heading follows, these count as findings: the
    text before the first heading, and what comes after a blank line within the indication,
    comparison or technique. Header metadata (``FINAL REPORT``) and other text are "other".
    """
    return _spans(text, _find_headings(text))


def _spans(text: str, headings: list[_Heading]) -> list[Span]:
    if not headings:
        headings = [(0, 0, "findings")]
    spans = []
    findings = [start for start, _, section in headings if section == "findings"]
    for start, end in _paragraphs(text, headings[0][0]):  # before the first heading
        prose = not findings and _is_prose(text[start:end])
        spans.append(Span("findings" if prose else "other", start, end))
    stops = [start for start, _, _ in headings[1:]] + [len(text)]
    for (_, begin, section), stop in zip(headings, stops, strict=True):
        start, end = _stripped(text, min(begin, stop), stop)
        blank = None
        if section in _PREPARATIONS and not (findings and findings[-1] > start):
            blank = _BLANK_LINE.search(text, start, end)
        if blank:  # "HISTORY: cough", a blank line, "Lungs are clear."
            spans.append(Span(section, *_stripped(text, start, blank.start())))
            spans.append(Span("findings", blank.end(), end))
        else:
            spans.append(Span(section, start, end))
    return [span for span in spans if span.start < span.end]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """Move offsets inwards past white space."""
    start = _SPACE.match(text, start, end).end()
    return start, start + len(text[start:end].rstrip())


def _paragraphs(text: str, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets of paragraphs, which blank lines divide, up to a place."""
    start = 0
    for blank in _BLANK_LINE.finditer(text, 0, stop):
        yield _stripped(text, start, blank.start())
        start = blank.end()
    yield _stripped(text, start, stop)


def _is_prose(paragraph: str) -> bool:
    """Tell a paragraph from header metadata, which is in capitals and no sentence."""
    return paragraph.endswith((".", "!", "?")) or paragraph.upper() != paragraph


def _find_headings(text: str) -> list[_Heading]:
    headings = _headings_before_colons(text)
    if "\n" in text:
        headings = sorted([*headings, *_headings_alone_on_their_line(text)])
    return headings


def _headings_before_colons(text: str) -> list[_Heading]:
    headings = []
    all_capitals = text.isupper()
    colon = text.find(":")
    while colon >= 0:
        begin = max(0, colon - _REACH)
        before = text[begin:colon].rstrip(_MARKUP)
        if before[-_ENDING:].lower() in _ENDINGS:
            found = _heading_at_the_end(before, begin == 0, all_capitals)
            if found:
                end = _AFTER_HEADING.match(text, colon).end()
                headings.append((begin + found[0], end, found[1]))
        colon = text.find(":", colon + 1)
    return headings


def _heading_at_the_end(
    before: str, starts_text: bool, all_capitals: bool
) -> tuple[int, str] | None:
    """Return where the heading that ends a stretch of text starts, and its section."""
    line_start = before.rfind("\n") + 1
    line = before[line_start:]
    section = _NAMES.get(_plain(line))
    if section and (line_start or starts_text):  # "Findings:" begins a line
        return line_start, section
    sentence_end = _LAST_SENTENCE_END.match(before, line_start)
    sentence_start = sentence_end.end() if sentence_end else line_start
    sentence = before[sentence_start:].lstrip(_MARKUP)
    section = _NAMES.get(_plain(sentence))
    if section and sentence_end:  # "Cough. Findings:"
        return sentence_start, section
    return None if all_capitals else _heading_within_a_sentence(before, sentence)


def _heading_within_a_sentence(before: str, sentence: str) -> tuple[int, str] | None:
    """Find the longest heading that ends a sentence in which it does not belong."""
    words = sentence.split()
    for count in range(min(_MOST_WORDS, len(words) - 1), 0, -1):
        name = " ".join(words[-count:])
        section = _NAMES.get(name.lower())
        if section and (name.isupper() or (name[0].isupper() and section in LABELED_SECTIONS)):
            # "cough FINDINGS:" or "cough Findings:", but not "the prior Study:"
            rest = sentence.rsplit(None, count)[0]
            return len(before) - len(sentence) + len(rest), section
    return None


def _headings_alone_on_their_line(text: str) -> Iterator[_Heading]:
    start = 0
    for line in text.split("\n"):
        section = _NAMES_IN_CAPITALS.get(line.strip(_MARKUP))
        if section:
            yield start, start + len(line), section
        start += len(line) + 1


def _plain(name: str) -> str:
    """Return a name in lower case with single spaces and without markup."""
    return " ".join(name.lower().strip(_MARKUP).split())
