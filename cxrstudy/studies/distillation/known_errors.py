"""Teachers of known errors: random ones, and habits."""

from collections.abc import Mapping, Sequence

import numpy as np

from cxrstudy.labeler import Role, RuleLabeler, default_lexicon
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.studies.distillation.teachers.rules import RuleTeacher
from cxrstudy.text.reports import ABSENT, FINDINGS, one_hot, text_hash_fraction

CONFUSIONS: Mapping[str, str] = {
    "Atelectasis": "Consolidation",
    "Pleural Other": "Pleural Effusion",
    "Pneumonia": "Lung Opacity",
}
"""What a teacher that confuses findings calls each of them."""


def deaf_to_negation() -> RuleTeacher:
    """Make the rules without any cue that denies."""
    negations = Role.NEGATION_BEFORE | Role.NEGATION_NOT | Role.NEGATION_AFTER
    lexicon = default_lexicon().without_roles(negations | Role.NEGATION_EITHER, "no negation")
    return RuleTeacher(RuleLabeler(lexicon))


class RandomErrors:
    """A teacher whose answers are exchanged at random, whatever the text says.

    With probability `rate` the answer for a finding is that for another, random report of the pool,
    float32 (n_pool, 13, 3), and may come out as it was. Errors therefore keep each class about as
    frequent as it was. They hang on the text alone: the same text always gets the same answer, as
    from a language model at temperature 0.
    """

    def __init__(self, teacher: TeachTexts, pool: np.ndarray, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, not {rate}")
        self._teacher, self._pool, self._rate = teacher, pool, rate

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities, (n, 13, 3)."""
        answers = self._teacher(texts).copy()
        n_findings = answers.shape[1]
        for row, text in enumerate(texts):
            fraction = text_hash_fraction(text, "random errors 0")
            generator = np.random.default_rng(int(fraction * 2**53))
            exchanged = np.flatnonzero(generator.random(n_findings) < self._rate)
            drawn = generator.integers(len(self._pool), size=n_findings)[exchanged]
            answers[row, exchanged] = self._pool[drawn, exchanged]
        return answers


class ConfusedFindings:
    """A teacher that gives some findings the name of another; the first is then absent."""

    def __init__(self, teacher: TeachTexts, confusions: Mapping[str, str] = CONFUSIONS) -> None:
        self._teacher = teacher
        self._confusions = {
            FINDINGS.index(true): FINDINGS.index(called) for true, called in confusions.items()
        }

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts hard labels, float32 (n, 13, 3)."""
        classes = self._teacher(texts).argmax(axis=-1)
        confused = classes.copy()
        for true, called in self._confusions.items():
            mentioned = classes[:, true] != ABSENT
            confused[:, true] = ABSENT
            confused[mentioned, called] = classes[mentioned, true]
        return one_hot(confused)
