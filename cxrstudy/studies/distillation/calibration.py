"""A language model's labels moved to the prevalence of the development half, and no further."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import ABSENT

_LEAST = 1e-12  # a probability of 0, such as an endpoint without likelihoods gives, counts as this


@dataclass(frozen=True, eq=False)
class PriorShift:
    """What is added to the log-odds of present and uncertain against absent, for each finding."""

    shifts: np.ndarray  # (13,)

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Shift probabilities, (n, 13, 3)."""
        logs = np.log(np.maximum(probabilities.astype(float), _LEAST))
        logs[..., 1:] += self.shifts[:, None]
        shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return (shares / shares.sum(axis=-1, keepdims=True)).astype(np.float32)


def fit_prior_shift(probabilities: np.ndarray, codes: np.ndarray) -> PriorShift:
    """Choose shifts so that as many reports are called present or uncertain as people coded.

    It is one number for each finding: how the reports are ordered stays as it was. Ties, such as
    answers without likelihoods have, are called or not together, so that their number is only near.
    Reports without a code or an answer, NaN, do not take part. Probabilities are (n, 13, 3), codes
    (n, 13).
    """
    shifts = np.zeros(codes.shape[1])
    for finding in range(len(shifts)):
        of_finding = probabilities[:, finding].astype(float)
        known = ~np.isnan(codes[:, finding]) & ~np.isnan(of_finding).any(axis=-1)
        logs = np.log(np.maximum(of_finding[known], _LEAST))
        # The class that is called is the most probable one.
        doubt = np.sort(logs[:, ABSENT] - logs[:, 1:].max(axis=-1))
        n_called = int(codes[known, finding].sum())
        # Between the last report that is to be called and the next one.
        edges = np.concatenate([doubt[:1] - 1, doubt, doubt[-1:] + 1])
        shifts[finding] = edges[n_called : n_called + 2].mean() if len(doubt) else 0.0
    return PriorShift(shifts)


class Calibrated:
    """A teacher whose labels are shifted to the prevalence of codes in the training reports."""

    def __init__(self, teacher: TeachTexts, reports: DividedReports) -> None:
        training = reports.training_texts
        self.shift = fit_prior_shift(teacher(training), reports.training_codes)
        self._teacher = teacher

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities of absent, present and uncertain, (n, 13, 3)."""
        return self.shift(self._teacher(texts))
