"""Batched logistic regressions against scikit-learn, one at a time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from cxrstudy.vision import logistic
from cxrstudy.vision.logistic import fit_logistic
from cxrstudy.vision.probes import cross_fit, cross_fit_nested

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")

TIGHT = 1e-10


def _features(n=240, d=12, seed=0, dtype=np.float64):
    """Correlated, positive features on unequal scales, like pooled activations."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return (np.clip(mixed + 1.0, 0.0, 6.0) * np.logspace(-1, 1, d)).astype(dtype)


def _targets(features, k=3, seed=0):
    """Noisy classes that depend on the features, rarer from column to column."""
    rng = np.random.default_rng(seed)
    standard = (features - features.mean(0)) / features.std(0)
    logits = standard @ rng.normal(size=(features.shape[1], k)) + rng.logistic(
        size=(len(features), k)
    )
    return (logits > np.linspace(0.0, 3.0, k)).astype(float)


def _reference(features, target, inverse_penalty, weights=None):
    """Coefficients and intercept of scikit-learn's Newton solver, run to the end."""
    model = LogisticRegression(
        C=inverse_penalty, solver="newton-cholesky", tol=1e-12, max_iter=10_000
    ).fit(features, target, sample_weight=weights)
    return model.coef_[0], model.intercept_[0]


def _assert_equal(heads, j, reference):
    np.testing.assert_allclose(heads.coefficients[j], reference[0], atol=1e-6)
    assert heads.intercepts[j] == pytest.approx(reference[1], abs=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(240, 12), (60, 90), (50, 1)])
def test_equals_scikit_learn(n, d, dtype):
    """Every column is scikit-learn's solution, with more rows than features or fewer."""
    features = _features(n, d, dtype=dtype)
    targets = _targets(features)
    penalties = np.array([1e-3, 0.1, 10.0])
    heads = fit_logistic(features, targets, penalties, tolerance=TIGHT)
    for j, penalty in enumerate(penalties):
        _assert_equal(heads, j, _reference(features.astype(float), targets[:, j], penalty))


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_equals_scikit_learn_on_any_scale(scale):
    """Single precision alone would not do for features far from 1."""
    features = _features() * scale
    targets = _targets(features, 1)
    heads = fit_logistic(features, targets, 0.1 / scale**2, tolerance=TIGHT)
    coefficients, intercept = _reference(features, targets[:, 0], 0.1 / scale**2)
    np.testing.assert_allclose(heads.coefficients[0] * scale, coefficients * scale, atol=1e-6)
    assert heads.intercepts[0] == pytest.approx(intercept, abs=1e-5)


def test_weights_shared_and_of_each_column():
    features = _features()
    targets = _targets(features)
    weights = np.random.default_rng(1).integers(0, 4, targets.shape).astype(float)
    own = fit_logistic(features, targets, 0.5, weights, tolerance=TIGHT)
    shared = fit_logistic(features, targets, 0.5, weights[:, 1], tolerance=TIGHT)
    for j in range(3):
        _assert_equal(own, j, _reference(features, targets[:, j], 0.5, weights[:, j]))
        _assert_equal(shared, j, _reference(features, targets[:, j], 0.5, weights[:, 1]))


def test_missing_targets_leave_rows_out():
    features = _features()
    targets = _targets(features)
    targets[np.random.default_rng(2).random(targets.shape) < 0.4] = np.nan
    heads = fit_logistic(features, targets, 0.2, tolerance=TIGHT)
    for j in range(3):
        seen = ~np.isnan(targets[:, j])
        _assert_equal(heads, j, _reference(features[seen], targets[seen, j], 0.2))


def test_soft_targets_are_weighted_copies_of_both_classes():
    """A target of 0.3 is three tenths of a positive and seven tenths of a negative row."""
    features = _features()
    soft = 0.1 + 0.8 * _targets(features, 2)
    soft[::3] = 0.3
    heads = fit_logistic(features, soft, 0.2, tolerance=TIGHT)
    twice = np.vstack([features, features])
    classes = np.repeat([1.0, 0.0], len(features))
    for j in range(2):
        shares = np.concatenate([soft[:, j], 1.0 - soft[:, j]])
        _assert_equal(heads, j, _reference(twice, classes, 0.2, shares))


def test_folds_as_columns_equal_fits_on_the_subset():
    """Weight 0 and standardising by problem: the column is the pipeline on its own rows."""
    features = _features()
    target = _targets(features, 1)
    fold = np.arange(len(features)) % 4
    weights = (fold[:, None] != np.arange(4)).astype(float)
    heads = fit_logistic(
        features, np.repeat(target, 4, axis=1), 0.3, weights, standardise=True, tolerance=TIGHT
    )
    for j in range(4):
        kept = fold != j
        scaler = StandardScaler().fit(features[kept])
        coefficients, intercept = _reference(scaler.transform(features[kept]), target[kept, 0], 0.3)
        reference = scaler.transform(features) @ coefficients + intercept
        np.testing.assert_allclose(heads.scores(features)[:, j], reference, atol=1e-6)


