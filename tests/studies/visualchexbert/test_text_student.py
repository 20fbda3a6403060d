"""Pairs by label and the student that reads text: held out, exchanged, and real pairs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from cxrstudy.agreement import MACRO_AVERAGE, Resampling
from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.studies.visualchexbert import mappings, own_pairs, text_pairs, text_student
from cxrstudy.text.students import StudentConfig

NAMES = ["Edema", LUNG_OPACITY]
CONFIG = StudentConfig(
    "bert", "tiny", alpha=1.0, temperature=1.0, epochs=8, batch_size=16, learning_rate=1e-2,
    dropout=0.0, vocabulary_size=200, max_tokens=16,
)  # fmt: skip


def _labels(rows, index) -> pd.DataFrame:
    return pd.DataFrame(rows, index, NAMES, dtype=float)


@pytest.fixture(scope="module")
def drawn():
    """Images with labels, texts that say theirs, and a teacher that depends on the labels."""
    rng = np.random.default_rng(5)
    index = pd.Index([f"{number}.png" for number in range(400)])
    labels = _labels(rng.random((400, 2)) < 0.4, index)
    said = [(edema, opaque) for edema in (0, 1) for opaque in (0, 1)] * 30
    words = [
        f"{'' if edema else 'no '}edema. {'' if opaque else 'no '}opacity. view {number // 4}"
        for number, (edema, opaque) in enumerate(said)
    ]
    texts = pd.Series(words, [f"CXR{number}" for number in range(len(words))])
    patients = np.arange(400) // 2
    teacher = (labels + rng.normal(0, 0.5, labels.shape)).rank(pct=True)
    pairs = text_pairs.match_reports(labels, patients % 2, texts, _labels(said, texts.index))
    return pairs, teacher, labels, pd.Series(patients, index)


@pytest.fixture(scope="module")
def outputs(drawn, tmp_path_factory):
    pairs, teacher, *_ = drawn
    both = {text_student.TEXT: pairs, text_student.EXCHANGED: text_pairs.exchanged(pairs, 1)}
    found = text_student.text_students(both, teacher, CONFIG, tmp_path_factory.mktemp("kept"))
    return found | {text_student.LABELS: text_student.label_students(pairs, teacher)}


def test_labels_are_exactly_equal_and_what_has_no_partner_is_left_out():
    images = _labels([(1, 0), (1, 0), (1, 1), (0, 0)], list("abcd"))
    texts = pd.Series(["edema", "normal"], ["t", "u"])
    labels = _labels([(1, 0), (0, 0)], texts.index)
    pairs = text_pairs.match_reports(images, np.array([0, 1, 0, 0]), texts, labels)
    # One text lies in one fold, and only the images of this fold can have it.
    assert len({*pairs.texts[pairs.texts == "edema"].index} & {"a", "b"}) == 1
    assert "c" not in pairs.texts
    for image, text in pairs.texts.items():
        assert images.loc[image].tolist() == labels.loc[texts[texts == text].index[0]].tolist()
    counts = text_pairs.matching_table(images, texts, labels, pairs)["matched"]
    assert counts["images"] == len(pairs.texts) and counts["impressions"] <= 2
    all_of = text_pairs.matching_table(images, texts, labels, pairs)["all"]
    assert all_of.to_dict() == {
        "images": 4, "images with a finding": 3, "label sets of images": 3, "impressions": 2,
        "label sets of impressions": 2, "images whose label set some impression has": 3,
    }  # fmt: skip


def test_neither_patient_nor_text_is_on_both_sides(drawn):
    pairs, _, _, patients = drawn
    assert pairs.judged.all() and len(pairs.folds) == 2
    for candidate in (pairs, text_pairs.exchanged(pairs, 3)):
        for training, held_out in candidate.folds:
            for values in (candidate.texts, patients[candidate.texts.index]):
                assert not set(values[training]) & set(values[held_out])


def test_exchanging_keeps_texts_with_their_labels_and_folds(drawn):
    pairs, *_ = drawn
    other = text_pairs.exchanged(pairs, 3)
    assert (other.texts != pairs.texts).mean() > 0.5
    said = dict(zip(pairs.texts, map(tuple, pairs.labels.to_numpy()), strict=True))
    assert all(said[text] == tuple(row) for text, row in
               zip(other.texts, other.labels.to_numpy(), strict=True))  # fmt: skip
    for fold in (0, 1):
        rows = pairs.text_folds == fold
        assert sorted(other.texts[rows]) == sorted(pairs.texts[rows])


def test_the_label_student_is_a_ridge_regression_of_the_other_fold(drawn):
    pairs, teacher, *_ = drawn
    found = text_student.label_students(pairs, teacher)
    training, held_out = pairs.folds[0]
    scores = teacher.loc[pairs.texts.index]
    ridge = Ridge(alpha=mappings.RIDGE_PENALTY)
    ridge.fit(pairs.labels[training], scores[training])
    said = pd.DataFrame(ridge.predict(pairs.labels[held_out]), columns=NAMES).round(9)
    np.testing.assert_allclose(found[held_out], said.rank(pct=True), atol=1e-9)


def test_other_scores_of_held_out_images_change_no_output_of_theirs(drawn, outputs, tmp_path):
    pairs, teacher, *_ = drawn
    _, held_out = pairs.folds[0]
    changed = teacher.copy()
    changed.loc[pairs.texts.index[held_out]] = 0.5
    again = text_student.text_students({text_student.TEXT: pairs}, changed, CONFIG, tmp_path)
    for name, table in (
        (text_student.TEXT, again[text_student.TEXT]),
        (text_student.LABELS, text_student.label_students(pairs, changed)),
    ):
        np.testing.assert_array_equal(table[held_out], outputs[name][held_out])
        assert not np.array_equal(table[~held_out], outputs[name][~held_out])


def test_text_does_as_well_as_labels_and_exchanged_pairs_teach_nothing(drawn, outputs):
    pairs, teacher, labels, patients = drawn
    truth = text_student.truth_of_findings(teacher, labels)
    assert (truth.sum() - labels.sum()).abs().max() <= 1
    scores = text_student.score_students(truth, outputs, patients, Resampling(50))
    found = {name: scores.estimate(name, MACRO_AVERAGE, "auroc").value for name in outputs}
    assert found[text_student.LABELS] > 0.75
    assert found[text_student.TEXT] == pytest.approx(found[text_student.LABELS], abs=0.05)
    decided = text_student.claimed(scores)
    away = decided["visualchexbert.text_student_shuffled"]
    assert (
        away.value == pytest.approx(found[text_student.EXCHANGED] - 0.5) and abs(away.value) < 0.1
    )
    assert away.n == len(pairs.texts)
    table = text_student.claims_table(decided).set_index("method")
    assert table.loc[text_student.GAIN, "estimate"] == pytest.approx(
        found[text_student.TEXT] - found[text_student.LABELS]
    )


def test_opacity_is_judged_by_experts_within_view():
    index = list("abcd")
    teacher = pd.DataFrame({"Edema": [0.2, 0.4, 0.8, 1.0], LUNG_OPACITY: [1, 0.8, 0.4, 0.2]}, index)
    targets = _labels([(0, 1), (0, 0), (0, 0), (1, 0)], index)
    experts = pd.DataFrame({"expert": [1.0, 0.0], "view": ["AP", "PA"]}, ["b", "c"])
    truth = text_student.truth_of_findings(teacher, targets, experts)
    assert list(truth) == ["Edema", "Lung Opacity, AP", "Lung Opacity, PA"]
    assert truth["Edema"].tolist() == [0, 0, 1, 1]
    assert truth["Lung Opacity, AP"].dropna().to_dict() == {"b": 1.0}
    assert truth["Lung Opacity, PA"].dropna().to_dict() == {"c": 0.0}


def test_nih_terms_are_observations_by_the_crosswalk(draw_image_set):
    labels = draw_image_set(20).labels["nlp"]
    sets = text_pairs.nih_label_sets(labels)
    assert (sets["Lung Lesion"] == labels[["Mass", "Nodule"]].max(axis=1)).all()
    assert (sets[LUNG_OPACITY] == labels["Infiltration"]).all()
    assert "Fracture" not in sets and "No Finding" not in sets and len(sets.columns) == 10


def test_openi_impressions_are_different_and_certain(mirror):
    texts, labels = text_pairs.openi_impressions(NAMES)
    assert texts.is_unique and labels.isin([0, 1]).all(axis=None)
    assert labels[texts == "no acute cardiopulmonary abnormality."].sum(axis=None) == 0


def test_real_pairs_are_judged_where_patient_and_text_fall_together(
    draw_image_set, tmp_path, monkeypatch, small
):
    images = draw_image_set(300, size=32)
    opaque = images.labels["nlp"]["Infiltration"] == 1
    reports = pd.Series(
        [f"FINDINGS: x. IMPRESSION: {'Edema' if yes else 'No edema'} {n % 40}."
         for n, yes in enumerate(opaque)], images.images.index,
    )  # fmt: skip
    reports.iloc[0] = "IMPRESSION:"
    pairs = text_pairs.real_pairs(images, reports, 2)
    assert len(pairs.texts) == 299 and 0.3 < pairs.judged.mean() < 0.7
    for training, held_out in pairs.folds:
        patients = images.images["patient"][pairs.texts.index]
        assert not set(pairs.texts[training]) & set(pairs.texts[held_out])
        assert not set(patients[training]) & set(patients[held_out])
    left_out = pd.DataFrame({"image": ["x"], "reason": ["no report. Leave it out."]})
    own = dataclasses.replace(images, labels={}, excluded=left_out)
    monkeypatch.setattr(own_pairs, "load_reported_images", lambda *_: (own, reports))
    arguments = ("folder", 32, small, CONFIG, tmp_path, 2, Resampling(10))
    table, used = own_pairs.own_scores(*arguments)
    assert set(table["method"]) == {text_student.TEXT, text_student.LABELS, text_student.GAIN}
    assert set(table["observation"]) >= {"Edema"} and table["n"].max() == pairs.judged.sum()
    assert "299 images" in used and "no report 1; no impression 1" in used
    with pytest.raises(ValueError, match="no finding has 200 images"):
        own_pairs.own_scores(*arguments, minimum_positives=200)


def test_a_text_student_learns_from_soft_targets_alone():
    pretrained = text_student.student_config("minilm_l6_v2", 3)
    assert (pretrained.alpha, pretrained.temperature, pretrained.epochs) == (1, 1, 3)
    assert pretrained.pretrained and not text_student.student_config("", 2).pretrained
