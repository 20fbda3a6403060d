"""Where the labeler and the human codes differ: counts, and short quotes that show why."""

import re
from collections.abc import Iterator

import pandas as pd

from cxrstudy.data.openi import NO_FINDING, mesh_rules
from cxrstudy.labeler import Mention, explain_report
from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN
from cxrstudy.studies.report_labeler.coded_reports import CodedReports
from cxrstudy.studies.report_labeler.quotes import Quote, quote_around
from cxrstudy.studies.report_labeler.readings import WHOLE_REPORT, reading_texts

ERRORS: tuple[str, ...] = ("labeled, not coded", "coded, not labeled")
"""False positives and false negatives against the codes; uncertain labels are neither."""

_COLUMNS = ["observation", "error", *Quote._fields, "codes"]
_STEM = 5
_DEVICES = "Support Devices"


def error_counts(codes: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count, for each observation, the reports in which labeler and codes differ.

    Parameters
    ----------
    codes : DataFrame, shape (n_reports, n_observations)
        1, 0 and NaN.
    labels : DataFrame
        Codes 1, 0, -1 and NaN on the same rows and columns.

    Returns
    -------
    DataFrame of int
        Indexed by observation; columns coded, both, the two of `ERRORS`, and uncertain labels
        that are coded and not coded.
    """
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


def error_quotes(reports: CodedReports, labels: pd.DataFrame, per_error: int = 1) -> pd.DataFrame:
    """Quote a few words of errors against OpenI's codes.

    Which errors are shown is decided by the hash of their text, so nobody picked them. An error
    without a word to point at, such as a code of which no word stands in the report, is passed
    over, and so is a report that is too short to be quoted.

    Parameters
    ----------
    reports : CodedReports
    labels : DataFrame, shape (n_reports, n_observations)
        Labels of findings and impression.
    per_error : int
        Quotes for each observation and kind of error.

    Returns
    -------
    DataFrame of str
        Columns observation, error, before, evidence, after and codes; no row if the reports may
        not be quoted.
    """
    if not reports.may_be_quoted:
        return pd.DataFrame(columns=_COLUMNS, dtype="str")
    texts = reading_texts(reports, WHOLE_REPORT)
    order = pd.Series(reports.clusters, texts.index).drop_duplicates().sort_values().index
    rows = []
    for error, mask in zip(ERRORS, _error_masks(reports.main_codes, labels), strict=True):
        for observation in labels:
            quoted = 0
            for report in order[mask.loc[order, observation]]:
                terms = reports.terms[report]
                quote = _quote(texts[report], observation, error, terms)
                if quote and quoted < per_error:
                    rows.append((observation, error, *quote, "; ".join(terms)))
                    quoted += 1
    table = pd.DataFrame(rows, columns=_COLUMNS)
    place = table["observation"].map({name: n for n, name in enumerate(labels)})
    return table.iloc[place.argsort(kind="stable")].reset_index(drop=True)


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
