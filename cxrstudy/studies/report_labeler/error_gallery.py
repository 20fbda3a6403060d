"""Where the labeler and the human codes differ: counts, and short quotes that show why."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from cxrstudy.data.openi import NO_FINDING, mesh_rules
from cxrstudy.labeler import Mention, explain_report
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN
from cxrstudy.studies.report_labeler.coded_reports import CodedReports

ERRORS: tuple[str, ...] = ("labeled, not coded", "coded, not labeled")
"""False positives and false negatives against the codes; uncertain labels are neither."""

_STEM = 5  # letters that a word of the report shares with a word of the code
_DEVICES = "Support Devices"
_WORD = re.compile(r"\S+")
_CUT = "\N{HORIZONTAL ELLIPSIS}"


class Quote(NamedTuple):
    """Words of a text around its evidence; an ellipsis marks where the text goes on."""

    before: str
    evidence: str
    after: str


_COLUMNS = ["observation", "error", *Quote._fields, "codes"]


def error_counts(codes: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count, for each observation, the reports by what codes and labels say of it."""
    coded, not_coded = codes == POSITIVE, codes == NEGATIVE
    false_positive, false_negative = _error_masks(codes, labels)
    uncertain = labels == UNCERTAIN
    counts = {
        "coded": coded,
        "coded and labeled": coded & (labels == POSITIVE),
        ERRORS[0]: false_positive,
        ERRORS[1]: false_negative,
        "uncertain, coded": uncertain & coded,
        "uncertain, not coded": uncertain & not_coded,
    }
    table = pd.DataFrame({name: mask.sum() for name, mask in counts.items()})
    return table.rename_axis("observation").astype(int)


def error_quotes(reports: CodedReports, labels: pd.DataFrame) -> pd.DataFrame:
    """Quote a few words of one error of each kind and observation against OpenI's codes.

    Which errors are shown is decided by the hash of their text, so nobody picked them. An error
    without a word to point at, such as a code of which no word stands in the report, is passed
    over, and so is a report that is too short to be quoted. Own reports give no row.
    """
    if not reports.may_be_quoted:
        return pd.DataFrame(columns=_COLUMNS, dtype="str")
    texts = reports.texts()
    order = pd.Series(reports.clusters, texts.index).drop_duplicates().sort_values().index
    masks = dict(zip(ERRORS, _error_masks(reports.main_codes, labels), strict=True))
    rows = []
    for observation in labels:
        for error in ERRORS:
            for report in order[masks[error].loc[order, observation]]:
                terms = reports.terms[report]
                if quote := _quote(texts[report], observation, error, terms):
                    rows.append((observation, error, *quote, "; ".join(terms)))
                    break
    return pd.DataFrame(rows, columns=_COLUMNS)


def _error_masks(codes: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mark the two kinds of error, which no policy for uncertain labels would mend."""
    asserted = labels == POSITIVE
    return asserted & (codes == NEGATIVE), ~asserted & (labels != UNCERTAIN) & (codes == POSITIVE)


def _quote(text: str, observation: str, error: str, terms: tuple[str, ...]) -> Quote | None:
    spans = _evidence(text, observation, error, terms)
    return next((quote for span in spans if (quote := quote_around(text, *span))), None)


def _evidence(
    text: str, observation: str, error: str, terms: tuple[str, ...]
) -> Iterator[tuple[int, int]]:
    """Yield places that explain an error: what was read, then words of the codes."""
    mentions = explain_report(text)
    for mention in mentions:
        if _explains(mention, observation, error):
            yield mention.start, mention.end
    # A missed finding may be named by the words of its code; a missed abnormality likewise.
    if (error == ERRORS[0]) == (observation == NO_FINDING):
        yield from _words_of_codes(text, observation, terms)


def _explains(mention: Mention, observation: str, error: str) -> bool:
    if observation == NO_FINDING:
        others = mention.observation not in (NO_FINDING, _DEVICES)
        return error == ERRORS[1] and others and mention.label != NEGATIVE
    return mention.observation == observation and (
        mention.label == (POSITIVE if error == ERRORS[0] else NEGATIVE)
    )


def _words_of_codes(
    text: str, observation: str, terms: tuple[str, ...]
) -> Iterator[tuple[int, int]]:
    """Find words of the text that begin like those of the observation's codes."""
    rules = mesh_rules("strict").get(observation)
    for term in terms:
        if rules is None or any(rule.holds(term) for rule in rules):
            for word in re.findall(r"[A-Za-z]{4,}", term.split("/")[0]):
                stem = re.escape(word[:_STEM])
                for match in re.finditer(rf"\b{stem}\w*", text, flags=re.IGNORECASE):
                    yield match.span()


def quote_around(text: str, start: int, end: int, n_words: int = 12) -> Quote | None:
    """Quote at most `n_words` words around the evidence ``text[start:end]``, never most of a text.

    The evidence is widened to whole words, and cut where it is too long. A text of fewer than
    twice as many words gives no quote, nor does empty evidence.

    >>> quote_around("one two three four five six", 8, 13, n_words=3)
    Quote(before='… two', evidence='three', after='four …')
    """
    words = [match.span() for match in _WORD.finditer(text)]
    inside = [n for n, span in enumerate(words) if max(start, span[0]) < min(end, span[1])]
    if not inside or len(words) < 2 * n_words:
        return None
    first, last = inside[0], min(inside[-1], inside[0] + n_words - 1)
    spare = n_words - (last - first + 1)
    begin = max(0, min(first - spare // 2, len(words) - n_words))
    stop = begin + n_words
    before = _joined(text, words[begin:first])
    after = _joined(text, words[last + 1 : stop])
    return Quote(
        before=f"{_CUT} {before}".strip() if begin else before,
        evidence=_joined(text, words[first : last + 1]),
        after=f"{after} {_CUT}".strip() if stop < len(words) else after,
    )


def _joined(text: str, words: list[tuple[int, int]]) -> str:
    return " ".join(text[start:end] for start, end in words)