@pytest.mark.parametrize("standardise", [False, True])
def test_few_rows_of_many_features(standardise):
    """A column of 30 rows, drawn with repeats, is the pipeline on them; some features are rare."""
    rng = np.random.default_rng(3)
    features = _features(400, 90) * (rng.random((400, 90)) < np.linspace(0.02, 1.0, 90))
    target = _targets(features, 1)[:, 0]
    drawn = rng.integers(0, 400, (4, 30))
    weights = np.array([np.bincount(rows, minlength=400) for rows in drawn], float).T
    labels = np.repeat(target[:, None], 4, axis=1)
    options = {"standardise": standardise, "tolerance": TIGHT}
    heads = fit_logistic(features, labels, 0.3, weights, **options)
    for j, rows in enumerate(drawn):
        part = features[rows]
        scale = np.ones(90)
        if standardise:
            # A feature of small variance among these rows keeps its scale among all of them.
            overall = features.std(0)
            rare = part.var(0) <= logistic._LEAST_VARIANCE * overall**2
            scale = np.where(rare, overall, part.std(0))
        coefficients, intercept = _reference(part / scale, target[rows], 0.3)
        _assert_equal(heads, j, (coefficients / scale, intercept))


def test_a_feature_constant_in_a_problem_gets_no_weight():
    features = _features()
    features[:120, 4] = 2.5
    features[:, 7] = 1.0
    weights = (np.arange(240) < 120).astype(float)
    heads = fit_logistic(
        features, _targets(_features(), 1), 0.3, weights, standardise=True, tolerance=TIGHT
    )
    np.testing.assert_allclose(heads.coefficients[0, [4, 7]], 0.0, atol=1e-8)


def test_columns_do_not_depend_on_their_company():
    """Alone or among more columns than one block holds, a problem has the same solution."""
    features = _features(120, 8)
    targets = np.tile(_targets(features), 50)
    penalties = np.logspace(-3, 1, 150)
    together = fit_logistic(features, targets, penalties, tolerance=TIGHT)
    for j in (0, 77, 149):
        alone = fit_logistic(features, targets[:, [j]], penalties[[j]], tolerance=TIGHT)
        np.testing.assert_allclose(together.coefficients[j], alone.coefficients[0], atol=1e-7)
        np.testing.assert_allclose(together.intercepts[j], alone.intercepts[0], atol=1e-7)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(8, 60),
    d=st.integers(1, 12),
    penalty=st.floats(1e-4, 1e3),
)
def test_gradient_vanishes(seed, n, d, penalty):
    rng = np.random.default_rng(seed)
    features, weights = rng.normal(2.0, 3.0, (n, d)), rng.exponential(size=n)
    target = np.concatenate([[0.0, 1.0], rng.random(n - 2)])[:, None]
    heads = fit_logistic(features, target, penalty, weights, tolerance=1e-8)
    coefficients = heads.coefficients[0]
    residuals = weights * (1 / (1 + np.exp(-heads.scores(features)[:, 0])) - target[:, 0])
    # By features of mean 0 and variance 1, on average over the features.
    centred, scale = features - features.mean(0), np.sqrt(features.var(0).mean())
    slope = (residuals @ centred + coefficients / penalty) / (scale * weights.sum())
    assert np.abs(slope).max() <= 1.01e-8 and abs(residuals.sum()) <= 1.01e-8 * weights.sum()
    flipped = fit_logistic(features, 1.0 - target, penalty, weights, tolerance=1e-8)
    np.testing.assert_allclose(flipped.scores(features), -heads.scores(features), atol=1e-3)


def test_too_few_steps_are_reported(monkeypatch):
    monkeypatch.setattr(logistic, "MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="above the tolerance of 1.0e-06"):
        fit_logistic(_features(), _targets(_features()), 10.0)


FEATURES = _features(40, 3)
TARGETS = _targets(FEATURES, 2)


def _changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": _changed(FEATURES, (7, 2), np.inf)}, "features contains infinity"),
        ({"targets": _changed(TARGETS, (3, 1), 1.5)}, "targets row 3, column 1 is 1.5"),
        ({"targets": TARGETS * [1, 0]}, "problem 1 of 2 trains on 40 rows of one class"),
        ({"targets": TARGETS * [np.nan, 1]}, "problem 0 of 2 trains on 0 rows"),
        ({"targets": np.zeros((39, 2))}, "39 rows of targets do not fit 40 of features"),
        ({"inverse_penalties": [1.0, 0.0]}, "finite numbers above 0"),
        ({"inverse_penalties": [1.0, 1.0, 1.0]}, "one, or one for each of the 2 columns"),
        ({"sample_weights": np.ones(39)}, "sample_weights of shape"),
        ({"sample_weights": np.full((40, 2), -1.0)}, "must be finite, not negative"),
    ],
)
def test_bad_input_is_named(changes, message):
    good = {"features": FEATURES, "targets": TARGETS, "inverse_penalties": 1.0}
    with pytest.raises(ValueError, match=message):
        fit_logistic(**good | changes)


