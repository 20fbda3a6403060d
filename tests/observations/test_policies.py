"""Uncertainty policies and the hierarchy's closure, by hand and as properties."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cxrstudy.observations import OBSERVATIONS, PARENTS, apply_uncertainty_policy, close_upward

NAN = np.nan
LABELS = pd.DataFrame({"Edema": [1, 0, -1, -1, NAN], "Fracture": [-1, NAN, 1, 0, -1.0]})
REFERENCE = pd.DataFrame({"Fracture": [1, 1, 0, 0, 0], "Edema": [0, 1, 1, 0, 1]})

CODES = st.sampled_from([1.0, 0.0, -1.0, NAN])
TABLES = st.lists(st.tuples(*[CODES] * 14), min_size=1, max_size=8).map(
    lambda rows: pd.DataFrame(rows, columns=list(OBSERVATIONS))
)
PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), CODES), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("policy", "edema", "fracture"),
    [
        ("zeros", [1, 0, 0, 0, 0], [0, 0, 1, 0, 0]),
        ("ones", [1, 0, 1, 1, 0], [1, 0, 1, 0, 1]),
        ("ignore", [1, 0, NAN, NAN, 0], [NAN, 0, 1, 0, NAN]),
        ("optimistic", [1, 0, 1, 0, 0], [1, 0, 1, 0, 0]),
        ("pessimistic", [1, 0, 0, 1, 0], [0, 0, 1, 0, 1]),
    ],
)
def test_policies_by_hand(policy, edema, fracture):
    """Each only changes -1; a blank is negative; the reference is matched by name and study."""
    expected = pd.DataFrame({"Edema": edema, "Fracture": fracture}, dtype=float)
    for reference in (REFERENCE, REFERENCE.iloc[[3, 0, 4, 2, 1]]):
        answered = apply_uncertainty_policy(LABELS, policy, reference)
        pd.testing.assert_frame_equal(answered, expected)


def test_labels_are_not_changed_in_place():
    before = LABELS.copy()
    apply_uncertainty_policy(LABELS, "ones")
    close_upward(LABELS)
    pd.testing.assert_frame_equal(LABELS, before)


def test_an_unknown_policy_and_a_bound_without_a_reference_are_refused():
    with pytest.raises(ValueError, match="unknown uncertainty policy 'one'.*zeros, ones, ignore"):
        apply_uncertainty_policy(LABELS, "one")
    for policy in ("optimistic", "pessimistic"):
        with pytest.raises(ValueError, match=f"'{policy}' needs the reference"):
            apply_uncertainty_policy(LABELS, policy)


def _f1(pairs, policy) -> float:
    truth, codes = (np.array(column) for column in zip(*pairs, strict=True))
    reference, labels = pd.DataFrame({"Edema": truth}), pd.DataFrame({"Edema": codes})
    answered = apply_uncertainty_policy(labels, policy, reference)["Edema"].to_numpy()
    return f1_score(truth, answered, zero_division=0)


@given(PAIRS)
def test_optimistic_and_pessimistic_bound_the_other_policies(pairs):
    lowest, highest = _f1(pairs, "pessimistic"), _f1(pairs, "optimistic")
    for policy in ("zeros", "ones"):
        assert lowest <= _f1(pairs, policy) <= highest


@given(TABLES, st.sampled_from(["zeros", "ones", "ignore"]))
def test_answers_are_binary_and_certain_labels_stay(labels, policy):
    answered = apply_uncertainty_policy(labels, policy)
    assert answered.isin([0.0, 1.0]).to_numpy()[(labels != -1).to_numpy()].all()
    assert ((answered == 1) | (labels != 1)).all(axis=None)
    assert ((answered == 0) | (labels != 0)).all(axis=None)


# The closure


def _closed(**codes) -> dict:
    names = {"oc": "Lung Opacity", "co": "Consolidation", "pn": "Pneumonia", "ed": "Edema"}
    table = pd.DataFrame({names[key]: [float(code)] for key, code in codes.items()})
    closed = close_upward(table).iloc[0]
    return {key: closed[names[key]] for key in codes}


@pytest.mark.parametrize(
    ("given_codes", "opacity"),
    [
        ({"oc": NAN, "ed": 1}, 1),
        ({"oc": 0, "ed": 1}, 1),
        ({"oc": -1, "ed": 1}, 1),
        ({"oc": NAN, "ed": -1}, -1),
        ({"oc": 0, "ed": -1}, -1),
        ({"oc": 1, "ed": -1}, 1),
        ({"oc": 0, "ed": 0}, 0),
        ({"oc": 1, "ed": 0}, 1),
        ({"oc": -1, "ed": 0}, -1),
    ],
)
def test_one_level_by_hand(given_codes, opacity):
    """A child's 1 overrules, its -1 lifts blank and 0, its 0 says nothing."""
    assert _closed(**given_codes) == given_codes | {"oc": opacity}


def test_two_levels():
    """Without the column between them, a pneumonia does not reach the opacity."""
    assert _closed(oc=NAN, co=NAN, pn=1) == {"oc": 1, "co": 1, "pn": 1}
    assert _closed(oc=NAN, co=0, pn=-1) == {"oc": -1, "co": -1, "pn": -1}
    assert _closed(oc=NAN, co=-1, pn=1) == {"oc": 1, "co": 1, "pn": 1}
    assert np.isnan(_closed(oc=NAN, pn=1)["oc"])
    # A negative child leaves a blank parent blank.
    assert np.isnan(_closed(oc=NAN, ed=0)["oc"])


@given(TABLES)
def test_closing_changes_parents_only_and_only_upward(labels):
    """To at least the strength of each child, and closing twice is closing once."""
    strength = {1.0: 2, -1.0: 1}
    closed = close_upward(labels)
    pd.testing.assert_frame_equal(close_upward(closed), closed)
    for name in OBSERVATIONS:
        for before, after in zip(labels[name], closed[name], strict=True):
            if name not in PARENTS.values():
                assert before == after or (np.isnan(before) and np.isnan(after))
            assert strength.get(after, 0) >= strength.get(before, 0)
    for child, parent in PARENTS.items():
        assert (closed[parent][closed[child] == 1] == 1).all()
        assert closed[parent][closed[child] == -1].isin([1, -1]).all()
