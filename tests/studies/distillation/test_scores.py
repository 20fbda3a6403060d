"""The distillation experiment: who trains, who measures, and what the intervals stand for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.claims.measurements import read_measurements
from cxrstudy.runs import RunFolders
from cxrstudy.studies.distillation.arms import (
    BERT,
    DISTILLED,
    HARD_LABELS,
    OF_LANGUAGE_MODEL,
    OF_RULES,
    Arm,
    DividedReports,
    TrainedArm,
    arm_table,
    claim_arms,
    erring_arms,
    loss_arms,
    openi_for_distillation,
    pretrained_student,
    side_arms,
    train_arms,
)
from cxrstudy.studies.distillation.features import token_features
from cxrstudy.studies.distillation.heads import HeadConfig
from cxrstudy.studies.distillation.scores import (
    WORDS,
    ArmScores,
    agreement_with_teacher,
    asserted,
    differences_of_claims,
    grid_table,
    soft_targets,
)
from cxrstudy.studies.distillation.teachers.rules import RuleTeacher, rule_variants
from cxrstudy.text.reports import FINDINGS, one_hot
from cxrstudy.text.students import StudentConfig
from cxrstudy.trainings.job import Kept

N = 240


@pytest.fixture
def reports() -> DividedReports:
    """Made-up reports; the code of every finding hangs on the report's number."""
    index = pd.Index([f"r{number}" for number in range(N)])
    texts = pd.Series([f"Sentence {number}. Shared." for number in range(N)], index)
    codes = pd.DataFrame(0.0, index, list(FINDINGS))
    codes.iloc[::3] = 1
    codes.iloc[1] = np.nan
    number = np.arange(N)
    return DividedReports(texts, codes, pd.Series(number >= 60, index))


def _answers(reports: DividedReports, wrong: float, seed: int) -> np.ndarray:
    """Answer as the codes do, but for a share of errors."""
    right = reports.codes[reports.held_out].fillna(0).to_numpy().astype(int)
    flip = np.random.default_rng(seed).random(right.shape) < wrong
    return one_hot(np.where(flip, 1 - right, right))


def _arm(reports, name: str, teacher_wrong: float, students_wrong: float, seeds: int) -> TrainedArm:
    answers = [_answers(reports, students_wrong, 10 + number) for number in range(seeds)]
    students = [Kept(Path(name), {"probabilities": each}, {"n_parameters": 7}) for each in answers]
    arm = Arm(name, lambda texts: None, StudentConfig(), seeds)
    return TrainedArm(arm, _answers(reports, teacher_wrong, 1), students)


@pytest.fixture
def scores(reports) -> ArmScores:
    """A student that is better than its teacher, and one that is as good."""
    wrong = {"better": (0.2, 0.05), "equal": (0.1, 0.1)}
    arms = {name: _arm(reports, name, *shares, 5) for name, shares in wrong.items()}
    perfect = _answers(reports, 0, 0)
    return ArmScores(arms, reports, lambda texts: perfect, resampling=Resampling(400))


def test_a_better_student_is_found_and_an_equal_one_is_not(scores):
    low, _ = scores.minus_teacher("better").interval()
    assert low > 0.05
    low, high = scores.minus_teacher("equal").interval()
    assert low < 0 < high
    assert scores.minus_rules("better").value < 0


def test_a_difference_is_the_mean_over_seeds_of_paired_differences(scores):
    students, teacher = scores.student("better"), scores.teacher("better")
    assert scores.minus_teacher("better").value == pytest.approx(students.value - teacher.value)
    gain = students.value - scores.student("equal").value
    assert scores.difference("better", "equal").value == pytest.approx(gain)


def test_the_table_holds_every_arm_and_measure(scores):
    table = scores.table()
    assert len(table) == 2 * 4
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()


def test_agreement_tells_reports_with_new_sentences_apart(reports):
    arms = {"equal": _arm(reports, "equal", 0, 0, 2)}
    table = agreement_with_teacher(arms, reports).set_index("held-out reports")
    assert table.loc["all", "micro F1"] == 1
    assert table.loc["all", "n"] == N - 60
    # Every report holds the sentence "Shared.".
    assert table.loc["no shared sentence", "n"] == 0


