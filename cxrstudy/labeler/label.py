"""The rule labeler: reports in, labels and their evidence out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from cxrstudy.labeler.automaton import compile_lexicon
from cxrstudy.labeler.batch import label_batch
from cxrstudy.labeler.folding import fold, fold_with_offsets
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY, Lexicon, default_lexicon
from cxrstudy.labeler.phrases import find_phrases
from cxrstudy.labeler.scope import read_sentence
from cxrstudy.labeler.strengths import BLANK_STRENGTH, RULES
from cxrstudy.labeler.tokens import CHARACTER_CLASSES, REPORT_END, split_words
from cxrstudy.observations import NEGATIVE, OBSERVATIONS, POSITIVE, UNCERTAIN

_CODES = np.array([np.nan, NEGATIVE, UNCERTAIN, POSITIVE])
_BATCH_CHARACTERS = 1 << 20
_ABBREVIATIONS = ("vs", "dr", "approx", "cf", "fig")
_NO_FINDING = "No Finding"


@dataclass(frozen=True)
class Mention:
    """One place where a report says something of an observation.

    Attributes
    ----------
    observation : str
        One of the 14.
    label : int
        1 positive, 0 negative, -1 uncertain.
    start, end : int
        Evidence: `text[start:end]` holds the finding, its cue and what links them.
    finding : str
        The words that name the finding; "" for "No Finding".
    cue : str
        The words that deny, hedge or describe it; "" for none.
    rule : str
        Which rule decided; see `strengths.RULES`.
    """

    observation: str
    label: int
    start: int
    end: int
    finding: str
    cue: str
    rule: str


class RuleLabeler:
    """Label reports by a lexicon.

    Text is compared without regard to case and white space. A label is the strongest of all
    mentions, positive over uncertain over negative; "No Finding" is positive when a report
    neither asserts nor suspects anything but support devices, and otherwise blank. A report
    without a word is blank throughout.

    Parameters
    ----------
    lexicon : Lexicon, optional
        The package's own unless given.

    References
    ----------
    Irvin et al. 2019, section 3 and the labeler's published rules.
    """

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or default_lexicon()
        self._automaton = compile_lexicon(self.lexicon)
        self._abbreviations = np.array(
            [number for word in _ABBREVIATIONS if (number := self._word(word))], dtype=np.int32
        )

    def __call__(self, texts: Sequence[str]) -> pd.DataFrame:
        """Label reports.

        Parameters
        ----------
        texts : sequence of str, length n_reports
            What may be labeled, findings and impression; see `labeled_text` for whole reports.

        Returns
        -------
        DataFrame of float64, shape (n_reports, 14)
            Codes 1, 0, -1 and NaN for blank.
        """
        strengths = np.zeros((len(texts), OTHER_ABNORMALITY + 1), dtype=np.uint8)
        for first, last in _batches(texts):
            self._label_batch(texts[first:last], strengths[first:last])
        codes = _CODES[strengths[:, :OTHER_ABNORMALITY]]
        return pd.DataFrame(codes, columns=list(OBSERVATIONS))

    def explain(self, text: str) -> list[Mention]:
        """List what a report says of each observation, with the evidence.

        Parameters
        ----------
        text : str

        Returns
        -------
        list of Mention
            In the order of the text; "No Finding" comes last. The strongest mention of an
            observation is its label.
        """
        folded, offsets = fold_with_offsets(text)
        mentions = []
        for start, end, observation, strength, finding, cue, rule in self._mentions(folded):
            first, last = offsets[start], offsets[end - 1] + 1
            mentions.append(
                Mention(
                    OBSERVATIONS[observation],
                    int(_CODES[strength]),
                    first,
                    last,
                    _slice(text, offsets, finding),
                    _slice(text, offsets, cue),
                    RULES[rule],
                )
            )
        mentions = [self._self_sufficient(text, mention) for mention in mentions]
        if self([text]).loc[0, _NO_FINDING] == POSITIVE:
            start = len(text) - len(text.lstrip())
            end = len(text.rstrip())
            mentions.append(Mention(_NO_FINDING, POSITIVE, start, end, "", "", "no finding"))
        return mentions

    def _self_sufficient(self, text: str, mention: Mention) -> Mention:
        """Widen evidence to its sentence where alone it would not give the label."""
        alone = self([text[mention.start : mention.end]]).loc[0, mention.observation]
        if alone == mention.label:
            return mention
        start, end = self._sentence_around(text, mention.start)
        return Mention(**{**mention.__dict__, "start": start, "end": max(end, mention.end)})

    def _sentence_around(self, text: str, position: int) -> tuple[int, int]:
        folded, offsets = fold_with_offsets(text)
        words, spans, n_words = self._split(folded)
        first = 0
        for i in range(n_words):
            if words[i] < 0:
                last = spans[i - 1, 1] if i else 0
                if offsets[min(last, len(offsets) - 1)] > position or words[i] == REPORT_END:
                    return offsets[spans[first, 0]], offsets[last - 1] + 1
                first = i + 1
        raise AssertionError("every batch ends with the end of a report")

    def _word(self, word: str) -> int:
        """Look up a word's number; 0 if the lexicon does not know it."""
        state = 0
        for letter in word:
            state = self._automaton.letter_next[state, ord(letter) - ord("a")]
            if state == 0:
                return 0
        return int(self._automaton.word_exact[state])

    def _split(self, folded: str) -> tuple[np.ndarray, np.ndarray, int]:
        text = np.frombuffer((folded + "\0").encode("ascii"), dtype=np.uint8)
        words = np.empty(2 * len(text) + 2, dtype=np.int32)
        spans = np.empty((2 * len(text) + 2, 2), dtype=np.int32)
        automaton = self._automaton
        n_words = split_words(
            text,
            CHARACTER_CLASSES,
            automaton.letter_next,
            automaton.word_exact,
            automaton.word_prefix,
            self._abbreviations,
            words,
            spans,
        )
        return words, spans, n_words

    def _label_batch(self, texts: Sequence[str], strengths: np.ndarray) -> None:
        words, spans, n_words = self._split("\0".join(map(fold, texts)))
        label_batch(words, spans, n_words, self._automaton, *_scratch(words[:n_words]), strengths)

    def _mentions(self, folded: str) -> Iterator[tuple]:
        """Yield evidence span, observation, strength, finding span, cue span and rule."""
        words, spans, n_words = self._split(folded)
        phrases, ahead, mentions = _scratch(words[:n_words])
        strengths = np.zeros(OTHER_ABNORMALITY + 1, dtype=np.uint8)
        first = 0
        for last in np.flatnonzero(words[:n_words] < 0):
            n = find_phrases(words, spans, first, last, self._automaton, phrases)
            count = read_sentence(phrases, n, self._automaton, ahead, strengths, mentions)
            first = last + 1
            for bits, strength, phrase, cue, rule, partner in mentions[:count].tolist():
                if strength == BLANK_STRENGTH:
                    continue
                parts = [_span(spans, phrases[k]) for k in (phrase, cue, partner) if k >= 0]
                start, end = min(p[0] for p in parts), max(p[1] for p in parts)
                cue_span = _span(spans, phrases[cue]) if cue >= 0 else (0, 0)
                for observation in range(OTHER_ABNORMALITY):
                    if bits >> observation & 1:
                        yield start, end, observation, strength, parts[0], cue_span, rule


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut a sequence so that a batch's arrays stay in the processor's cache."""
    first = size = 0
    for position, text in enumerate(texts):
        size += len(text) + 1
        if size >= _BATCH_CHARACTERS:
            yield first, position + 1
            first, size = position + 1, 0
    if first < len(texts):
        yield first, len(texts)


def _scratch(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make room for the phrases and mentions of the longest sentence."""
    ends = np.flatnonzero(words < 0)
    longest = int(np.diff(ends, prepend=-1).max()) + 1
    return (
        np.empty((longest, 3), dtype=np.int32),
        np.empty((3, longest), dtype=np.bool_),
        np.empty((2 * longest, 6), dtype=np.int32),
    )


def _span(spans: np.ndarray, phrase: np.ndarray) -> tuple[int, int]:
    return int(spans[phrase[1], 0]), int(spans[phrase[2] - 1, 1])


def _slice(text: str, offsets: Sequence[int], span: tuple[int, int]) -> str:
    start, end = span
    return text[offsets[start] : offsets[end - 1] + 1] if end else ""


@cache
def default_labeler() -> RuleLabeler:
    """Build the labeler with the package's lexicon, once.

    Returns
    -------
    RuleLabeler
    """
    return RuleLabeler()


def label_reports(texts: Sequence[str]) -> pd.DataFrame:
    """Label reports with the package's lexicon; see `RuleLabeler`.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    DataFrame of float64, shape (n_reports, 14)
        Codes 1, 0, -1 and NaN for blank.
    """
    return default_labeler()(texts)


def explain_report(text: str) -> list[Mention]:
    """List what a report says, with evidence, by the package's lexicon; see `RuleLabeler`.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Mention
    """
    return default_labeler().explain(text)
