"""The distillation experiment: who trains, who measures, and what the intervals stand for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.runs import RunFolders
from cxrstudy.studies.distillation.arms import (
    BERT,
    CAREFUL,
    DISTILLED,
    HARD_LABELS,
    Arm,
    DividedReports,
    TrainedArm,
    careful_arm,
    erring_arms,
    loss_arms,
    main_arms,
    openi_for_distillation,
)
from cxrstudy.studies.distillation.scores import (
    WORDS,
    ArmScores,
    agreement_with_teacher,
    scores_by_half,
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
    held_out, read = pd.Series(number >= 60, index), pd.Series(number < 150, index)
    return DividedReports(texts, codes, held_out, read)


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
    assert set(scores.by_finding(["better"])["finding"]) == set(FINDINGS)


def test_agreement_tells_reports_with_new_sentences_apart(reports):
    arms = {"equal": _arm(reports, "equal", 0, 0, 2)}
    table = agreement_with_teacher(arms, reports).set_index("held-out reports")
    assert table.loc["all", "micro F1"] == 1
    assert table.loc["all", "n"] == N - 60
    # Every report holds the sentence "Shared.".
    assert table.loc["no shared sentence", "n"] == 0


def test_openi_is_divided_by_text():
    reports = openi_for_distillation()
    held_out = set(reports.texts[reports.held_out])
    assert not held_out & set(reports.training_texts)
    assert 0.3 < reports.held_out.mean() < 0.38
    assert len(reports.texts) == 3927
    assert reports.codes.isna().all(axis=1).sum() == reports.codes.isna().any(axis=1).sum()
    assert not reports.codes.loc[reports.scored].isna().any(axis=None)


def test_a_smaller_experiment_takes_a_part_of_the_reports():
    small, large = openi_for_distillation(max_reports=100), openi_for_distillation()
    assert len(small.texts) == 100
    assert small.held_out.equals(large.held_out[small.texts.index])


def test_arms_differ_in_what_they_compare():
    teacher, config = object(), StudentConfig(epochs=2)
    distilled, hard, bert = main_arms(teacher, config, seeds=5)
    assert (distilled.config.alpha, hard.config.alpha) == (0.5, 0)
    assert (distilled.config.architecture, bert.config.architecture) == ("deberta", "bert")
    assert {arm.seeds for arm in (distilled, hard, bert)} == {5}
    assert len(loss_arms(teacher, config, [0.5, 1], [1, 2, 4], 2)) == 6
    careful = careful_arm(teacher, config, "base")
    assert (careful.name, careful.config.size, careful.seeds) == (CAREFUL, "base", 1)


def test_erring_teachers_err_in_their_own_way():
    texts = ["No effusion.", "Atelectasis at the left base.", "Edema."] * 5
    rules = RuleTeacher(rule_variants()[0])
    arms = {arm.name: arm for arm in erring_arms(rules, texts, StudentConfig(), [0.5], 1)}
    deaf = arms["misses_negation"].teacher(["No effusion."])
    assert deaf[0, FINDINGS.index("Pleural Effusion")].argmax() == 1
    confused = arms["confuses_findings"].teacher(["Atelectasis."])
    assert confused[0, FINDINGS.index("Consolidation")].argmax() == 1
    assert "random errors, 50%" in arms


def test_texts_that_the_rules_authors_had_read_are_scored_apart(reports):
    """A teacher that is right on those and errs on the others is beaten on the others alone."""
    arm = _arm(reports, "better", 0.2, 0.05, 2)
    arm.teacher[:90] = one_hot(reports.codes[reports.held_out][:90].to_numpy().astype(int))
    table = scores_by_half({"better": arm}, reports, lambda texts: arm.teacher, Resampling(200))
    gain = table.query("measure == 'minus_teacher'").set_index("half")
    assert gain["n"].to_dict() == {"read": 90, "not read": 90}
    assert gain.loc["read", "high"] < 0 < gain.loc["not read", "low"]


def test_differences_of_the_main_arms_stand_beside_them(reports):
    arms = {name: _arm(reports, name, 0.2, wrong, 2)
            for name, wrong in ((DISTILLED, 0.05), (HARD_LABELS, 0.05), (BERT, 0.2))}  # fmt: skip
    perfect = _answers(reports, 0, 0)
    scores = ArmScores(arms, reports, lambda texts: perfect, resampling=Resampling(200))
    rows = scores.with_differences().tail(2)
    low = rows.set_index("arm")["low"]
    assert low[f"{DISTILLED} - {BERT}"] > 0 >= low[f"{DISTILLED} - {HARD_LABELS}"]
    assert (rows["seeds"] == 2).all()


def test_the_recorded_run_holds_keys_that_have_words():
    """Every arm and measure has words, or is named by its numbers."""
    recorded = pd.read_csv(RunFolders.recorded("distillation").results / "arms.csv")
    named = [arm for arm in recorded["arm"].unique() if not any(map(str.isdigit, arm))]
    assert set(named) <= set(WORDS)
    assert set(recorded["measure"]) == {"student", "teacher", "minus_teacher", "minus_rules"}
