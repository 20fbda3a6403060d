"""Real texts of OpenI for the vision-language model, none of them seen on both sides of the split.

The side is a hash of the whole report. A sentence that stands in any training report is a training
sentence, so that a held-out one was never read, not even within a report: "No pneumothorax." is
written so often that it is always training. Texts stay whole and unchanged; those with ``XXXX``,
which stands for words that were taken out, are left out, lest a model learn to write it.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from cxrstudy.data.images import ImageSet
from cxrstudy.data.openi import findings_and_impression, load_reports
from cxrstudy.experiments.image_label_sets import nih_label_sets
from cxrstudy.labeler import default_lexicon, label_reports
from cxrstudy.labeler.automaton import Automaton, compile_lexicon
from cxrstudy.labeler.tokens import fold_with_offsets, split_words
from cxrstudy.multimodal.items import Split
from cxrstudy.observations import OBSERVATIONS, POSITIVE, UNCERTAIN
from cxrstudy.text.reports import FINDINGS, text_hash_fraction

SALT = "chexagent held out"
N_FOLDS = 4
"""Of which the first is held out, of patients as of texts."""

NO_FINDING = "No Finding"
NEAR = 0.9
"""Jaccard index of two texts' words from which a held-out one counts as seen."""

_REMOVED = "xxxx"
_NOT_A_LETTER = re.compile(r"[\W\d_]+")
_OPENING, _CLOSING = "([\"'", ")]\"'"
_WITHIN = ";<>*"  # marks at which the labeler divides a sentence, but which do not end one


def text_split(text: str) -> Split:
    """Return the side of a report."""
    return "held_out" if text_hash_fraction(text, SALT) < 1 / N_FOLDS else "training"


def image_split(image_set: ImageSet) -> pd.Series:
    """Return the side of each image, which is its patient's."""
    held_out = image_set.folds(N_FOLDS, SALT) == 0
    sides = np.where(held_out, "held_out", "training")
    return pd.Series(sides, image_set.images.index, name="split", dtype="str")


def text_key(text: str) -> str:
    """Keep the letters, without case: texts of one key are the same but for numbers and marks.

    >>> text_key("Normal at T8.") == text_key("normal  at T 9")
    True
    """
    return _NOT_A_LETTER.sub("", text.casefold())


def split_sentences(text: str) -> list[str]:
    """Divide a text into its sentences where the rule labeler does, but not at semicolons.

    List numbers are left out; all else stays as it was written.

    >>> split_sentences("1. Clear lungs; 1.5 cm nodule. 2. No effusion")
    ['Clear lungs; 1.5 cm nodule.', 'No effusion']
    """
    folded, origins = (text, range(len(text) + 1)) if text.isascii() else fold_with_offsets(text)
    folded = folded.replace("\0", " ")
    letters = np.frombuffer(f"{folded}\0".encode("ascii"), dtype=np.uint8)
    words = np.empty(2 * len(letters) + 2, dtype=np.int32)
    spans = np.empty((2 * len(letters) + 2, 2), dtype=np.int32)
    count = split_words(letters, _automaton(), words, spans)
    found, start, end = [], None, 0
    for word, (first, _) in zip(words[:count].tolist(), spans[:count].tolist(), strict=True):
        if word >= 0:
            if start is None and origins[first] >= end:  # else a bracket behind a full stop
                start = int(origins[first])
        elif start is not None and folded[first : first + 1] not in tuple(_WITHIN):
            end = int(origins[first]) + (folded[first : first + 1] in (".", "!"))
            while start > 0 and text[start - 1] in _OPENING:  # "(Normal heart.)"
                start -= 1
            while text[end : end + 1] in tuple(_CLOSING):
                end += 1
            found.append(text[start:end].rstrip())
            start = None
    return found


