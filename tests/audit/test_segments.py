"""Runs of rows that stand out, by hand and against random marks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.audit.segments import best_run, dense_rows, emptied_run


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_best_run_equals_brute_force(scores):
    start, stop, total = best_run(np.array(scores, float))
    sums = [sum(scores[i:j]) for i in range(len(scores)) for j in range(i, len(scores) + 1)]
    assert total == max(sums) == sum(scores[start:stop])


def test_scattered_marks_have_no_dense_run():
    marked = np.zeros(400, bool)
    marked[[3, 100, 390]] = True
    assert dense_rows(marked) == [3, 390]
    marked[200:230] = True
    assert dense_rows(marked) == [200, 229]
    assert dense_rows(np.zeros(5, bool)) == []


def test_a_run_without_marks_is_found_and_random_gaps_are_not():
    marked = np.tile([True, False, False, False], 100)
    marked[300:] = False
    start, stop, log_p = emptied_run(marked)
    # 75 marks all in the first three quarters. The last stands in row 296, and the next would stand
    # in row 300: the limit is placed amid the rows that it may be.
    assert (start, stop) == (299, 400)
    assert log_p == np.float64(log_p) and log_p < 75 * np.log(0.76) + np.log(2)
    random = np.random.default_rng(0)
    chance = [emptied_run(random.random(300) < 0.1)[2] for _ in range(200)]
    assert np.mean(np.array(chance) < np.log(0.01)) <= 0.02
    assert emptied_run(np.ones(9, bool)) == emptied_run(np.zeros(9, bool)) == (0, 0, 0.0)
