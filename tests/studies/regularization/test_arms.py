"""Arms that use a few expert images, and the draws of these images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxrstudy.agreement import Resampling
from cxrstudy.experiments.image_labels import EXPERTS, training_labels
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies.regularization import arms as regularization
from cxrstudy.studies.regularization import checkpoints
from cxrstudy.studies.regularization.arms import draw_table, draw_validation


@pytest.fixture(scope="module")
def drawn(draw_image_set):
    image_set = draw_image_set(400, seed=2)
    features = np.random.default_rng(1).normal(size=(400, 6))
    features[:, 0] += 1.5 * image_set.pixels.mean(axis=(1, 2)) / 30
    return image_set, features, draw_validation(image_set, 40, 2)


@pytest.fixture(scope="module")
def compared(drawn):
    """Every arm's scores, and what is judged of them."""
    image_set, features, draws = drawn
    arms = regularization.compare_arms(image_set, features, draws, steps=5)
    hidden = regularization.on_test_images(arms, draws)
    return arms, hidden, opacity_scores(image_set, hidden, resampling=Resampling(60))


def test_no_patient_is_drawn_and_tested(drawn):
    image_set, _, draws = drawn
    read = training_labels(image_set)[EXPERTS].notna().to_numpy()
    patients = image_set.images["patient"].to_numpy()
    halves = image_set.folds(2)
    assert draws.validation.shape == (4, 40) and list(draws.half) == [0, 0, 1, 1]
    for half, rows, tested in zip(draws.half, draws.validation, draws.test, strict=True):
        assert len(set(rows)) == 40 and read[rows].all() and (halves[rows] == half).all()
        assert read[tested].all() and (halves[tested] == half).all()
        assert not set(patients[rows]) & set(patients[tested])
    assert not np.array_equal(draws.validation[0], draws.validation[1])
    table = draw_table(draws, image_set)
    assert table["draws"].tolist() == [2, 2]
    assert table["test_images"].tolist() == [draws.test[:2].sum() / 2, draws.test[2:].sum() / 2]


def test_too_few_expert_images_are_an_error(drawn):
    with pytest.raises(ValueError, match="n_validation can be"):
        draw_validation(drawn[0], 300, 1)


def test_arms_that_see_the_images_fit_them_and_others_do_not_change(drawn):
    """The picked head is the best of the candidates there; the plain one is the same each draw."""
    image_set, features, draws = drawn
    arms = regularization.compare_arms(image_set, features, draws, steps=20)
    assert list(arms) == list(regularization.ARMS)
    expert = training_labels(image_set)[EXPERTS].to_numpy()
    for number, rows in enumerate(draws.validation):
        scores = {arm: values[number, rows] for arm, values in arms.items()}
        auroc = {arm: roc_auc_score(expert[rows], values) for arm, values in scores.items()}
        for arm in (regularization.PLAIN, regularization.SMOOTHED, regularization.DECAYED):
            assert auroc[regularization.PICKED] >= auroc[arm] - 1e-9
        assert auroc[regularization.TUNED] > auroc[regularization.PLAIN] - 0.02
        shown = draws.test[number].copy()
        shown[rows] = True
        assert np.isnan(arms[regularization.PLAIN][number, ~shown]).all()
    both = draws.test[0] & draws.test[1]
    plain = arms[regularization.PLAIN]
    np.testing.assert_array_equal(plain[0, both], plain[1, both])
    tuned = arms[regularization.TUNED]
    assert not np.allclose(tuned[0, both], tuned[1, both])


def test_only_test_images_are_judged(drawn, compared):
    image_set, _, draws = drawn
    arms, hidden, scores = compared
    for values in hidden.values():
        assert (~np.isnan(values) == draws.test).all()
    gains = regularization.gain_table(scores)
    assert set(gains["arm"]) == set(regularization.ARMS) - {regularization.PLAIN}
    promise = regularization.promise_table(arms, image_set, draws)
    difference = promise["on_validation"] - promise["on_the_test"]
    np.testing.assert_allclose(promise["optimism"], difference)
    assert (promise["lowest"] <= promise["optimism"]).all()
    assert gains["n"].iloc[0] == round(draws.test.sum(axis=1).mean())


def test_only_two_hundred_images_decide_the_claims(compared):
    *_, scores = compared
    assert [c.decides for c in regularization.contrasts(scores, 40, "images")] == [False, False]
    assert all(c.decides for c in regularization.contrasts(scores, 200, "images"))


def test_the_ensemble_adds_what_helps_most():
    """Two candidates that err on different rows are better together than either alone."""
    positive = np.array([1, 1, 0, 0])
    scores = np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 5.0]])
    chosen = regularization._greedy_ensemble(scores, positive, size=2)
    assert set(chosen) == {0, 1}


def test_the_summary_keeps_every_arm(compared):
    *_, scores = compared
    gains = regularization.gain_table(scores)
    names = ["chosen_by", "half", "outcome", "estimate", "low", "high", "n"]
    first, second = (("training_loss", 1, outcome) for outcome in ("regret", "optimism"))
    compass = pd.DataFrame([(*first, 0.1, 0.0, 0.2, 50), (*second, 0, 0, 0, 0)], columns=names)
    table = checkpoints.summary_table(scores, gains, compass)
    assert set(regularization.ARMS) < set(table["row"])
    choosers = table[table["kind"] == "chooser"]
    assert choosers[["row", "measure"]].to_numpy().tolist() == [["training_loss_1", "regret"]]
    assert not table.duplicated(["row", "measure"]).any()
    assert {*table["row"], *table["measure"]} - {"regret"} <= set(checkpoints.WORDS)
    uses = checkpoints.gains_of_uses(table)
    assert uses["row"].tolist() == list(regularization.ARMS)[1:]
