"""The rule labeler: reports in, labels and their evidence out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from cxrstudy.compiled import numba
from cxrstudy.labeler.automaton import PHRASE, compile_lexicon, find_phrases
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY, Lexicon, default_lexicon
from cxrstudy.labeler.scope import read_sentence
from cxrstudy.labeler.tokens import REPORT_END, fold, fold_with_offsets, split_words
from cxrstudy.labeler.walk import MENTION, NO_PHRASE, Rule, Strength, decide_no_finding
from cxrstudy.observations import LABEL_CODES, NEGATIVE, OBSERVATIONS, POSITIVE, UNCERTAIN

_CODES = np.array([np.nan, NEGATIVE, UNCERTAIN, POSITIVE])  # by `Strength`
_BATCH_CHARACTERS = 1 << 20  # so that a batch's arrays stay in the processor's cache
_NO_FINDING = "No Finding"


@dataclass(frozen=True)
class Mention:
    """One place where a report says something of an observation."""

    observation: str  # one of the 14
    label: int  # 1 positive, 0 negative, -1 uncertain
    start: int  # evidence: text[start:end] holds the finding, its cue and what links them
    end: int
    finding: str  # the words that name it; "" for "No Finding"
    cue: str  # the words that deny, hedge or describe it; "" for none
    rule: str  # which rule decided, such as "negation before"


class RuleLabeler:
    """Label reports by a lexicon, the package's own unless another is given.

    A label is the strongest of all mentions, positive over uncertain over negative; "No Finding" is
    positive when a report neither asserts nor suspects anything but support devices, and otherwise
    blank (Irvin et al. 2019, section 3).
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._automaton = compile_lexicon(lexicon or default_lexicon())

    def __call__(self, texts: Sequence[str]) -> pd.DataFrame:
        """Give each report, as far as it may be labeled, the 14 codes 1, 0, -1 and NaN."""
        strengths = np.zeros((len(texts), OTHER_ABNORMALITY + 1), dtype=np.uint8)
        for batch in _batches(texts):
            words, _ = self._split("\0".join(map(fold, texts[batch])))
            _label_batch(words, self._automaton, *_scratch(words), strengths[batch])
        codes = _CODES[strengths[:, :OTHER_ABNORMALITY]]
        return pd.DataFrame(codes, columns=list(OBSERVATIONS))

    def explain(self, text: str) -> list[Mention]:
        """List what a report says, in the order of the text; "No Finding" comes last."""
        folded, offsets = fold_with_offsets(text)
        words, spans = self._split(folded)
        spans = np.stack([offsets[spans[:, 0]], offsets[spans[:, 1] - 1] + 1], axis=1)
        mentions = []
        for sentence in _sentences(words):
            start, end = spans[sentence.start, 0], spans[sentence.stop - 1, 1]
            for mention in self._mentions(text, words, spans, sentence):
                alone = self([text[mention.start : mention.end]]).loc[0, mention.observation]
                if alone != mention.label:  # only the whole sentence gives the label
                    mention = replace(mention, start=int(start), end=max(int(end), mention.end))
                mentions.append(mention)
        if self([text]).loc[0, _NO_FINDING] == POSITIVE:
            start, end = len(text) - len(text.lstrip()), len(text.rstrip())
            mentions.append(Mention(_NO_FINDING, POSITIVE, start, end, "", "", "no finding"))
        return mentions

    def _split(self, folded: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the words of a folded text, or of several with zeros between, and their spans."""
        text = np.frombuffer(f"{folded}\0".encode("ascii"), dtype=np.uint8)
        words = np.empty(2 * len(text) + 2, dtype=np.int32)
        spans = np.empty((2 * len(text) + 2, 2), dtype=np.int32)
        n = split_words(text, self._automaton, words, spans)
        return words[:n], spans[:n]

    def _mentions(
        self, text: str, words: np.ndarray, spans: np.ndarray, sentence: slice
    ) -> Iterator[Mention]:
        """Yield what a sentence says; spans are offsets into the text."""
        phrases, mentions = _scratch(words)
        strengths = np.zeros(OTHER_ABNORMALITY + 1, dtype=np.uint8)
        n = find_phrases(words, sentence.start, sentence.stop, self._automaton, phrases)
        count = read_sentence(phrases, n, mentions, strengths)
        starts = spans[phrases["start"][:n], 0].tolist()
        ends = spans[phrases["end"][:n] - 1, 1].tolist()
        for mention in mentions[:count]:
            if mention["strength"] == Strength.BLANK:
                continue
            finding, cue, partner = mention[["phrase", "cue", "partner"]].tolist()
            parts = [place for place in (finding, cue, partner) if place != NO_PHRASE]
            for k in range(OTHER_ABNORMALITY):
                if mention["observations"] >> k & 1:
                    yield Mention(
                        OBSERVATIONS[k],
                        int(_CODES[mention["strength"]]),
                        min(starts[place] for place in parts),
                        max(ends[place] for place in parts),
                        text[starts[finding] : ends[finding]],
                        text[starts[cue] : ends[cue]] if cue != NO_PHRASE else "",
                        Rule(mention["rule"]).name.lower().replace("_", " "),
                    )


@numba.njit(cache=True)
def _label_batch(words, automaton, phrases, mentions, strengths):
    """Raise the strengths, uint8 (n_reports, 15), of a batch of reports from zero."""
    report = 0
    start = 0
    said_anything = False
    for i in range(len(words)):
        if words[i] >= 0:
            continue
        if i > start:
            said_anything = True
            n = find_phrases(words, start, i, automaton, phrases)
            read_sentence(phrases, n, mentions, strengths[report])
        start = i + 1
        if words[i] == REPORT_END:
            if said_anything:
                decide_no_finding(strengths[report])
            said_anything = False
            report += 1


def _batches(texts: Sequence[str]) -> Iterator[slice]:
    """Cut a sequence so that a batch's arrays stay in the processor's cache."""
    first = size = 0
    for position, text in enumerate(texts, start=1):
        size += len(text) + 1
        if size >= _BATCH_CHARACTERS or position == len(texts):
            yield slice(first, position)
            first, size = position, 0


def _sentences(words: np.ndarray) -> Iterator[slice]:
    """Yield the sentences that hold a word."""
    start = 0
    for end in np.flatnonzero(words < 0).tolist():
        if end > start:
            yield slice(start, end)
        start = end + 1


def _scratch(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make room for the phrases and mentions of the longest sentence."""
    longest = int(np.diff(np.flatnonzero(words < 0), prepend=-1).max()) + 1
    return np.empty(longest, dtype=PHRASE), np.empty(2 * longest, dtype=MENTION)


@cache
def default_labeler() -> RuleLabeler:
    """Build the labeler with the package's lexicon, once."""
    return RuleLabeler()


def label_reports(texts: Sequence[str]) -> pd.DataFrame:
    """Label reports with the package's lexicon; see `RuleLabeler`.

    >>> labels = label_reports(["Small effusion. No edema.", "Possible pneumonia."])
    >>> labels[["Pleural Effusion", "Edema", "Pneumonia"]]
       Pleural Effusion  Edema  Pneumonia
    0               1.0    0.0        NaN
    1               NaN    NaN       -1.0
    """
    return default_labeler()(texts)


def explain_report(text: str) -> list[Mention]:
    """List what a report says of each observation, with the evidence.

    >>> mention = explain_report("There is no pleural effusion.")[0]
    >>> mention.observation, mention.label, mention.cue, mention.rule
    ('Pleural Effusion', 0, 'There is no', 'negation before')
    """
    return default_labeler().explain(text)


def mentions_table(sentences: Iterable[str]) -> pd.DataFrame:
    """List what the labeler finds in each sentence, and why.

    Parameters
    ----------
    sentences : iterable of str

    Returns
    -------
    DataFrame of str
        Columns sentence, observation, label, rule, finding and cue: a row for each mention, or
        one with blanks for a sentence without any.
    """
    rows = []
    for sentence in sentences:
        rows += [
            (sentence, m.observation, LABEL_CODES[m.label], m.rule, m.finding, m.cue)
            for m in explain_report(sentence)
        ] or [(sentence, "", "", "", "", "")]
    columns = ["sentence", "observation", "label", "rule", "finding", "cue"]
    return pd.DataFrame(rows, columns=columns)
