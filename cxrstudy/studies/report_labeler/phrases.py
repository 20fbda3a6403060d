"""Phrases of another labeler: those that hide in longer words, and silhouettes left unchanged."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from cxrstudy.labeler import explain_report

UNANCHORED_PHRASES: dict[str, tuple[str, ...]] = {
    "Support Devices": (
        "tube", "plate", "coil", "lines", "valve", "support", "screw", "marker", "device", "icd",
        "hardware", "equipment", "catheter",
    ),
    "Lung Lesion": ("mass", "lump", "nodule", "tumor"),
    "Lung Opacity": ("scar", "infiltrate"),
    "Pneumonia": ("pneumonia", "infection"),
    "Edema": ("edema", "chf"),
    "Pleural Other": ("fibrosis",),
    "Fracture": ("fracture",),
}  # fmt: skip
"""Phrases of the CheXpert labeler that are words, which it also finds inside other words.

Its stems ("opaci", "atelecta") are meant to be continued and are left out, and so is "line", which
it anchors. The labeler is Copyright (c) 2018 Stanford Machine Learning Group, MIT License.
"""

EXCEPTED_WORDS: tuple[str, ...] = ("massive", "massively", "massengale")
"""Words that the CheXpert labeler itself excepts."""

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*", re.IGNORECASE)
_INFLECTIONS = ("", "s", "es")

_UNCHANGED = r"(?:stable|unchanged|similar)"
_SILHOUETTES = {
    "Enlarged Cardiomediastinum": r"(?:cardio\s?)?mediastinal silhouettes?",
    "Cardiomegaly": r"(?:cardiac|heart) silhouettes?",
}


def embedded_phrases(
    texts: Sequence[str],
    show_words: bool,
    phrases: Mapping[str, Sequence[str]] = UNANCHORED_PHRASES,
) -> pd.DataFrame:
    """Count the reports that hold a phrase inside longer words only.

    Plurals count as the word itself. A longer word may still mean the same ("scarring"): the
    table gives the five commonest, unless a word of a patient's report may not be shown, and
    counts the reports that this package's labeler labels, as anything but blank, through such a
    word. Phrases that occur nowhere inside another word are left out.
    """
    found = [[_Word(m.group().lower(), m.start()) for m in _WORD.finditer(t)] for t in texts]
    rows = []
    for observation, phrase in ((o, p) for o, each in phrases.items() for p in each):
        holding = {n: _holding(phrase, words) for n, words in enumerate(found)}
        holding = {n: words for n, words in holding.items() if words}
        hidden = {n: words for n, words in holding.items() if not _by_itself(phrase, words)}
        if hidden:
            labeled = sum(_labels_through(texts[n], observation, hidden[n]) for n in hidden)
            names = _commonest(hidden.values()) if show_words else ""
            rows.append((observation, phrase, len(holding), len(hidden), names, labeled))
    columns = "observation phrase with_phrase inside_words_only longer_words labeled_here"
    return pd.DataFrame(rows, columns=columns.split())


class _Word(NamedTuple):
    text: str
    start: int

    @property
    def parts(self) -> set[str]:
        return set(self.text.split("-"))


def _holding(phrase: str, words: Sequence[_Word]) -> list[_Word]:
    return [word for word in words if phrase in word.text and word.text not in EXCEPTED_WORDS]


def _by_itself(phrase: str, words: Sequence[_Word]) -> bool:
    """Say whether one of the words, or its part beside a hyphen, is the phrase or its plural."""
    return any({phrase + ending for ending in _INFLECTIONS} & word.parts for word in words)


def _commonest(words_of_reports: Iterable[Sequence[_Word]]) -> str:
    """Name the five commonest words with their reports; the alphabet breaks ties."""
    counts = Counter(text for words in words_of_reports for text in {word.text for word in words})
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{text} {count}" for text, count in ordered[:5])


def _labels_through(text: str, observation: str, words: Sequence[_Word]) -> bool:
    """Say whether the labeler names the observation by one of these words."""
    return any(
        mention.observation == observation
        and mention.start <= word.start < mention.end
        and word.parts & set(re.findall("[a-z]+", mention.finding.lower()))
        for mention in explain_report(text)
        for word in words
    )


def unchanged_silhouettes(
    texts: Sequence[str], codes: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """Count reports that call a silhouette unchanged and say nothing else of its size.

    The CheXpert labeler's rules (Irvin et al. 2019) make such a mention uncertain, since an
    enlarged silhouette may be unchanged as well as a normal one. The labels are of a labeler that
    leaves it blank, so a report with any label of the observation says more.
    """
    rows = []
    for observation in codes.columns.intersection(list(_SILHOUETTES)):
        silhouette = _SILHOUETTES[observation]
        within_sentence = re.compile(
            rf"{_UNCHANGED}[^.;]*\b{silhouette}|\b{silhouette}[^.;]*{_UNCHANGED}", re.IGNORECASE
        )
        found = pd.Series([bool(within_sentence.search(text)) for text in texts], codes.index)
        only = found & labels[observation].isna()
        coded = int(codes.loc[only, observation].sum())
        rows.append({"observation": observation, "reports": int(only.sum()), "coded": coded})
    table = pd.DataFrame(rows, columns=["observation", "reports", "coded"])
    return table.assign(**{"share coded": table["coded"] / table["reports"]})
