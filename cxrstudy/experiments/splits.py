"""Scores of models on the two parts of many random splits, side by side.

`LANES` pairs of a validation and a test part are walked together in the sorted order of each
cell, so that a split costs no sort and counts stay whole numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.compiled import numba
from cxrstudy.philox import as_key, philox4x32

LANES = 64
"""Splits side by side; a compile-time constant, without which loops run at a tenth."""

_PARTS = 2 * LANES
_HALF = 0.5
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_STREAM = np.uint64(1)


@dataclass(frozen=True, eq=False)
class SortedCells:
    """Every model's ranking for every observation, sorted once.

    Attributes
    ----------
    rows : numpy.ndarray of int64, shape (n_models, n_observations, n_rows)
        Rows in falling order of score.
    closes : numpy.ndarray of bool, same shape
        Last row of each tie.
    above_half : numpy.ndarray of int64, shape (n_models, n_observations)
        Rows with a score of 0.5 or more.
    positive : numpy.ndarray of bool, shape (n_observations, n_rows)
    """

    rows: np.ndarray
    closes: np.ndarray
    above_half: np.ndarray
    positive: np.ndarray


def sort_cells(truth: pd.DataFrame, scores: Mapping[str, pd.DataFrame]) -> SortedCells:
    """Sort every model's scores once.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        0 and 1, complete.
    scores : mapping of str to DataFrame
        Each model's scores, complete, with the same index and columns.

    Returns
    -------
    SortedCells

    Raises
    ------
    ValueError
        If a table is misaligned or incomplete.
    """
    for name, table in scores.items():
        aligned = table.index.equals(truth.index) and table.columns.equals(truth.columns)
        if not aligned or table.isna().any(axis=None):
            raise ValueError(f"scores[{name!r}] must be complete, with truth's index and columns")
    if not truth.isin([0, 1]).all(axis=None):
        raise ValueError("truth must hold 0 and 1 only; drop studies where it is missing")
    values = np.array([table.to_numpy(float).T for table in scores.values()])
    rows = np.argsort(-values, axis=-1, kind="stable")
    falling = np.take_along_axis(values, rows, axis=-1)
    closes = np.ones(rows.shape, bool)
    closes[..., :-1] = falling[..., :-1] != falling[..., 1:]
    above_half = (values >= _HALF).sum(axis=-1)
    return SortedCells(rows, closes, above_half, truth.to_numpy().T == 1)


@numba.njit(cache=True)
def shuffle(seed, replicate, split, order):
    """Fill with a random order of the rows, drawn from the counter (position, split, replicate).

    Parameters
    ----------
    seed : numpy.uint64
    replicate, split : int
    order : numpy.ndarray of int64, shape (n_rows,)
        Filled.
    """
    k0, k1 = seed & _WORD, seed >> _SHIFT
    n = order.size
    for i in range(n):
        order[i] = i
    for i in range(n - 1):
        c0, c1, c2 = np.uint64(i), np.uint64(split), np.uint64(replicate)
        word = philox4x32(c0, c1, c2, _STREAM, k0, k1)[0]
        j = i + np.int64((word * np.uint64(n - i)) >> _SHIFT)
        order[i], order[j] = order[j], order[i]


@numba.njit(cache=True)
def _fill_lane(order, weights, size, lane, parts):
    """Write one split's multiplicities: its validation lane, and the test lane it belongs to."""
    drawn = 0
    for row in order:
        parts[row, lane if drawn < size else LANES + lane] = weights[row]
        drawn += weights[row]


@numba.njit(cache=True)
def _add(total, parts, row):
    for i in range(_PARTS):
        total[i] += parts[row, i]


@numba.njit(cache=True)
def _credit(run, doubled, pairs):
    for i in range(_PARTS):
        pairs[i] += run[i] * doubled[i]
        run[i] = 0


@numba.njit(cache=True)
def _add_twice(doubled, tied):
    for i in range(_PARTS):
        doubled[i] += tied[i]
        tied[i] = 0


@numba.njit(cache=True)
def _won_pairs(rows, closes, positive, parts, run, tied, doubled, pairs):
    """Twice the pairs that each part orders rightly; a tie counts half.

    Negatives gather in ``run`` and are credited with twice the positives above them. The
    positives of a tie count once before its negatives are credited and once after.
    """
    run[:] = 0
    tied[:] = 0
    doubled[:] = 0
    pairs[:] = 0
    first = 0
    for step in range(rows.size):
        if not closes[step]:
            continue
        any_positive = False
        for member in range(first, step + 1):
            any_positive |= positive[rows[member]]
        if any_positive:
            _credit(run, doubled, pairs)
            for member in range(first, step + 1):
                _add(tied if positive[rows[member]] else run, parts, rows[member])
            for i in range(_PARTS):
                doubled[i] += tied[i]
            if step > first:
                _credit(run, doubled, pairs)
            _add_twice(doubled, tied)
        else:
            for member in range(first, step + 1):
                _add(run, parts, rows[member])
        first = step + 1
    _credit(run, doubled, pairs)


