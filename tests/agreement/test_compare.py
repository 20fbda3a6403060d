"""`agree` for count metrics against scikit-learn on identical resamples."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score, matthews_corrcoef

from cxrstudy.agreement import COUNT_METRICS, Resampling, agree, count_metric

SEED = 11
SCIKIT_LEARN = {
    "f1": lambda t, p, w: f1_score(t, p, sample_weight=w, zero_division=np.nan),
    "kappa": lambda t, p, w: cohen_kappa_score(t, p, sample_weight=w, labels=[0, 1]),
    "mcc": lambda t, p, w: matthews_corrcoef(t, p, sample_weight=w),
}


def _assert_replicates_equal(agreement, truth, predictions, weights, metrics=tuple(SCIKIT_LEARN)):
    for method, table in predictions.items():
        for observation in truth:
            pair = truth[observation], table[observation]
            for metric in metrics:
                replicates = agreement.estimate(method, observation, metric).replicates
                if metric == "mcc":
                    replicates = np.nan_to_num(replicates)
                expected = [SCIKIT_LEARN[metric](*pair, w) for w in weights]
                np.testing.assert_allclose(replicates[: len(weights)], expected, atol=1e-12)


@settings(max_examples=25)
@given(
    n=st.integers(2, 300),
    constant=st.sampled_from([None, 0, 1]),
    weighted=st.booleans(),
    seed=st.integers(0, 10**6),
)
@pytest.mark.filterwarnings("ignore")
def test_replicates_equal_scikit_learn(n, constant, weighted, seed):
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(rng.integers(0, 2, (n, 2)), columns=["u", "v"])
    table = truth.where(rng.random((n, 2)) < 0.7, 1 - truth)
    if constant is not None:
        table["v"] = constant
        truth["v"] = truth["v"] if seed % 2 else constant
    sampling = rng.uniform(0.5, 4, n) if weighted else None
    metrics, resampling = tuple(SCIKIT_LEARN), Resampling(4, SEED, weights=sampling)
    agreement = agree(truth, {"m": table}, metrics=metrics, min_events=0, resampling=resampling)
    weights = Resampling(4, SEED).drawn(n) * (1.0 if sampling is None else sampling)
    _assert_replicates_equal(agreement, truth, {"m": table}, weights)


def test_replicates_equal_scikit_learn_at_60000_rows(labels):
    truth, predictions = labels(60_000, 2, a=0.1)
    resampling = Resampling(2, SEED)
    agreement = agree(truth, predictions, metrics=tuple(SCIKIT_LEARN), resampling=resampling)
    _assert_replicates_equal(agreement, truth, predictions, Resampling(2, SEED).drawn(60_000))


def test_every_metric_from_weighted_counts(labels):
    """All metrics follow from the resample's counts, in every block of replicates."""
    truth, predictions = labels(90, 2, a=0.2)
    agreement = agree(truth, predictions, metrics=COUNT_METRICS, resampling=Resampling(1100, SEED))
    weights = Resampling(1100, SEED).drawn(90).astype(float)
    for name in truth:
        t, p = truth[name].to_numpy(), predictions["a"][name].to_numpy()
        counts = weights.sum(axis=1), weights @ t, weights @ p, weights @ (t * p)
        for metric in COUNT_METRICS:
            found = agreement.estimate("a", name, metric).replicates
            np.testing.assert_allclose(found, count_metric(metric, *counts), atol=1e-12)


def test_rounding_hides_no_undefined_value():
    """Weights of 1/3, 1/4, ... add up alike in every column: without the one negative, NaN."""
    truth = pd.DataFrame({"u": np.r_[0.0, np.ones(39)]})
    table = truth.where(np.arange(40)[:, None] >= 20, 0.0)
    estimate = agree(
        truth, {"m": table}, metrics=("specificity",), min_events=0,
        resampling=Resampling(200, SEED, weights=1 / np.arange(3, 43)),
    ).estimate("m", "u", "specificity")  # fmt: skip
    drawn = Resampling(200, SEED).drawn(40)[:, 0] > 0
    np.testing.assert_array_equal(estimate.replicates, np.where(drawn, 1.0, np.nan))
    np.testing.assert_array_equal(estimate.jackknife, np.r_[np.nan, np.ones(39)])


