"""Teachers with errors that we put in, so that we know what a student had to overcome."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cxrstudy.text.findings import ABSENT, FINDINGS, PRESENT, UNCERTAIN_CLASS, one_hot
from cxrstudy.text.splits import text_hash_fraction

TeachTexts = Callable[[Sequence[str]], np.ndarray]
"""From n texts to probabilities, shape (n, 13, 3)."""


class RandomErrors:
    """A teacher whose answers are exchanged at random, whatever the text says.

    With probability `rate` the answer for a finding is that for another, random report. Errors
    therefore keep each class about as frequent as it was. They hang on the text alone: the same
    text always gets the same answer, as from a language model at temperature 0.

    Parameters
    ----------
    teacher : callable
        The teacher without errors.
    pool : ndarray of float32, shape (n_pool, 13, 3)
        Its answers for many reports, from which wrong answers are drawn.
    rate : float
        Probability that an answer is exchanged; it may come out as it was.
    seed : int
        Another seed gives other errors.
    """

    def __init__(self, teacher: TeachTexts, pool: np.ndarray, rate: float, seed: int = 0) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, not {rate}")
        if np.isnan(pool).any():
            raise ValueError("the pool holds reports without an answer; leave them out")
        self._teacher, self._pool, self._rate, self._seed = teacher, pool, rate, seed

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Label texts.

        Parameters
        ----------
        texts : sequence of str, length n_reports

        Returns
        -------
        ndarray of float32, shape (n_reports, 13, 3)
        """
        answers = self._teacher(texts).copy()
        unanswered = np.isnan(answers).any(axis=-1)
        n_findings = answers.shape[1]
        for row, text in enumerate(texts):
            fraction = text_hash_fraction(text, f"random errors {self._seed}")
            generator = np.random.default_rng(int(fraction * 2**53))
            exchanged = np.flatnonzero(generator.random(n_findings) < self._rate)
            drawn = generator.integers(len(self._pool), size=n_findings)[exchanged]
            answers[row, exchanged] = self._pool[drawn, exchanged]
        answers[unanswered] = np.nan
        return answers


class SystematicErrors:
    """A teacher that always errs in the same way.

    Parameters
    ----------
    teacher : callable
        The teacher without errors.
    uncertain_as_present : bool
        It does not know doubt.
    confusions : mapping of str to str
        Finding to the finding whose name it is given; the first is then absent.
    """

    def __init__(
        self,
        teacher: TeachTexts,
        uncertain_as_present: bool = False,
        confusions: Mapping[str, str] | None = None,
    ) -> None:
        self._teacher = teacher
        self._uncertain_as_present = uncertain_as_present
        self._confusions = {
            FINDINGS.index(true): FINDINGS.index(called)
            for true, called in (confusions or {}).items()
        }

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Label texts.

        Parameters
        ----------
        texts : sequence of str, length n_reports

        Returns
        -------
        ndarray of float32, shape (n_reports, 13, 3)
            Hard labels; NaN where the teacher gave no answer.
        """
        answers = self._teacher(texts)
        unanswered = np.isnan(answers).any(axis=-1)
        classes = answers.argmax(axis=-1)
        if self._uncertain_as_present:
            classes[classes == UNCERTAIN_CLASS] = PRESENT
        confused = classes.copy()
        for true, called in self._confusions.items():
            mentioned = classes[:, true] != ABSENT
            confused[:, true] = ABSENT
            confused[mentioned, called] = classes[mentioned, true]
        labels = one_hot(confused)
        labels[unanswered] = np.nan
        return labels
