"""Sentences and spliced reports as further training samples, labeled by the teacher itself.

Rare findings stand in a handful of training reports, among many sentences about others. A sentence
on its own shows which words decide, and spliced into other reports it shows that the rest does not
matter.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from cxrstudy.text.reports import text_hash_fraction

_MENTIONED = (1, 2)  # present, uncertain
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")


def augment_reports(
    texts: Sequence[str],
    targets: np.ndarray,
    teacher: Callable[[list[str]], np.ndarray],
    held_out_texts: Iterable[str] = (),
    splice_until: int = 150,
    seed: int = 0,
) -> tuple[list[str], np.ndarray]:
    """Add every sentence, and reports with a rare sentence put in, to the training reports.

    New texts are made from training reports alone, and follow them. One that happens to equal a
    held-out report is dropped. The teacher labels each new text afresh, because a sentence out of
    its report can mean something else. A class of a finding, present or uncertain, that fewer
    than `splice_until` training reports have gets as many spliced reports as are missing. Targets
    are probabilities of absent, present and uncertain, float32, (n_texts, n_findings, 3).
    """
    held_out = {text_hash_fraction(text) for text in held_out_texts}

    def labeled(made: list[str]) -> tuple[list[str], np.ndarray]:
        kept = [text for text in made if text_hash_fraction(text) not in held_out]
        if not kept:
            return [], targets[:0]
        labels = np.asarray(teacher(kept))
        if labels.shape != (len(kept), *targets.shape[1:]):
            raise ValueError(
                f"the teacher gave {labels.shape} for {len(kept)} texts: need the findings and "
                f"classes of the targets, {targets.shape[1:]}"
            )
        return kept, labels

    sentences, of_sentences = labeled(
        list(dict.fromkeys(part for text in texts for part in split_sentences(text)))
    )
    spliced, of_spliced = labeled(
        _spliced(texts, targets, sentences, of_sentences, splice_until, seed)
    )
    return (
        [*texts, *sentences, *spliced],
        np.concatenate([targets, of_sentences, of_spliced]).astype(np.float32),
    )


def split_sentences(text: str) -> list[str]:
    """Split a report after full stops and the like, and at line breaks.

    Meant for training samples that a teacher labels afresh, where a wrong split does no harm. No
    part is empty or lacks a letter: "1. No edema. Clear; dry" gives "No edema.", "Clear;", "dry".
    """
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if any(character.isalpha() for character in part)]


def shares_sentence(texts: Sequence[str], others: Iterable[str]) -> np.ndarray:
    """Mark the reports that hold a sentence which also stands in one of the others.

    Reports repeat each other's sentences. Only a report that shares none with the training shows
    how a student reads what is new to it. Case, white space and final punctuation do not matter.
    """
    known = {_plain(sentence) for text in others for sentence in split_sentences(text)}
    return np.array(
        [any(_plain(sentence) in known for sentence in split_sentences(text)) for text in texts],
        dtype=bool,
    )


def _plain(sentence: str) -> str:
    return " ".join(sentence.lower().rstrip(".!?; ").split())


def _spliced(
    texts: Sequence[str],
    targets: np.ndarray,
    sentences: list[str],
    sentence_targets: np.ndarray,
    splice_until: int,
    seed: int,
) -> list[str]:
    """Return training reports with a sentence of a rare class put in at a random place."""
    generator = np.random.default_rng(seed)
    reports, rare = _hard(targets), _hard(sentence_targets)
    spliced = []
    for finding in range(targets.shape[1]):
        for mentioned in _MENTIONED:
            candidates = np.flatnonzero(rare[:, finding] == mentioned)
            missing = splice_until - int((reports[:, finding] == mentioned).sum())
            if len(candidates) == 0:
                continue
            for _ in range(missing):
                sentence = sentences[generator.choice(candidates)]
                host = split_sentences(texts[generator.integers(len(texts))])
                host.insert(generator.integers(len(host) + 1), sentence)
                spliced.append(" ".join(host))
    return spliced


def _hard(targets: np.ndarray) -> np.ndarray:
    """Return the class of each text and finding, 0 where there is no answer."""
    return np.nan_to_num(targets).argmax(axis=-1)