def test_averages_and_contrasts(labels):
    """Averages are scikit-learn's macro and weighted ones, differences are taken by replicate."""
    truth, predictions = labels(200, 3, a=0.1, b=0.3)
    agreement = agree(
        truth, predictions, metrics=("f1",), contrasts=[("a", "b")], resampling=Resampling(5, SEED)
    )
    weights = Resampling(5, SEED).drawn(200)
    for observation, average in (("Average", "macro"), ("Weighted Average", "weighted")):
        expected = {
            name: [f1_score(truth, table, average=average, sample_weight=w) for w in weights]
            for name, table in predictions.items()
        }
        found = agreement.estimate("a", observation, "f1")
        np.testing.assert_allclose(found.replicates, expected["a"], atol=1e-12)
        assert found.value == pytest.approx(f1_score(truth, predictions["a"], average=average))
        difference = agreement.estimate("a - b", observation, "f1").replicates
        by_hand = np.subtract(expected["a"], expected["b"])
        np.testing.assert_allclose(difference, by_hand, atol=1e-12)


@pytest.mark.parametrize(("n", "n_patients"), [(150, 40), (1000, 10)])
def test_clusters_are_drawn_whole_and_the_jackknife_is_exact(labels, rng, n, n_patients):
    truth, predictions = labels(n, 1, a=0.2)
    patients = pd.Series(rng.integers(0, n_patients, n))
    estimate = agree(
        truth, predictions, metrics=("f1",), resampling=Resampling(5, SEED, clusters=patients)
    ).estimate("a", "observation 0", "f1")
    codes, names = pd.factorize(patients)
    pair = truth.iloc[:, 0], predictions["a"].iloc[:, 0]
    weights = Resampling(5, SEED).drawn(len(names))[:, codes]
    expected = [f1_score(*pair, sample_weight=w) for w in weights]
    np.testing.assert_allclose(estimate.replicates, expected, atol=1e-12)
    left_out = [f1_score(*(c[codes != u] for c in pair)) for u in range(len(names))]
    np.testing.assert_allclose(estimate.jackknife, left_out, atol=1e-12)
    rows = agree(truth[:40], {"a": predictions["a"][:40]}, metrics=("kappa",), min_events=0)
    pair = [column[:40] for column in pair]
    left_out = [cohen_kappa_score(*(column.drop(i) for column in pair)) for i in range(40)]
    found = rows.estimate("a", "observation 0", "kappa").jackknife
    np.testing.assert_allclose(found, left_out, atol=1e-12)


def test_missing_values_leave_their_cell_only(labels):
    """A missing truth or prediction is excluded pairwise, in sample and resamples."""
    truth, predictions = labels(120, 2, a=0.2, b=0.2)
    truth.iloc[:10, 0] = np.nan
    predictions["a"].iloc[5:30, 0] = np.nan
    agreement = agree(truth, predictions, metrics=("f1",), resampling=Resampling(6, SEED))
    known = np.arange(120) >= 30
    weights = Resampling(6, SEED).drawn(120)[:, known]
    pair = truth.iloc[known, 0], predictions["a"].iloc[known, 0]
    estimate = agreement.estimate("a", "observation 0", "f1")
    expected = [f1_score(*pair, sample_weight=w) for w in weights]
    np.testing.assert_allclose(estimate.replicates, expected, atol=1e-12)
    sizes = agreement.table().set_index(["method", "observation"])["n"]
    assert sizes["a", "observation 0"] == 90
    assert sizes["b", "observation 0"] == 110
    assert sizes["a", "observation 1"] == 120