@numba.njit(cache=True)
def _totals(positive, parts, events, others):
    events[:] = 0
    others[:] = 0
    for row in range(positive.size):
        _add(events if positive[row] else others, parts, row)


@numba.njit(cache=True, error_model="numpy")
def _score_parts(rows, closes, positive, parts, scores, defined):
    """Average each model's AUROC of each part over the observations that have one there."""
    n_models, n_observations, _ = rows.shape
    events, others = np.empty(_PARTS, np.int32), np.empty(_PARTS, np.int32)
    run, tied = np.empty(_PARTS, np.int32), np.empty(_PARTS, np.int32)
    doubled, pairs = np.empty(_PARTS, np.int32), np.empty(_PARTS, np.int32)
    for observation in range(n_observations):
        truth = positive[observation]
        _totals(truth, parts, events, others)
        for i in range(_PARTS):
            defined[i] += events[i] > 0 and others[i] > 0
        for model in range(n_models):
            _won_pairs(
                rows[model, observation], closes[model, observation], truth, parts,
                run, tied, doubled, pairs,
            )  # fmt: skip
            for i in range(_PARTS):
                if events[i] > 0 and others[i] > 0:
                    scores[i, model] += pairs[i] / (2.0 * events[i] * others[i])
    for i in range(_PARTS):
        scores[i] /= defined[i]


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _split_kernel(rows, closes, positive, weights, sizes, n_splits, seed, scores, defined):
    for replicate in numba.prange(weights.shape[0]):
        parts = np.zeros((weights.shape[1], _PARTS), np.uint8)
        order = np.empty(weights.shape[1], np.int64)
        for split in range(n_splits):
            shuffle(seed, replicate, split, order)
            for k in range(sizes.size):
                _fill_lane(order, weights[replicate], sizes[k], k * n_splits + split, parts)
        _score_parts(rows, closes, positive, parts, scores[replicate], defined[replicate])


@dataclass(frozen=True, eq=False)
class SplitScores:
    """Scores of every model on both parts of every split of every resample.

    Attributes
    ----------
    validation, test : numpy.ndarray of float64, shape (n_resamples, n_sizes, n_splits, n_models)
        Mean AUROC over the observations that have one in that part.
    defined : numpy.ndarray of int32, shape (n_resamples, n_sizes, n_splits)
        Observations that have both classes in the validation part.
    """

    validation: np.ndarray
    test: np.ndarray
    defined: np.ndarray


def check_sizes(sizes: Sequence[int], n_rows: int) -> np.ndarray:
    """Return the sizes of the validation part as an array.

    Raises
    ------
    ValueError
        If the sizes do not rise, are too many, or leave nothing to test on.
    """
    rising = list(sizes) == sorted(set(sizes)) and 0 < len(sizes) <= LANES
    if not rising or not 0 < sizes[0] <= sizes[-1] < n_rows:
        raise ValueError(f"sizes must rise and stay below the {n_rows} studies; got {list(sizes)}")
    return np.asarray(sizes, np.int64)


def score_splits(
    cells: SortedCells, weights: np.ndarray, sizes: Sequence[int], seed: int
) -> SplitScores:
    """Split resamples at random and score every model on both parts.

    A split shuffles the distinct studies and takes them for validation until it holds ``size``
    rows; copies of a study stay together. Each resample is split ``LANES // len(sizes)`` times,
    and a larger validation part extends the smaller ones. An observation without both classes
    in a part leaves that part's mean.

    Parameters
    ----------
    cells : SortedCells
    weights : numpy.ndarray of uint8, shape (n_resamples, n_rows)
        How often each resample holds each study.
    sizes : sequence of int
        Rows of the validation part, rising, below the number of rows.
    seed : int

    Returns
    -------
    SplitScores
    """
    n_models, _, n_rows = cells.rows.shape
    lengths = check_sizes(sizes, n_rows)
    n_splits = LANES // len(lengths)
    scores = np.zeros((len(weights), _PARTS, n_models))
    defined = np.zeros((len(weights), _PARTS), np.int32)
    _split_kernel(
        cells.rows, cells.closes, cells.positive, np.ascontiguousarray(weights, np.uint8),
        lengths, n_splits, as_key(seed), scores, defined,
    )  # fmt: skip
    shape = (len(weights), len(lengths), n_splits)
    used = shape[1] * shape[2]
    return SplitScores(
        validation=scores[:, :used].reshape(*shape, n_models),
        test=scores[:, LANES : LANES + used].reshape(*shape, n_models),
        defined=defined[:, :used].reshape(shape),
    )
