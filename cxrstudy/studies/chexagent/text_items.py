"""Questions about texts, and about an image and a text: five tasks and their items.

Who gives the right answers: the rule labeler, which reads the sentences, and the NIH's labeler,
which read the images' own reports. No person wrote or checked an item. Each task is built so that
no part of it answers alone, see its function.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.labeler import label_reports
from cxrstudy.multimodal.items import Item, Split
from cxrstudy.observations import NEGATIVE, POSITIVE
from cxrstudy.observations.definitions import ancestors
from cxrstudy.studies.chexagent.exchange import assigned, drawn, even_shares, exchanged, unlike
from cxrstudy.studies.chexagent.texts import (
    NO_FINDING,
    label_matched_captions,
    sentences,
    summaries,
)
from cxrstudy.text.reports import FINDINGS, text_hash_fraction

MATCHING, SELECTION = "image_text_matching", "image_text_selection"
SUMMARIES, TEXT_QUESTION = "findings_summarization", "text_question"
INFERENCE = "sentence_inference"

JUDGE = {
    MATCHING: "labelers of images and sentences",
    SELECTION: "labelers of images and sentences",
    SUMMARIES: "the report's author",
    TEXT_QUESTION: "labeler of sentences",
    INFERENCE: "labeler of sentences",
}
"""Task to who decides what the right answer is."""

MOST_ITEMS = {
    "training": {MATCHING: 900, SELECTION: 500, SUMMARIES: 500, TEXT_QUESTION: 500, INFERENCE: 500},
    "held_out": {MATCHING: 400, SELECTION: 250, SUMMARIES: 250, TEXT_QUESTION: 250, INFERENCE: 250},
}
"""Side to the most items of each task."""

YES_NO = ("yes", "no")
LETTERS = ("A", "B", "C", "D")
RELATIONS = ("entailment", "contradiction", "neutral")

_MOST_WORDS = 12  # of a sentence that stands beside others
_MOST_FINDINGS_WORDS, _MOST_IMPRESSION_WORDS = 90, 30
# The most that one label set may have, so that few pairs lack a place: each sentence must be wrong
# for three other images, and "opacity" is right for edema, pneumonia and more.
_SHARE = {MATCHING: 1 / 3, SELECTION: 1 / 10}
_ASKED = tuple(name for name in FINDINGS if name != "Pleural Other")  # a name that says too little


def text_items(
    image_set: ImageSet, seed: int = 0, reports: pd.DataFrame | None = None
) -> list[Item]:
    """Build the items of all five tasks, both sides of the split.

    Parameters
    ----------
    image_set : ImageSet
        With labels ``nlp``.
    seed : int
        Decides which sentences, images and pairs are drawn.
    reports : DataFrame, optional
        Columns findings and impression; OpenI's unless given.

    Returns
    -------
    list of Item
        At most `MOST_ITEMS` a task and side. The group is the patient where there is an image, and
        otherwise a hash of the text.
    """
    corpus = sentences(reports)
    captions, _ = label_matched_captions(image_set, seed, corpus)
    items = []
    for side, split in enumerate(get_args(Split)):
        most = MOST_ITEMS[split]
        draws = [np.random.default_rng([seed, side, task]) for task in range(len(most))]
        mine, said = captions[captions["split"] == split], corpus[corpus["split"] == split]
        items += matching_items(mine, split, most[MATCHING], draws[0])
        items += selection_items(mine, split, most[SELECTION], draws[1])
        items += summary_items(summaries(split, reports), split, most[SUMMARIES], draws[2])
        items += question_items(said, split, most[TEXT_QUESTION], draws[3])
        items += inference_items(said, split, most[INFERENCE], draws[4])
    return items


def matching_items(
    captions: pd.DataFrame, split: Split, most: int, rng: np.random.Generator
) -> list[Item]:
    """Ask whether a sentence describes an image: each image and each sentence once yes, once no.

    The wrong sentences are the right ones of other images, so neither the sentence nor the image
    says the answer alone.
    """
    pairs = drawn(captions, most // 2, _SHARE[MATCHING], rng)
    pairs, (other,) = exchanged(pairs, 1, rng)
    rows = list(pairs.itertuples())
    found = []
    for row, image in zip(rows, other, strict=True):
        for answer, shown in (("yes", row), ("no", rows[image])):
            found.append(
                Item(
                    MATCHING,
                    "Does this sentence describe the image?",
                    answer,
                    YES_NO,
                    (shown.image,),
                    row.sentence,
                    _finding(row.label_set),
                    shown.patient,
                    split,
                )
            )
    return found


def selection_items(
    captions: pd.DataFrame, split: Split, most: int, rng: np.random.Generator
) -> list[Item]:
    """Ask which of four sentences describes an image: each is once right and three times wrong.

    None of the wrong ones holds for the image, and no two of the four for another one.
    """
    short = captions[captions["sentence"].str.split().str.len() <= _MOST_WORDS]
    pairs = drawn(short, most, _SHARE[SELECTION], rng)
    pairs, others = exchanged(pairs, len(LETTERS) - 1, rng)
    rows = list(pairs.itertuples())
    right = rng.permutation(np.arange(len(rows)) % len(LETTERS))
    # `exchanged` says to which image a sentence goes; here an image asks for its sentences.
    wrong = [np.argsort(other) for other in others]
    found = []
    for number, row in enumerate(rows):
        offered = [rows[other[number]].sentence for other in wrong]
        offered = rng.permutation(offered).tolist()
        offered.insert(right[number], row.sentence)
        listed = "\n".join(f"{a}: {text}" for a, text in zip(LETTERS, offered, strict=True))
        found.append(
            Item(
                SELECTION,
                "Which sentence describes the image: A, B, C or D?",
                LETTERS[right[number]],
                LETTERS,
                (row.image,),
                listed,
                _finding(row.label_set),
                row.patient,
                split,
            )
        )
    return found


def summary_items(
    texts: pd.DataFrame, split: Split, most: int, rng: np.random.Generator
) -> list[Item]:
    """Ask for the impression of a findings section; at most half of them state no finding."""
    words = {name: texts[name].str.split().str.len() for name in ("findings", "impression")}
    short = (words["findings"] <= _MOST_FINDINGS_WORDS) & (
        words["impression"] <= _MOST_IMPRESSION_WORDS
    )
    texts = texts[short].sample(frac=1, random_state=rng)
    normal = label_reports(texts["impression"].tolist())[NO_FINDING].to_numpy() == POSITIVE
    n_normal = min(most // 2, int((~normal).sum()))
    texts = texts[~normal | (np.cumsum(normal) <= n_normal)][:most]
    return [
        Item(
            SUMMARIES,
            "What is the impression of these findings?",
            row.impression,
            context=row.findings,
            group=_group(row.findings),
            split=split,
        )
        for row in texts.itertuples()
    ]


def question_items(
    said: pd.DataFrame, split: Split, most: int, rng: np.random.Generator
) -> list[Item]:
    """Ask whether a sentence states a finding: of each finding as often yes as no.

    Half of the sentences with "no" deny the finding, as far as there are such; the others state
    another finding, of which this one is no more general name.
    """
    yes = {name: said.index[said[name] == POSITIVE] for name in _ASKED}
    denied = {name: said.index[said[name] == NEGATIVE] for name in _ASKED}
    states = (said[list(FINDINGS)] == POSITIVE).any(axis=1)
    other = {
        name: said.index[said[name].isna() & states & ~_implied(said, name)] for name in _ASKED
    }
    room = [min(len(yes[name]), len(denied[name]) + len(other[name])) for name in _ASKED]
    found = []
    for name, count in zip(_ASKED, even_shares(room, most // 2), strict=True):
        n_denied = min(len(denied[name]), max(count // 2, count - len(other[name])))
        chosen = [
            ("yes", rng.permutation(yes[name])[:count]),
            ("no", rng.permutation(denied[name])[:n_denied]),
            ("no", rng.permutation(other[name])[: count - n_denied]),
        ]
        for answer, rows in chosen:
            for text in said.loc[rows, "sentence"]:
                found.append(
                    Item(
                        TEXT_QUESTION,
                        f"Does the text state {name.lower()}?",
                        answer,
                        YES_NO,
                        context=text,
                        about=name,
                        group=_group(text),
                        split=split,
                    )
                )
    return found


def inference_items(
    said: pd.DataFrame, split: Split, most: int, rng: np.random.Generator
) -> list[Item]:
    """Ask how two sentences relate; the relation is built from labels and not from reading them.

    Both are real and each names a single finding. The same finding with the same label is called
    an entailment, with the opposite one a contradiction, and unrelated findings are neutral. So a
    "large left effusion" counts as entailing a "small right effusion". Each second sentence occurs
    once in every relation; first sentences are drawn from the same findings and labels in each.
    """
    cells = _single_findings(said)
    names = [name for name in _ASKED if min(len(cells[name, 0]), len(cells[name, 1])) >= 2]
    room = [min(len(cells[name, 0]), len(cells[name, 1])) for name in names]
    triples = [
        _Triple(name, text, rng.choice([one for one in cells[name, code] if one != text]), denial)
        for name, count in zip(names, even_shares(room, most // 6), strict=True)
        for code in (NEGATIVE, POSITIVE)
        for text, denial in zip(
            rng.permutation(cells[name, code])[:count],
            rng.permutation(cells[name, 1 - code])[:count],
            strict=True,
        )
    ]
    apart = np.array([[unlike(a.name, b.name) for b in triples] for a in triples], dtype=bool)
    kept = np.arange(len(triples))
    while len(kept):
        partner, fits = assigned(apart[np.ix_(kept, kept)], rng)
        if fits.all():
            break
        kept = kept[fits]
    triples = [triples[row] for row in kept]
    found = []
    for number, triple in enumerate(triples):
        unrelated = triples[partner[number]]
        # Both kinds of first sentences are neutral equally often.
        neutral = (unrelated.same, unrelated.opposite)[number % 2]
        firsts = (triple.same, triple.opposite, neutral)
        for relation, first in zip(RELATIONS, firsts, strict=True):
            found.append(
                Item(
                    INFERENCE,
                    "Is the second sentence an entailment, a contradiction or neutral?",
                    relation,
                    RELATIONS,
                    context=f"First: {first}\nSecond: {triple.second}",
                    about=triple.name,
                    group=_group(triple.second),
                    split=split,
                )
            )
    return found


@dataclass(frozen=True)
class _Triple:
    """A second sentence with first ones that say the same of its finding, and the opposite."""

    name: str
    second: str
    same: str
    opposite: str


def _single_findings(said: pd.DataFrame) -> dict[tuple[str, int], list[str]]:
    """Collect by finding and code the short sentences that name one finding alone."""
    single = said[list(FINDINGS)].notna().sum(axis=1) == 1
    short = said["sentence"].str.split().str.len() <= _MOST_WORDS
    mine = said[single & short]
    return {
        (name, code): mine.loc[mine[name] == code, "sentence"].tolist()
        for name in _ASKED
        for code in (NEGATIVE, POSITIVE)
    }


def _implied(said: pd.DataFrame, name: str) -> pd.Series:
    """Mark sentences that state a more special finding."""
    special = [other for other in FINDINGS if name in ancestors(other)]
    return (said[special] == POSITIVE).any(axis=1)


def _finding(label_set: str) -> str:
    """Return the finding if the set is a single one."""
    return label_set if label_set in FINDINGS else ""


def _group(text: str) -> str:
    return f"{text_hash_fraction(text):.15f}"
