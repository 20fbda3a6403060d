"""What variants of the rules change; teachers with errors that we put in and therefore know."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.studies.distillation.scores import TeachTexts
from cxrstudy.text.reports import (
    ABSENT,
    FINDINGS,
    PRESENT,
    UNCERTAIN_CLASS,
    classes_from_codes,
    one_hot,
    text_hash_fraction,
)
from cxrstudy.text.teachers.rules import ABLATIONS, rule_variants


def variant_table(texts: Sequence[str]) -> pd.DataFrame:
    """Count what each variant of the rules changes, and where the variants disagree.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    DataFrame
        Columns variant, labels changed, share of asserted labels (changed labels by those that
        the complete rules call present or uncertain). The last row counts labels on which not
        all variants agree.
    """
    classes = np.stack([classes_from_codes(variant(texts)) for variant in rule_variants()])
    complete = classes[0]
    changed = {
        name: int((variant != complete).sum())
        for name, variant in zip(ABLATIONS, classes[1:], strict=True)
    }
    changed["any of them"] = int((classes != complete).any(axis=0).sum())
    table = pd.Series(changed, name="labels changed").rename_axis("variant").reset_index()
    return table.assign(
        **{"share of asserted labels": table["labels changed"] / (complete != 0).sum()}
    )


class RandomErrors:
    """A teacher whose answers are exchanged at random, whatever the text says.

    With probability `rate` the answer for a finding is that for another, random report of the pool,
    float32 (n_pool, 13, 3), and may come out as it was. Errors therefore keep each class about as
    frequent as it was. They hang on the text alone: the same text always gets the same answer, as
    from a language model at temperature 0.
    """

    def __init__(self, teacher: TeachTexts, pool: np.ndarray, rate: float, seed: int = 0) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, not {rate}")
        if np.isnan(pool).any():
            raise ValueError("the pool holds reports without an answer; leave them out")
        self._teacher, self._pool, self._rate, self._seed = teacher, pool, rate, seed

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities, (n, 13, 3); NaN where the teacher had no answer."""
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
    """A teacher that always errs in the same way, with hard labels.

    It may not know doubt, and it may give a finding the name of another, by `confusions`; the first
    is then absent.
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
        """Give n texts float32 probabilities, (n, 13, 3); NaN where the teacher had no answer."""
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