def test_strata_keep_their_size(rng):
    """With truth as stratum, every replicate has the sample's number of positives."""
    truth = pd.DataFrame({"u": (rng.random(300) < 0.05).astype(float)})
    table = truth.where(rng.random((300, 1)) < 0.9, 1 - truth)
    estimate = agree(
        truth, {"m": table}, metrics=("recall",), resampling=Resampling(64, strata=truth["u"])
    ).estimate("m", "u", "recall")
    hits = estimate.replicates * truth["u"].sum()
    np.testing.assert_allclose(hits, np.round(hits), atol=1e-9)
    assert estimate.undefined == 0


def test_few_events_leave_the_averages(labels):
    truth, predictions = labels(100, 3, a=0.1, b=0.1)
    truth.iloc[:, 1] = (np.arange(100) < 9).astype(float)
    agreement = agree(truth, predictions, contrasts=[("a", "b")], resampling=Resampling(20))
    table = agreement.table().set_index(["method", "observation", "metric"])
    flagged = {key[:2] for key in table.index[table["too_few"]]}
    assert flagged == {(m, "observation 1") for m in ("a", "b", "a - b")}
    others = [agreement.estimate("a", f"observation {i}", "f1") for i in (0, 2)]
    average = agreement.estimate("a", "Average", "f1")
    assert average.value == pytest.approx(np.mean([e.value for e in others]))
    assert average.positives == sum(e.positives for e in others)


def test_averages_over_named_observations(labels):
    """Over none that can be measured they are undefined."""
    truth, predictions = labels(100, 3, a=0.1)
    settings = {"averages_over": ["observation 2"], "resampling": Resampling(20)}
    agreement = agree(truth, predictions, **settings)
    single, average = (agreement.estimate("a", o, "f1") for o in ("observation 2", "Average"))
    np.testing.assert_array_equal(average.replicates, single.replicates)
    few = agree(truth[:15], {"a": predictions["a"][:15]}, resampling=Resampling(20))
    nothing = few.estimate("a", "Average", "f1")
    assert np.isnan(nothing.value) and np.isnan(nothing.interval()).all()
    assert (nothing.undefined, nothing.n) == (20, 0)


def test_undefined_policies(rng):
    """Resamples without a positive are dropped or count as zero, and are counted either way."""
    truth = pd.DataFrame({"u": [1.0] + [0.0] * 19})
    arguments = {"metrics": ("f1",), "resampling": Resampling(2000), "min_events": 0}
    dropped = agree(truth, {"m": truth}, **arguments).estimate("m", "u", "f1")
    zeroed = agree(truth, {"m": truth}, undefined="zero", **arguments).estimate("m", "u", "f1")
    absent = (Resampling(2000, 0).drawn(20)[:, 0] == 0).sum()
    assert dropped.undefined == zeroed.undefined == absent > 0
    limits = [replace(e, jackknife=None).interval() for e in (dropped, zeroed)]
    assert limits == [(1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ("f2",)}, "unknown metrics"),
        ({"contrasts": [("a", "z")]}, "contrasts name"),
        ({"averages_over": ["z"]}, "averages_over"),
        ({"undefined": "ignore"}, "undefined must be"),
        ({"resampling": Resampling(weights=np.zeros(30))}, "weights"),
    ],
)
def test_wrong_arguments_and_tables_are_refused(labels, change, message):
    """Misaligned and uncertain tables are no better."""
    truth, predictions = labels(30, 1, a=0.1)
    with pytest.raises(ValueError, match=message):
        agree(truth, predictions, **change)
    with pytest.raises(ValueError, match="index or columns"):
        agree(truth, {"a": predictions["a"].iloc[::-1]})
    with pytest.raises(ValueError, match="uncertain"):
        agree(truth, {"a": predictions["a"].replace(1, -1)})
