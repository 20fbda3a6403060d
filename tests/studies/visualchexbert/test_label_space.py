"""The CheXpert test set: against study 02, the paper and what exchanging labels must do."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling
from cxrstudy.agreement.result import LIMITS
from cxrstudy.claims import claims
from cxrstudy.experiments.label_mapping import compare_mappings
from cxrstudy.studies.visualchexbert import (
    label_curves,
    label_space,
    nih_block,
    reporting,
    text_student,
)


@pytest.fixture(scope="module")
def cohort(mirror):
    return label_space.load_cohort()


@pytest.fixture(scope="module")
def scores(cohort):
    return label_space.compare(cohort, Resampling(20, 3))


def test_four_findings_are_scored_and_five_are_inputs(cohort):
    assert list(cohort.truth) == ["Cardiomegaly", "Edema", "Atelectasis", "Pleural Effusion"]
    assert len(cohort.teachers) == 11 and all(t.shape == (500, 5) for t in cohort.teachers.values())


def test_zero_one_and_experts_supervision_are_study_02s(cohort, scores):
    other = compare_mappings(cohort.truth, cohort.labels, Resampling(2)).scores
    for method in ("zero_one", "logreg"):
        for name in cohort.truth:
            assert scores[method, name, "f1"].value == other[method, name, "f1"].value


def test_means_are_near_what_notes_had_found(scores):
    """An earlier computation, by other code: 0.574 and, image-supervised, 0.583."""
    methods = ("logreg", *label_space.IMAGE_METHODS)
    found = {name: scores[name, MACRO_AVERAGE, "f1"].value for name in methods}
    assert found["logreg"] == pytest.approx(0.574, abs=0.03)
    assert found["image_regression"] == pytest.approx(0.583, abs=0.03)
    assert found["image_threshold"] == pytest.approx(0.583, abs=0.03)
    assert found["image_model"] > max(found["image_regression"], found["image_threshold"]) + 0.1


def test_differences_are_paired_and_centred(scores):
    for first, second in label_space.GAINS:
        gain = scores[f"{first} - {second}", MACRO_AVERAGE, "f1"]
        parts = [scores[name, MACRO_AVERAGE, "f1"] for name in (first, second)]
        np.testing.assert_allclose(gain.replicates, parts[0].replicates - parts[1].replicates)
        assert gain.replicates.mean() == pytest.approx(gain.value)


def test_a_resample_counts_what_is_drawn(cohort):
    design, truth = cohort.design, cohort.truth.to_numpy(float)
    weights = Resampling(2, 5).drawn_rows(500).astype(float)
    teacher = cohort.teachers[label_space.MEAN_RANK]
    classes = label_space.image_supervised_classes(design, teacher, cohort.truth, weights)
    n, positives, predicted, hits = np.moveaxis(label_space._counts(classes, truth, weights), -1, 0)
    rows = np.repeat(np.arange(500), weights[1].astype(int))
    assert (n == 500).all()
    assert positives[1, 0].tolist() == truth[rows].sum(axis=0).tolist()
    assert predicted[1, 2, 3] == classes[1, 2, 3, rows].sum()
    assert hits[1, 1, 0] == (classes[1, 1, 0, rows] & (truth[rows, 0] == 1)).sum()


def test_exchanged_expert_labels_cost_experts_supervision_all_its_skill(cohort):
    control = label_space.permuted_kappa(cohort, 5, 0).set_index(["method", "fitting_labels"])
    kappa = control["estimate"]
    assert abs(kappa["logreg", "permuted"]) < 0.08 < 0.3 < kappa["logreg", "as given"]
    # The student's order of the studies comes from the image model.
    assert kappa["image_threshold", "permuted"] > 0.1


def test_a_student_of_a_shuffled_image_model_is_worthless(cohort):
    order = np.random.default_rng(1).permutation(500)
    table = cohort.teachers[label_space.MEAN_RANK]
    shuffled = table.iloc[order].set_axis(table.index)
    found = label_space.image_supervised(cohort, shuffled, Resampling(2))
    assert found["image_threshold", MACRO_AVERAGE, "kappa"].value < 0.15


def test_every_claim_of_the_study_has_a_difference_or_names_what_lacks():
    decided = {*label_space.CLAIMS, *label_space.CLAIMS_BY_FINDING, *nih_block.CLAIMS}
    decided |= {*text_student.CLAIMS}
    own = (claim for claim in claims().values() if claim.study == "visualchexbert")
    assert decided == {claim.id for claim in own if not claim.not_measurable}
    assert len(decided) >= 8


def test_published_numbers_stand_beside(scores):
    table = reporting.published_beside(scores).set_index(["method", "source", "observation"])
    estimate = table["estimate"]
    assert estimate["image_regression", "published", "Atelectasis"] == 0.64
    assert estimate["zero_one", "printed", MACRO_AVERAGE] == pytest.approx(0.54)
    assert estimate["logreg", "measured", "Edema"] == pytest.approx(0.467, abs=5e-4)
    gains = reporting.gains_beside(scores).set_index(["source", "observation"])[list(LIMITS)]
    assert gains.loc["printed", "Edema"].tolist() == [0.01, -0.05, 0.07]


# Curves


def test_with_all_labels_but_a_few_curves_end_at_the_leave_one_out_score(cohort, scores):
    found = label_curves.label_curves(cohort, [25, 480], Resampling(3))
    for method in ("logreg", "image_threshold", "image_regression"):  # Zero-One learns nothing.
        whole = scores[method, MACRO_AVERAGE, "f1"].value
        few, many = (found.scores[method, size].value for size in (25, 480))
        assert few < many == pytest.approx(whole, abs=0.03)
    ahead = found.differences["image_threshold", 25]
    parts = (found.scores[name, 25].value for name in ("image_threshold", "logreg"))
    assert ahead.value == pytest.approx(next(parts) - next(parts)) and ahead.value > 0.05
    assert ahead.interval()[0] < ahead.value < ahead.interval()[1]


@pytest.mark.parametrize("sizes", [[100, 50], [0, 10], [500]])
def test_impossible_sizes_are_refused(cohort, sizes):
    with pytest.raises(ValueError, match="sizes must rise"):
        label_curves.label_curves(cohort, sizes, Resampling(2))


def test_labels_are_read_off_the_curve():
    curves = np.array([[0.4, 0.5, 0.6]])
    found = [
        label_curves._reach([25, 100, 400], curves, np.array([goal]))[0]
        for goal in (0.3, 0.45, 0.6, 0.7)
    ]
    np.testing.assert_allclose(found, [25, 50, 400, np.inf])


# Words


def _scores(gain: float, kappa: float) -> dict:
    def around(value):
        return Estimate(value, value + np.linspace(-0.02, 0.02, 101), n=500)

    values = {("image_regression - zero_one", "f1"): gain, ("image_regression", "f1"): 0.5 + gain,
              ("image_regression - zero_one", "kappa"): kappa, ("zero_one", "f1"): 0.5,
              ("image_regression - logreg", "f1"): 0.0}  # fmt: skip
    return {(method, MACRO_AVERAGE, metric): around(v) for (method, metric), v in values.items()}


@pytest.mark.parametrize(
    ("gain", "kappa", "said"),
    [
        (0.1, 0.1, "Yes: "),
        (0.1, 0.0, "Not settled: "),
        (0.0, 0.1, "Not shown: "),
        (-0.1, 0.1, "No, worse: "),
    ],
)
def test_the_answer_follows_the_numbers(gain, kappa, said):
    worth = pd.Series({"method": "m", "size": 25, "estimate": 113.4, "low": 43.0, "high": np.inf})
    ahead = pd.DataFrame(
        {"method": "m", "size": [25, 100], "low": gain - 0.05, "high": gain + 0.05}
    )
    words = reporting.answer_in_words(_scores(gain, kappa), ahead, worth, 400)
    assert words.startswith(said) and f"{0.5 + gain:.3f}" in words
    assert {0.1: "labels it pays", 0.0: "not shown to pay", -0.1: "it costs"}[gain] in words
    assert words.endswith("25 expert labels do as well as experts' supervision with 113 "
                          "(43 to more than 400).")  # fmt: skip


def test_how_far_it_is_ahead():
    gains = pd.DataFrame({"method": "m", "size": [25, 100], "low": [0.1, -0.1]})
    assert "up to 25 labels" in label_curves.meeting_in_words(gains, "m")
    assert "most that were tried" in label_curves.meeting_in_words(gains.assign(low=0.1), "m")
    assert "at no number" in label_curves.meeting_in_words(gains.assign(low=-0.1), "m")
