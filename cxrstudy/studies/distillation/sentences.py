"""What the page says of its own tables."""

import pandas as pd

from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.studies.distillation.arms import OF_LANGUAGE_MODEL, OF_RULES
from cxrstudy.studies.distillation.scores import WORDS
from cxrstudy.studies.distillation.side_by_side import (
    CALIBRATED,
    LEAST_BALANCED_ACCURACY,
    RAW,
    RULES,
    TeacherScores,
)
from cxrstudy.studies.distillation.side_by_side import WORDS as SHOWN
from cxrstudy.words import by_side

HABITS = "rules with a habit"
KINDS = {
    OF_RULES: "rules, tuned whole",
    OF_LANGUAGE_MODEL: "language model, tuned whole",
    "heads of rules": "rules",
    f"heads of {RAW}": "language model",
    f"heads of {CALIBRATED}": "language model, calibrated",
    "confuses_findings": HABITS,
    "misses_negation": HABITS,
}
RANDOM = "rules with random errors"


def gains_over_teachers(table: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """Put what students gain over their teacher beside how random its errors are.

    From `ArmScores.table` and `randomness_table`; columns x, x_low and x_high are the latter's.
    """
    gains = table[table["measure"] == "minus_teacher"].merge(
        errors.rename(columns=dict(zip(LIMITS, ("x", "x_low", "x_high"), strict=True))), on="arm"
    )
    return gains.assign(teacher=[KINDS.get(arm, RANDOM) for arm in gains["arm"]])


def answer(
    table: pd.DataFrame, teachers: TeacherScores, rules: Estimate, language_model: Estimate
) -> str:
    """Say whether students beat the rules, and whether the language model, that taught them."""
    sides = {"above": "Yes, the rules", "below": "Not the rules", "open": "Not shown for rules"}
    measured = table.set_index(["arm", "measure"])["estimate"]
    own = {name: teachers.balanced_accuracy(name).value for name in (RULES, CALIBRATED)}
    verdict = by_side(*rules.interval(), **sides)
    weak = by_side(
        *language_model.interval(),
        above=_weak_win(own[CALIBRATED]),
        below="Students of the language model do not beat it",
        open="Students of the language model cannot be told from it",
    )
    return (
        f"{verdict}. Students of a rule labeler score a macro F1 of "
        f"{measured[OF_RULES, 'student']:.2f} against human codes, the rules "
        f"{measured[OF_RULES, 'teacher']:.2f}: {rules.in_words()}. {weak}: "
        f"{measured[OF_LANGUAGE_MODEL, 'student']:.2f} against "
        f"{measured[OF_LANGUAGE_MODEL, 'teacher']:.2f} (balanced accuracy {own[CALIBRATED]:.2f})."
    )


def _weak_win(balanced_accuracy: float) -> str:
    if balanced_accuracy < LEAST_BALANCED_ACCURACY:
        return "Students of the language model beat it, but so weak a teacher decides nothing"
    return "Students of the language model beat it"


def teachers_finding(teachers: TeacherScores) -> str:
    """Say how good the teachers are, and what calibration did."""
    own = {name: teachers.balanced_accuracy(name).value for name in (RULES, RAW, CALIBRATED)}
    return (
        f"The rules reach a balanced accuracy of {own[RULES]:.2f}, the language model "
        f"{own[RAW]:.2f} as it is and {own[CALIBRATED]:.2f} calibrated"
    )


def teachers_in_words(by_finding: pd.DataFrame) -> str:
    """Say what the figure of the teachers shows."""
    balanced = by_finding.query("measure == 'balanced_accuracy'")
    spans = balanced.groupby("teacher", sort=False)["estimate"].agg(["min", "max"])
    parts = (f"{SHOWN[name]} {low:.2f} to {high:.2f}" for name, low, high in spans.itertuples())
    return f"Balanced accuracy over {balanced['finding'].nunique()} findings: {'; '.join(parts)}."


def claims_finding(teachers: TeacherScores, rules: Estimate, language_model: Estimate) -> str:
    """Say on which side of their teachers students that are tuned whole are, at 95 %."""
    words = {"above": "above", "below": "below", "open": "not told apart from"}
    weak = teachers.balanced_accuracy(CALIBRATED).value < LEAST_BALANCED_ACCURACY
    return (
        f"Students are {by_side(*rules.interval(), **words)} the rules and "
        f"{by_side(*language_model.interval(), **words)} the language model"
        f"{', which is too weak a teacher to decide anything' * weak}"
    )


def gains_finding(gains: pd.DataFrame) -> str:
    """Say in which arms students beat their teacher, and how random the errors are there."""
    beaten, others = gains[gains["low"] > 0], gains[gains["low"] <= 0]
    if beaten.empty:
        return f"In none of {len(gains)} arms do students beat their teacher"
    names = "; ".join(WORDS.get(arm, arm) for arm in beaten["arm"])
    elsewhere = f", elsewhere {_span(others['x'])}" if len(others) else ""
    return (
        f"In {len(beaten)} of {len(gains)} arms students beat their teacher ({names}): words leave "
        f"over {_span(beaten['x'])} of its errors there{elsewhere}"
    )


def means_in_words(gains: pd.DataFrame) -> str:
    """Say what the gains mean for somebody who distils a labeler, by the kind of its errors."""
    sides = {"above": "beat", "below": "fall below", "open": "are not told apart from"}
    kinds = {RANDOM: "a teacher with random errors", HABITS: "one with habits", RULES: "the rules"}
    said: dict[str, list[str]] = {}
    for kind, words in kinds.items():
        part = gains[gains["teacher"] == kind]
        if len(part):
            said.setdefault(by_side(part["low"].min(), part["high"].max(), **sides), []).append(
                words
            )
    parts = [f"{verb} {' and '.join(words)}" for verb, words in said.items()]
    return (
        f"Here students that train their heads alone {'; they '.join(parts)}. Score a student "
        "against people, not against its teacher, which it is trained to repeat."
    )


def _span(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


def review_finding(choices: pd.DataFrame) -> str:
    """Say whether the least certain labels buy more than as many random ones, where most are."""
    most = choices[choices["corrected"] == choices["corrected"].max()]
    said = _by_side(most, above="buys more", below="buys less", open="is not shown to buy more")
    return (
        f"Correcting the {most['corrected'].iloc[0]} least certain labels {said} than as many "
        "random ones"
    )


def loss_finding(soft: pd.DataFrame) -> str:
    """Say what softened targets alone give against hard ones alone, by teacher."""
    said = _by_side(soft, above="better", below="worse", open="no measurably better")
    return f"Softened targets alone make {said} students than hard labels alone"


def _by_side(differences: pd.DataFrame, **sides: str) -> str:
    """Name the teachers on each side, such as ``better (rules +0.02) and worse (...)``."""
    said: dict[str, list[str]] = {}
    for row in differences.itertuples():
        words = f"{SHOWN[row.teacher]} {row.estimate:+.3f}"
        said.setdefault(by_side(row.low, row.high, **sides), []).append(words)
    return " and ".join(f"{side} ({', '.join(named)})" for side, named in said.items())


def gains_in_words(gains: pd.DataFrame) -> str:
    """Say what the figure of students minus their teachers shows."""
    above, below = int((gains["low"] > 0).sum()), int((gains["high"] < 0).sum())
    return (
        f"Points for {len(gains)} arms; {above} lie above zero, {below} below. The horizontal axis "
        f"runs from {gains['x'].min():.2f} to {gains['x'].max():.2f}."
    )
