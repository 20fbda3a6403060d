"""Calibration sets how many reports are called, leaves their order, and sees no scored code."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.studies.distillation.arms import DividedReports
from cxrstudy.studies.distillation.calibration import Calibrated, fit_prior_shift
from cxrstudy.text.reports import ABSENT, FINDINGS, one_hot

N = 300


def _probabilities(seed: int = 0, n: int = N) -> np.ndarray:
    """A teacher that hardly ever says yes."""
    drawn = np.random.default_rng(seed).gamma([6.0, 0.5, 0.2], size=(n, 13, 3))
    return (drawn / drawn.sum(axis=-1, keepdims=True)).astype(np.float32)


def _codes(shares, n: int = N) -> np.ndarray:
    return (np.arange(n)[:, None] < np.round(np.asarray(shares) * n)).astype(float)


def test_as_many_reports_are_called_as_people_coded():
    probabilities, codes = _probabilities(), _codes(np.linspace(0, 0.6, 13))
    shifted = fit_prior_shift(probabilities, codes)(probabilities)
    called = (shifted.argmax(axis=-1) != ABSENT).sum(axis=0)
    assert called.tolist() == codes.sum(axis=0).tolist()
    np.testing.assert_allclose(shifted.sum(axis=-1), 1, rtol=1e-5)


def test_everything_is_called_where_everything_was_coded():
    probabilities, codes = _probabilities(), _codes(np.ones(13))
    shifted = fit_prior_shift(probabilities, codes)(probabilities)
    assert (shifted.argmax(axis=-1) != ABSENT).all()


def test_the_order_of_reports_stays():
    probabilities, codes = _probabilities(), _codes(np.full(13, 0.3))
    shifted = fit_prior_shift(probabilities, codes)(probabilities)
    for finding in range(13):
        before, after = 1 - probabilities[:, finding, 0], 1 - shifted[:, finding, 0]
        assert (np.diff(after[np.argsort(before)]) >= -1e-6).all()


def test_reports_without_code_or_answer_do_not_take_part():
    probabilities, codes = _probabilities(), _codes(np.full(13, 0.3))
    expected = fit_prior_shift(probabilities[20:], codes[20:]).shifts
    codes[:10], probabilities[10:20] = np.nan, np.nan
    found = fit_prior_shift(probabilities, codes)
    np.testing.assert_array_equal(found.shifts, expected)
    assert np.isnan(found(probabilities)[10:20]).all()


@pytest.fixture
def reports() -> DividedReports:
    index = pd.Index([f"r{number}" for number in range(N)])
    texts = pd.Series([f"Report {number}." for number in range(N)], index)
    codes = pd.DataFrame(_codes(np.full(13, 0.3)), index, list(FINDINGS))
    return DividedReports(texts, codes, pd.Series(np.arange(N) % 2 == 1, index))


def test_permuting_scored_codes_changes_nothing_in_the_teacher(reports):
    answers = dict(zip(reports.texts, _probabilities(), strict=True))

    def teacher(texts):
        return np.stack([answers[text] for text in texts])

    first = Calibrated(teacher, reports)
    codes = reports.codes.copy()
    codes[reports.held_out] = codes[reports.held_out].to_numpy()[::-1]
    second = Calibrated(teacher, replace(reports, codes=codes))
    texts = list(reports.texts)
    np.testing.assert_array_equal(first(texts), second(texts))
    codes[~reports.held_out] = 1 - codes[~reports.held_out]
    assert not np.array_equal(
        Calibrated(teacher, replace(reports, codes=codes))(texts), first(texts)
    )


def test_answers_without_likelihoods_can_be_calibrated():
    """An endpoint without likelihoods gives ones and zeros; ties are called or not together."""
    codes = (np.arange(60)[:, None] % 3 == 0).astype(float).repeat(13, axis=1)
    answers = one_hot((np.arange(60) % 4 == 0).astype(int))[:, None].repeat(13, axis=1)
    shifted = fit_prior_shift(answers, codes)(answers)
    assert np.isfinite(shifted).all()
    np.testing.assert_allclose(shifted.sum(axis=-1), 1, rtol=1e-6)
    called = shifted.argmax(axis=-1) != 0
    # 20 were coded; the teacher can call its 15, or all.
    assert (called.sum(axis=0) == 15).all()