def test_openi_is_divided_as_its_readers_did():
    """What the authors of the rules had read trains, and the rest judges."""
    reports = openi_for_distillation()
    held_out = set(reports.texts[reports.held_out])
    assert not held_out & set(reports.training_texts)
    assert len(reports.texts) == 3927 and reports.held_out.sum() == 2051
    assert len(reports.scored) == 1980 and len(reports.same_text) == 1980
    assert reports.codes.isna().all(axis=1).sum() == reports.codes.isna().any(axis=1).sum()
    assert not reports.codes.loc[reports.scored].isna().any(axis=None)
    assert (reports.codes.loc[reports.scored].sum() >= 10).all()
    assert reports.training_codes.shape == (len(reports.training_texts), 13)


def test_a_smaller_experiment_takes_a_part_of_the_reports():
    small, large = openi_for_distillation(max_reports=100), openi_for_distillation()
    assert len(small.texts) == 100
    assert small.held_out.equals(large.held_out[small.texts.index])


def test_a_text_has_the_codes_of_its_first_coded_report(reports):
    """Equal texts can be coded apart, or not at all."""
    texts = reports.texts.copy()
    texts.iloc[2] = texts.iloc[1]
    found = DividedReports(texts, reports.codes, reports.held_out)
    row = found.training_texts.index(texts.iloc[1])
    np.testing.assert_array_equal(found.training_codes[row], reports.codes.iloc[2])


def test_arms_differ_in_what_they_compare():
    rules, model, scratch = object(), object(), StudentConfig(epochs=2)
    arms = {arm.name: arm for arm in claim_arms(rules, model, StudentConfig(), scratch, 5, 150)}
    assert list(arms) == [OF_RULES, OF_LANGUAGE_MODEL, DISTILLED, HARD_LABELS, BERT]
    assert arms[OF_RULES].config == arms[OF_LANGUAGE_MODEL].config
    assert [arms[name].teacher for name in (OF_RULES, OF_LANGUAGE_MODEL)] == [rules, model]
    assert (arms[DISTILLED].config.alpha, arms[HARD_LABELS].config.alpha) == (0.5, 0)
    assert (arms[DISTILLED].config.architecture, arms[BERT].config.architecture) == (
        "deberta", "bert",
    )  # fmt: skip
    assert {arm.seeds for arm in arms.values()} == {5}
    assert [arm.splice_until for arm in arms.values()] == [-1, -1, 150, 150, 150]
    assert len(loss_arms({"a": rules, "b": model}, [0.0, 0.5, 1], [1, 2, 4], 2)) == 14
    assert [arm.name for arm in side_arms({"rules": rules}, scratch, ["tiny", "small"], 2)] == [
        "tiny of rules", "small of rules",
    ]  # fmt: skip


def test_a_student_is_pretrained_or_tiny():
    assert pretrained_student("minilm_l6_v2", 4).pretrained == "minilm_l6_v2"
    assert pretrained_student("", 4).size == "tiny"


def test_heads_and_whole_students_are_trained_and_scored_alike(tmp_path):
    reports = openi_for_distillation(max_reports=80)
    config = StudentConfig("bert", "tiny", epochs=1)
    features = token_features(list(dict.fromkeys(reports.texts)), config, tmp_path)
    rules = RuleTeacher(rule_variants()[0])
    arms = [Arm("whole", rules, config, 1, splice_until=0), Arm("heads", rules, HeadConfig(), 2)]
    trained = train_arms(arms, reports, tmp_path, features, n_jobs=1)
    assert [len(each.students) for each in trained.values()] == [1, 2]
    shape = (len(reports.measuring_texts), 13, 3)
    assert all(each.students[0].arrays["probabilities"].shape == shape for each in trained.values())
    table = arm_table(trained).set_index("arm")
    assert table.loc["whole", "student"] == "bert, tiny, from random weights"
    assert table.loc["heads", "student"] == "heads on kept features"