def near_any(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """Mark texts that are the same as another one, or share `NEAR` of their words with it.

    Parameters
    ----------
    texts, others : sequence of str

    Returns
    -------
    ndarray of bool, shape (n_texts,)
    """
    keys = {text_key(other) for other in others}
    near = np.array([text_key(text) in keys for text in texts], dtype=bool)
    if near.all() or not len(others):
        return near
    counter = CountVectorizer(binary=True, token_pattern=r"[^\W\d_]+", dtype=np.float32)
    known = counter.fit_transform([*others, "word"])  # so that there is one, whatever the texts
    mine = counter.transform(texts)
    # Words that no other text has count as well.
    analyse = counter.build_analyzer()
    sizes = np.array([len(set(analyse(text))) for text in texts], dtype=np.float32)
    known_sizes = np.asarray(known.sum(axis=1)).ravel()
    for start in range(0, len(texts), 256):
        rows = slice(start, start + 256)
        shared = (mine[rows] @ known.T).toarray()
        union = sizes[rows, None] + known_sizes - shared
        near[rows] |= (shared >= NEAR * np.maximum(union, 1)).any(axis=1)
    return near


def report_texts(split: Split, reports: pd.DataFrame | None = None) -> list[str]:
    """List the texts for next-word training: findings and impression of each report.

    Where ``XXXX`` stands in one of the two sections, the other one alone is the text.

    Parameters
    ----------
    split : {"training", "held_out"}
    reports : DataFrame, optional
        Columns findings and impression; OpenI's unless given.

    Returns
    -------
    list of str
        Different texts; held-out ones are near no training text.
    """
    reports = load_reports() if reports is None else reports
    sections = [reports[name].map(lambda text: text if _whole(text) else "") for name in _SECTIONS]
    texts = pd.Series(["\n".join(filter(None, pair)) for pair in zip(*sections, strict=True)])
    sides = findings_and_impression(reports).map(text_split).to_numpy()
    texts, sides = texts[texts != ""], sides[(texts != "").to_numpy()]
    return _one_side(texts, sides, split)


def summaries(split: Split, reports: pd.DataFrame | None = None) -> pd.DataFrame:
    """Tabulate findings sections and their impressions, both whole.

    Parameters
    ----------
    split : {"training", "held_out"}
    reports : DataFrame, optional
        Columns findings and impression; OpenI's unless given.

    Returns
    -------
    DataFrame of str
        Columns findings and impression, indexed by report. Findings are all different; held-out
        ones are near none of training. An impression such as "No acute disease." is on both sides.
    """
    reports = load_reports() if reports is None else reports
    sides = findings_and_impression(reports).map(text_split)
    whole = reports["findings"].map(_whole) & reports["impression"].map(_whole)
    table, sides = reports.loc[whole, list(_SECTIONS)], sides[whole].to_numpy()
    kept = set(_one_side(table["findings"], sides, split))
    mine = table[sides == split]
    mine = mine[mine["findings"].isin(kept)]
    return mine[~mine["findings"].map(text_key).duplicated()]


def sentences(reports: pd.DataFrame | None = None) -> pd.DataFrame:
    """Tabulate the different sentences of reports, their side, and what the labeler reads in them.

    Parameters
    ----------
    reports : DataFrame, optional
        Columns findings and impression; OpenI's unless given.

    Returns
    -------
    DataFrame
        Columns sentence, split, label_set, and a code for each of the 14 observations. Held-out
        sentences are in no training report and near no sentence of one. Sentences with an uncertain
        observation are left out. The label set joins the positive findings, such as ``"Edema,
        Pneumonia"``; it is ``"No Finding"`` if the sentence was all that some impression said and
        states no finding and no device, and empty if it says too little ("Midline trachea.").
    """
    return _openi_sentences().copy() if reports is None else _tabulate(reports)


@cache
def _openi_sentences() -> pd.DataFrame:
    return _tabulate(load_reports())


def _tabulate(reports: pd.DataFrame) -> pd.DataFrame:
    sides = findings_and_impression(reports).map(text_split)
    rows = [
        (sentence, side, name == "impression" and len(found) == 1)
        for name in _SECTIONS
        for text, side in zip(reports[name], sides, strict=True)
        for found in [split_sentences(text)]
        for sentence in found
        if _whole(sentence)
    ]
    table = pd.DataFrame(rows, columns=["sentence", "split", "alone"])
    by_key = table.groupby(table["sentence"].map(text_key), sort=False)
    table = by_key.agg({"sentence": "first", "split": "max", "alone": "any"})  # "training" is max
    table = table[table.index != ""].reset_index(drop=True)
    held_out = table["split"] == "held_out"
    near = near_any(
        table.loc[held_out, "sentence"].tolist(), table.loc[~held_out, "sentence"].tolist()
    )
    table = table.drop(index=table.index[held_out][near]).reset_index(drop=True)
    codes = label_reports(table["sentence"].tolist())
    names = joined_sets(codes[list(FINDINGS)])
    says_nothing = (names == "") & (codes[NO_FINDING] == POSITIVE) & table.pop("alone")
    table["label_set"] = names.mask(says_nothing, NO_FINDING)
    return table.join(codes)[~(codes == UNCERTAIN).any(axis=1)].reset_index(drop=True)


def label_matched_captions(
    image_set: ImageSet, seed: int = 0, corpus: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give images a real sentence, of another patient, that states exactly the image's labels.

    The labels of images are the NIH's text-mined ones, `nih_label_sets`. An image counts as "No
    Finding" only if the NIH's own term says so, and such images are at most half of those of each
    side. Sentences are dealt in turn, so that none is used much more often than another.

    Parameters
    ----------
    image_set : ImageSet
        With labels ``nlp``.
    seed : int
    corpus : DataFrame, optional
        As `sentences` returns it; OpenI's unless given.

    Returns
    -------
    captions : DataFrame of str
        Columns image, patient, split, label_set and sentence, in random order. Image and sentence
        are on the same side.
    counts : DataFrame
        For each side: images, with labels that observations express, matched, and captions, which
        are fewer where "No Finding" is most of what matched; label sets and sentences of captions.
    """
    corpus = sentences() if corpus is None else corpus
    hands = corpus[corpus["label_set"] != ""].groupby(["split", "label_set"])["sentence"].agg(list)
    images = pd.DataFrame(
        {
            "image": image_set.images.index,
            "patient": image_set.images["patient"].astype("str").to_numpy(),
            "split": image_split(image_set).to_numpy(),
            "label_set": image_label_sets(image_set).to_numpy(),
        }
    )
    rng = np.random.default_rng(seed)
    parts, counts = [], {}
    for split, every in images.groupby("split"):
        has_labels = every["label_set"] != ""
        matched = [(split, name) in hands.index for name in every["label_set"]]
        mine = every[matched].sample(frac=1, random_state=rng)
        normal = mine["label_set"] == NO_FINDING
        mine = mine[~normal | (normal.cumsum() <= (~normal).sum())]
        mine = mine.assign(sentence="")
        for name, rows in mine.groupby("label_set").groups.items():
            hand = rng.permutation(hands[(split, name)])
            mine.loc[rows, "sentence"] = np.resize(hand, len(rows))
        parts.append(mine)
        counts[split] = {
            "images": len(every),
            "images with known labels": int(has_labels.sum()),
            "images matched": int(np.sum(matched)),
            "captions": len(mine),
            "captions without finding": int((mine["label_set"] == NO_FINDING).sum()),
            "label sets": mine["label_set"].nunique(),
            "sentences": mine["sentence"].nunique(),
        }
    columns = ["image", "patient", "split", "label_set", "sentence"]
    return pd.concat(parts, ignore_index=True)[columns], pd.DataFrame(counts).T


def image_label_sets(image_set: ImageSet) -> pd.Series:
    """Name each image's label set; empty where all the NIH reports has no observation: a hernia."""
    labels = image_set.labels["nlp"]
    names = joined_sets(nih_label_sets(labels))
    return names.mask((names == "") & (labels[NO_FINDING] == POSITIVE), NO_FINDING)


def joined_sets(labels: pd.DataFrame) -> pd.Series:
    """Write each row's positive observations as one word, in the order of `OBSERVATIONS`."""
    names = np.array([name for name in OBSERVATIONS if name in labels], dtype=object)
    positive = labels[names].to_numpy() == POSITIVE
    return pd.Series([", ".join(names[row]) for row in positive], labels.index, dtype="str")


_SECTIONS = ("findings", "impression")


def _whole(text: str) -> bool:
    """Say whether there is a text and no word was taken out of it."""
    return bool(text.strip()) and _REMOVED not in text.casefold()


def _one_side(texts: pd.Series, sides: NDArray, split: Split) -> list[str]:
    """Keep different texts of a side; of the held-out ones those that training did not show."""
    mine = texts[sides == split]
    mine = mine[~mine.map(text_key).duplicated()].tolist()
    if split == "training":
        return mine
    near = near_any(mine, texts[sides == "training"].tolist())
    return [text for text, seen in zip(mine, near, strict=True) if not seen]


@cache
def _automaton() -> Automaton:
    return compile_lexicon(default_lexicon())
