"""Heads fitted at home: against scikit-learn, out of fold, on draws, with errors of known rates."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import NIH_FINDINGS, NO_FINDING
from cxrstudy.studies.labels_that_travel import heads

N, N_READ = 400, 300


@pytest.fixture(scope="module")
def home() -> ImageSet:
    """400 images of 200 patients, of which experts read 300; reports err more on PA images."""
    rng = np.random.default_rng(3)
    opacity = rng.random(N) < 0.3
    views = np.where(rng.random(N) < 0.5, "AP", "PA")
    images = pd.DataFrame(
        {"patient": np.arange(N) // 2, "view": views, "sex": "F", "age": rng.integers(1, 90, N)},
        index=pd.Index([f"{n}.png" for n in range(N)], name="image"),
    )
    wrong = rng.random(N) < np.where(views == "AP", 0.1, 0.4)
    nlp = pd.DataFrame(0.0, images.index, [*NIH_FINDINGS, NO_FINDING])
    nlp["Pneumonia"] = (opacity ^ wrong).astype(float)
    nlp[NO_FINDING] = (~(opacity ^ wrong) & (rng.random(N) < 0.7)).astype(float)
    normal = ~opacity & (rng.random(N) < 0.6)
    rsna = pd.DataFrame({"Lung Opacity": opacity, "Normal": normal}, images.index).astype(float)
    rsna["No Lung Opacity / Not Normal"] = 1 - rsna.sum(axis=1)
    rsna.iloc[N_READ:] = np.nan
    pixels = rng.integers(0, 256, (N, 8, 8), np.uint8)
    return ImageSet("home", "drawn", pixels, images, {"nlp": nlp, "rsna": rsna}, pd.DataFrame())


@pytest.fixture(scope="module")
def features(home) -> np.ndarray:
    rng = np.random.default_rng(4)
    signal = home.labels["rsna"]["Lung Opacity"].fillna(0).to_numpy()
    return rng.normal(size=(N, 6)) + np.outer(signal, [1, 0.5, 0, 0, 0, 0])


def test_sources_differ_in_the_label_and_then_in_the_images(home):
    sources = heads.label_sources(home)
    counts = {name: (~np.isnan(each.labels)).sum() for name, each in sources.items()}
    assert counts == {"expert": N_READ, "report_of_read": N_READ, "report": N}
    read, every = sources["report_of_read"].labels, sources["report"].labels
    assert (read[:N_READ] == every[:N_READ]).all()


def test_endpoints_by_hand(home):
    rsna = home.labels["rsna"]
    abnormal = heads.endpoint_labels(home, heads.ABNORMAL)
    assert (abnormal["expert"][:N_READ] == 1 - rsna["Normal"][:N_READ]).all()
    assert (abnormal["report"] == 1 - home.labels["nlp"][NO_FINDING]).all()
    either = heads.endpoint_labels(home, heads.NORMAL_OR_OPACITY)["expert"]
    between = rsna["No Lung Opacity / Not Normal"] == 1
    assert either[between].isna().all() and either[N_READ:].isna().all()
    assert (either[rsna["Normal"] == 1] == 0).all()


def test_a_head_is_scikit_learns_and_never_saw_the_fold_it_scores(home, features):
    source = heads.label_sources(home)["expert"]
    fitted = heads.fit_heads(home, features, source, None, [0.1])
    folds = home.folds(heads.N_FOLDS)
    new = np.random.default_rng(5).normal(size=(3, 6))

    def expected(rows, scored):
        scale = StandardScaler().fit(features[rows])
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000)
        model.fit(scale.transform(features[rows]), source.labels[rows])
        return model.decision_function(scale.transform(scored))

    read = np.arange(N) < N_READ
    assert fitted.scores(new)[0] == pytest.approx(expected(read, new), abs=5e-3)
    for fold in (0, 3):
        scored = read & (folds == fold)
        wanted = expected(read & (folds != fold), features[scored])
        assert fitted.held_out[0][scored[read]] == pytest.approx(wanted, abs=5e-3)


def test_a_draw_counts_images_as_often_as_it_holds_them(home, features):
    source = heads.label_sources(home)["expert"]
    draws = heads.patient_draws(home, 2, seed=1)
    assert (draws[:, ::2] == draws[:, 1::2]).all() and draws.sum() == 2 * N
    fitted = heads.fit_heads(home, features, source, draws, [0.1])
    rows = np.repeat(np.arange(N), draws[1].astype(int))
    rows = rows[rows < N_READ]
    scale = StandardScaler().fit(features[rows])
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000)
    model.fit(scale.transform(features[rows]), source.labels[rows])
    wanted = model.decision_function(scale.transform(features[:5]))
    assert fitted.scores(features[:5])[1] == pytest.approx(wanted, abs=5e-3)


def test_the_penalty_is_the_one_that_loses_least_out_of_fold_on_own_labels(home, features):
    noise = np.random.default_rng(6).normal(size=(N, 60))
    source = heads.label_sources(home)["expert"]
    grid = [1e-4, 1e2]
    assert heads.fit_heads(home, noise, source, None, grid).inverse_penalties[0] == grid[0]
    assert (
        heads.fit_heads(home, features[:, :1] * 9, source, None, grid).inverse_penalties[0] == 1e2
    )


def test_sources_that_are_drawn_take_the_patients_draws_in_turn(home, features):
    errors = heads.error_sources(home, 6)
    draws = heads.patient_draws(home, 3, seed=1)
    whole, drawn = heads.heads_of(home, features, errors, draws, [0.1])[heads.ERRORS]
    assert len(whole.coefficients) == len(drawn.coefficients) == 6
    one = heads.Source(errors[heads.ERRORS].labels[4])
    wanted = heads.fit_heads(home, features, one, draws[1:2], [0.1])
    assert drawn.coefficients[4] == pytest.approx(wanted.coefficients[0], abs=2e-3)


def test_random_errors_are_as_many_as_the_reports_make(home):
    labels = heads.endpoint_labels(home)[:N_READ]
    views = home.images["view"][:N_READ]
    found = heads.error_sources(home, 400)
    for truth in (0, 1):
        rows = (labels["expert"] == truth).to_numpy()
        rate = (labels["report"][rows] != truth).mean()
        pooled = found[heads.ERRORS].labels[:, :N_READ][:, rows] != truth
        assert pooled.mean() == pytest.approx(rate, abs=0.01)
        for view in ("AP", "PA"):
            part = rows & (views == view).to_numpy()
            own = (labels["report"][part] != truth).mean()
            within = found[heads.ERRORS_IN_VIEW].labels[:, :N_READ][:, part] != truth
            assert within.mean() == pytest.approx(own, abs=0.02)
    assert np.isnan(found[heads.ERRORS].labels[:, N_READ:]).all()


def test_subsets_grow_patient_by_patient(home):
    source = heads.label_sources(home)["expert"]
    small, large = (heads.subset_draws(home, source, size, 3) for size in (40, 90))
    assert (small.sum(axis=1) == 40).all() and (large.sum(axis=1) == 90).all()
    assert (small <= large).all() and (small[0] != small[1]).any()
    assert not small[:, N_READ:].any()
    patients = pd.Series(home.images["patient"].to_numpy()[small[0] == 1])
    assert patients.nunique() == 20


def test_a_learning_curve_ends_with_all_labels_in_one_draw(home, features):
    learned = heads.learning_curve(home, features, [60, 1000], 2)
    assert [*learned] == [("expert", 60), ("expert", N_READ), ("report_of_read", 60),
                          ("report_of_read", N_READ), ("report", 60), ("report", N)]  # fmt: skip
    assert len(learned["expert", 60].coefficients) == 2
    assert len(learned["report", N].coefficients) == 1


def test_smoothed_labels_move_to_one_half_and_views_are_cut(home):
    smoothed = heads.smoothed_sources(home, [0.2])["report_of_read, smoothed 0.2"].labels
    assert set(np.round(smoothed[:N_READ], 6)) == {0.1, 0.9}
    ap = heads.view_sources(home)["expert, AP only"].labels
    assert (~np.isnan(ap) == (home.images["view"] == "AP") & (np.arange(N) < N_READ)).all()