def test_erring_teachers_err_in_their_own_way():
    texts = ["No effusion.", "Atelectasis at the left base.", "Edema."] * 5
    rules = RuleTeacher(rule_variants()[0])
    arms = {arm.name: arm for arm in erring_arms(rules, texts, [0.5], 1)}
    deaf = arms["misses_negation"].teacher(["No effusion."])
    assert deaf[0, FINDINGS.index("Pleural Effusion")].argmax() == 1
    confused = arms["confuses_findings"].teacher(["Atelectasis."])
    assert confused[0, FINDINGS.index("Consolidation")].argmax() == 1
    assert "random errors, 50%" in arms


def test_claims_are_judged_by_their_own_arms(reports):
    wrong = {OF_RULES: 0.05, OF_LANGUAGE_MODEL: 0.1, DISTILLED: 0.05, HARD_LABELS: 0.05, BERT: 0.2}
    arms = {name: _arm(reports, name, 0.2, share, 2) for name, share in wrong.items()}
    perfect = _answers(reports, 0, 0)
    scores = ArmScores(arms, reports, lambda texts: perfect, resampling=Resampling(200))
    found = differences_of_claims(scores)
    above = {claim for claim, estimate in found.items() if estimate.interval()[0] > 0}
    assert above == {
        "deberta_rad.student_beats_teacher",
        "deberta_rad.student_beats_language_model",
        "deberta_rad.architecture",
    }


def test_a_grid_has_a_row_for_each_weight_and_temperature(reports):
    grid = loss_arms({"rules": None}, [0, 1], [1, 4], seeds=1)
    arms = {arm.name: _arm(reports, arm.name, 0.2, 0.1, 1) for arm in grid.values()}
    perfect = _answers(reports, 0, 0)
    table = grid_table(ArmScores(arms, reports, lambda texts: perfect, Resampling(50)), grid)
    assert table["T"].tolist() == ["T = 1", "T = 1", "T = 4"]
    assert table["alpha"].tolist() == [0, 1, 1]


def test_soft_targets_are_compared_with_hard_ones(reports):
    grid = loss_arms({"rules": None}, [0, 0.5, 1], [1, 2, 4], seeds=2)
    wrong = {"rules, alpha 0, T 1": 0.2, "rules, alpha 1, T 2": 0.05}
    arms = {a.name: _arm(reports, a.name, 0.2, wrong.get(a.name, 0.4), 2) for a in grid.values()}
    perfect = _answers(reports, 0, 0)
    scores = ArmScores(arms, reports, lambda texts: perfect, Resampling(100))
    (row,) = soft_targets(scores, grid).itertuples()
    assert row.soft == "rules, alpha 1, T 2" and row.low > 0.05


def test_a_missing_answer_is_not_absent_and_its_student_is_not_scored(reports):
    arm = _arm(reports, "better", 0.2, 0.1, 2)
    teacher = arm.teacher.copy()
    teacher[:30] = np.nan
    assert asserted(teacher, reports).iloc[:25].isna().all(axis=None)
    scored = ArmScores(
        {"better": replace(arm, teacher=teacher)},
        reports,
        lambda texts: _answers(reports, 0, 0),
        Resampling(50),
    )
    assert scored.teacher("better").n == scored.student("better").n < N - 60


def test_the_recorded_run_holds_keys_that_have_words():
    """Every arm and measure has words, or is named by its numbers or its teacher."""
    recorded = pd.read_csv(RunFolders.recorded("distillation").results / "arms.csv")
    named = [arm for arm in recorded["arm"].unique() if " of " not in arm]
    assert set(named) <= set(WORDS)
    assert set(recorded["measure"]) == {"student", "teacher", "minus_teacher", "minus_rules"}


def test_the_recorded_run_asked_enough_and_its_students_repeat_the_rules():
    results = RunFolders.recorded("distillation").results
    recorded = {m.claim: m for m in read_measurements(results)}
    for claim in ("student_beats_teacher", "student_beats_language_model"):
        assert recorded[f"deberta_rad.{claim}"].seeds >= 5
        assert recorded[f"deberta_rad.{claim}"].n >= 1500
    costs = pd.read_csv(results / "costs.csv").set_index("teacher")
    assert costs.loc["language_model", "answered"] == costs.loc["rules", "texts"] >= 1500
    agreement = pd.read_csv(results / "agreement_with_teacher.csv")
    of_rules = agreement.set_index(["arm", "held-out reports"]).loc[(OF_RULES, "all")]
    assert of_rules["micro F1"] >= 0.90
