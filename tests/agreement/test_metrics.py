"""Count metrics against scikit-learn, and the undefined cases of the table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from cxrstudy.agreement import COUNT_METRICS, count_metric

SCIKIT_LEARN = {
    "f1": lambda t, p: sk.f1_score(t, p, zero_division=np.nan),
    "precision": lambda t, p: sk.precision_score(t, p, zero_division=np.nan),
    "recall": lambda t, p: sk.recall_score(t, p, zero_division=np.nan),
    "specificity": lambda t, p: sk.recall_score(t, p, pos_label=0, zero_division=np.nan),
    "kappa": sk.cohen_kappa_score,
    "accuracy": sk.accuracy_score,
}
labels = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore")
@given(labels)
def test_equal_to_scikit_learn(pairs):
    """MCC with undefined as zero is scikit-learn's; Youden is its adjusted balanced accuracy."""
    truth, predicted = np.array(pairs).T.astype(int)
    counts = truth.size, truth.sum(), predicted.sum(), (truth & predicted).sum()
    for name, reference in SCIKIT_LEARN.items():
        expected = reference(truth, predicted)
        np.testing.assert_allclose(count_metric(name, *counts), expected, atol=1e-12)
    mcc = count_metric("mcc", *counts, undefined="zero")
    assert mcc == pytest.approx(sk.matthews_corrcoef(truth, predicted), abs=1e-12)
    if 0 < truth.sum() < truth.size:
        expected = sk.balanced_accuracy_score(truth, predicted, adjusted=True)
        assert count_metric("youden", *counts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "p", "q", "tp", "undefined"),
    [
        (5, 0, 0, 0, {"f1", "precision", "recall", "kappa", "mcc", "youden"}),
        (5, 5, 5, 5, {"specificity", "kappa", "mcc", "youden"}),
        (5, 0, 2, 0, {"recall", "mcc", "youden"}),
        (5, 2, 0, 0, {"precision", "mcc"}),
        (5, 2, 2, 1, set()),
        (0, 0, 0, 0, set(COUNT_METRICS)),
    ],
)
def test_undefined_cases(n, p, q, tp, undefined):
    found = {name for name in COUNT_METRICS if np.isnan(count_metric(name, n, p, q, tp))}
    assert found == undefined


def test_zero_policy_arrays_and_an_unknown_metric():
    values = count_metric("f1", 5, [0, 2], [0, 2], [0, 1], undefined="zero")
    np.testing.assert_allclose(values, [0, 0.5])
    with pytest.raises(ValueError, match="kappa"):
        count_metric("f2", 5, 1, 1, 1)