PENALTIES = [1e-3, 0.03, 1.0]


def _cross_fit_case():
    features = _features(200, 8)
    targets = _targets(features, 2)
    targets[5:15, 0] = np.nan
    folds = np.random.default_rng(3).permutation(np.arange(200) % 4)
    return features, targets, np.array(["a", "b", "c", "d"])[folds]


def _pipeline(features, target, penalty, train):
    """Logits of scikit-learn's scaler and regression for every row."""
    train = train & ~np.isnan(target)
    scaler = StandardScaler().fit(features[train])
    coefficients, intercept = _reference(scaler.transform(features[train]), target[train], penalty)
    return scaler.transform(features) @ coefficients + intercept


def _chosen_penalty(features, target, train, inner_folds):
    """The penalty with the smallest log loss in nested loops over scikit-learn fits."""
    losses = np.zeros(len(PENALTIES))
    for inner in np.unique(inner_folds[train]):
        rows = train & (inner_folds == inner) & ~np.isnan(target)
        for c, penalty in enumerate(PENALTIES):
            logits = _pipeline(features, target, penalty, train & (inner_folds != inner))[rows]
            losses[c] += log_loss(target[rows], 1 / (1 + np.exp(-logits)), normalize=False)
    return PENALTIES[losses.argmin()]


def test_cross_fit_equals_a_pipeline_for_each_fold():
    """One penalty: the logits are scikit-learn's, also for rows without a target."""
    features, targets, folds = _cross_fit_case()
    result = cross_fit(features, targets, folds, 0.1, tolerance=TIGHT)
    assert np.isfinite(result.logits).all() and (result.inverse_penalties == 0.1).all()
    for fold, j in itertools.product("abcd", range(2)):
        logits = _pipeline(features, targets[:, j], 0.1, folds != fold)
        test = folds == fold
        np.testing.assert_allclose(result.logits[test, j], logits[test], atol=1e-6)


@pytest.mark.parametrize("nested", [False, True])
def test_penalties_are_chosen_within_the_training_folds(nested):
    """By the other folds, or by the inner folds of the other half; logits are scikit-learn's."""
    features, targets, folds = _cross_fit_case()
    if nested:
        inner, folds = folds, np.random.default_rng(5).permutation(np.arange(200) % 2)
        result = cross_fit_nested(features, targets, folds, inner, PENALTIES, tolerance=TIGHT)
    else:
        inner = folds
        result = cross_fit(features, targets, folds, PENALTIES[::-1], tolerance=TIGHT)
    for (f, fold), j in itertools.product(enumerate(np.unique(folds)), range(2)):
        train, test = folds != fold, folds == fold
        best = _chosen_penalty(features, targets[:, j], train, inner)
        assert result.inverse_penalties[f, j] == best
        logits = _pipeline(features, targets[:, j], best, train)
        np.testing.assert_allclose(result.logits[test, j], logits[test], atol=1e-6)
    assert len(np.unique(result.inverse_penalties)) > 1


@pytest.mark.parametrize("nested", [False, True])
def test_a_fold_is_scored_without_its_own_labels(nested):
    features, targets, folds = _cross_fit_case()
    changed = targets.copy()
    changed[folds == "b"] = 1.0 - changed[folds == "b"]
    inner = (np.arange(200) % 3,) if nested else ()
    fit = cross_fit_nested if nested else cross_fit
    before = fit(features, targets, folds, *inner, PENALTIES, tolerance=TIGHT)
    after = fit(features, changed, folds, *inner, PENALTIES, tolerance=TIGHT)
    at = 1  # b is the second fold
    np.testing.assert_array_equal(after.inverse_penalties[at], before.inverse_penalties[at])
    np.testing.assert_allclose(after.logits[folds == "b"], before.logits[folds == "b"], atol=1e-7)
    assert np.abs(after.logits - before.logits)[folds != "b"].max() > 0.1


def test_cross_fit_names_what_is_missing():
    features, targets, folds = _cross_fit_case()
    with pytest.raises(ValueError, match="2 folds, but 3 are needed"):
        cross_fit(features, targets, folds < "c", PENALTIES)
    with pytest.raises(ValueError, match="folds have shape"):
        cross_fit(features, targets, folds[1:], 0.1)
    targets[:, 1] = folds == "c"
    with pytest.raises(ValueError, match="problem 5 of 8 trains on 150 rows of one class"):
        cross_fit(features, targets, folds, 0.1)
