"""Students and teachers scored by human codes, and students by their teacher."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling, agree
from cxrstudy.agreement.result import LIMITS, MACRO_AVERAGE, Estimate, average_over_seeds
from cxrstudy.studies.distillation.arms import (
    BERT,
    DISTILLED,
    HARD_LABELS,
    OF_LANGUAGE_MODEL,
    OF_RULES,
    Arm,
    DividedReports,
    TrainedArm,
)
from cxrstudy.studies.distillation.augment import shares_sentence
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import ABSENT, FINDINGS

_ARMS = {
    OF_RULES: "pretrained, of rules",
    OF_LANGUAGE_MODEL: "pretrained, of the language model",
    DISTILLED: "DeBERTa from scratch, of rules",
    HARD_LABELS: "the same, hard labels",
    BERT: "BERT from scratch, of rules",
    "heads of rules": "heads, of rules",
    "heads of language_model": "heads, of the language model",
    "heads of calibrated": "heads, of the calibrated language model",
    "confuses_findings": "confuses findings",
    "misses_negation": "misses negation",
}
WORDS: dict[str, str] = _ARMS | {
    "teacher": "its teacher",
    "minus_teacher": "student minus teacher",
    "minus_rules": "student minus rules",
}
"""What the page says for keys of arms and measures; an arm named by its numbers says itself."""


class ArmScores:
    """Scores of trained arms against human codes, with intervals over reports and seeds.

    All arms are compared with the rules without injected errors. Equal texts are drawn together;
    findings with fewer than `min_events` coded positives leave the averages.
    """

    def __init__(
        self,
        arms: Mapping[str, TrainedArm],
        reports: DividedReports,
        rules: TeachTexts,
        resampling: Resampling,
        min_events: int = 10,
    ) -> None:
        self._arms, self._seed = arms, resampling.seed
        methods = {"rules": asserted(rules(reports.measuring_texts), reports)}
        for name, trained in arms.items():
            teacher = asserted(trained.teacher, reports)
            methods[f"{name}, teacher"] = teacher
            for number, student in enumerate(trained.students):
                answers = asserted(student.arrays["probabilities"], reports)
                # Where the teacher gave none, there is nothing to compare with.
                methods[f"{name}, seed {number}"] = answers.where(teacher.notna())
        self.agreement = agree(
            reports.codes.loc[reports.scored],
            methods,
            metrics=("f1",),
            resampling=resampling.of(clusters=reports.same_text),
            min_events=min_events,
        )

    def student(self, name: str) -> Estimate:
        """Estimate the macro F1 of an arm's students, averaged over seeds."""
        return self._over_seeds(self._students(name))

    def teacher(self, name: str) -> Estimate:
        """Estimate the macro F1 of an arm's teacher."""
        return self._over_seeds([self._f1(f"{name}, teacher")])

    def minus_teacher(self, name: str) -> Estimate:
        """Estimate how much the students beat their own teacher, paired by report."""
        teacher = self._f1(f"{name}, teacher")
        return self._over_seeds([each - teacher for each in self._students(name)])

    def minus_rules(self, name: str) -> Estimate:
        """Estimate how much the students beat the rules, paired by report."""
        return self._over_seeds([each - self._f1("rules") for each in self._students(name)])

    def difference(self, first: str, second: str) -> Estimate:
        """Estimate the difference of two arms, paired by report and seed."""
        pairs = zip(self._students(first), self._students(second), strict=False)
        return self._over_seeds([a - b for a, b in pairs])

    def table(self) -> pd.DataFrame:
        """Tabulate macro F1 of students and teachers and their differences."""
        measures = {
            "student": self.student,
            "teacher": self.teacher,
            "minus_teacher": self.minus_teacher,
            "minus_rules": self.minus_rules,
        }
        rows = [
            {"arm": name, "seeds": self._arms[name].arm.seeds, "measure": measure}
            | estimate(name).row()
            for name in self._arms
            for measure, estimate in measures.items()
        ]
        return pd.DataFrame(rows, columns=["arm", "seeds", "measure", *LIMITS])

    def _f1(self, method: str) -> Estimate:
        return self.agreement.estimates[method, MACRO_AVERAGE, "f1"]

    def _students(self, name: str) -> list[Estimate]:
        seeds = range(len(self._arms[name].students))
        return [self._f1(f"{name}, seed {number}") for number in seeds]

    def _over_seeds(self, estimates: Sequence[Estimate]) -> Estimate:
        return average_over_seeds(estimates, self._seed)


def asserted(probabilities: np.ndarray, reports: DividedReports) -> pd.DataFrame:
    """Mark with 1 what is present or uncertain in the scored reports: float64, (n_scored, 13).

    NaN where there is no answer, which is not the same as absent.
    """
    index = reports.texts.index[reports.held_out]
    called = (probabilities.argmax(axis=-1) != ABSENT).astype(float)
    called[np.isnan(probabilities).any(axis=-1)] = np.nan
    return pd.DataFrame(called, index, list(FINDINGS)).loc[reports.scored]


def differences_of_claims(scores: ArmScores) -> dict[str, Estimate]:
    """Return what each claim of the study judges, that on the rules and its counterpart first."""
    return {
        "deberta_rad.student_beats_teacher": scores.minus_teacher(OF_RULES),
        "deberta_rad.student_beats_language_model": scores.minus_teacher(OF_LANGUAGE_MODEL),
        "deberta_rad.beats_rules": scores.minus_rules(DISTILLED),
        "deberta_rad.soft_targets": scores.difference(DISTILLED, HARD_LABELS),
        "deberta_rad.architecture": scores.difference(DISTILLED, BERT),
    }


def claims_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """Lay out what was measured for claims, by the claim's id."""
    rows = [
        {"claim": claim, "metric": "macro F1 difference"} | estimate.row()
        for claim, estimate in estimates.items()
    ]
    return pd.DataFrame(rows, columns=["claim", "metric", *LIMITS])


def soft_targets(scores: ArmScores, grid: Mapping[tuple[str, float, float], Arm]) -> pd.DataFrame:
    """Compare the softest targets of the grid with hard ones, by teacher, paired.

    The largest weight, at the middle temperature, minus a weight of 0.
    """
    rows = []
    for teacher in dict.fromkeys(name for name, _, _ in grid):
        weights = sorted({alpha for name, alpha, _ in grid if name == teacher})
        soft = sorted(t for name, alpha, t in grid if (name, alpha) == (teacher, weights[-1]))
        (hard,) = (arm for (name, alpha, _), arm in grid.items() if (name, alpha) == (teacher, 0))
        first = grid[teacher, weights[-1], soft[len(soft) // 2]]
        gain = scores.difference(first.name, hard.name)
        rows.append({"teacher": teacher, "soft": first.name} | gain.row())
    return pd.DataFrame(rows, columns=["teacher", "soft", *LIMITS])


def grid_table(scores: ArmScores, grid: Mapping[tuple[str, float, float], Arm]) -> pd.DataFrame:
    """Tabulate the students' macro F1 by teacher, weight and temperature of the soft targets."""
    rows = [
        {"teacher": teacher, "alpha": alpha, "T": f"T = {temperature:g}"}
        | scores.student(arm.name).row()
        for (teacher, alpha, temperature), arm in grid.items()
    ]
    return pd.DataFrame(rows, columns=["teacher", "alpha", "T", *LIMITS])


def agreement_with_teacher(arms: Mapping[str, TrainedArm], reports: DividedReports) -> pd.DataFrame:
    """Score how well students repeat their teacher on held-out reports, as means over seeds.

    F1 is of present or uncertain. A held-out report may consist of sentences that also stand in
    training reports; those that share none show what a student makes of new words. The macro mean
    runs over findings that the teacher asserts in at least five of the reports.
    """
    shared = np.asarray(shares_sentence(reports.measuring_texts, reports.training_texts))
    parts = {"all": np.ones(len(shared), dtype=bool), "no shared sentence": ~shared}
    rows = []
    for name, trained in arms.items():
        wanted = trained.teacher.argmax(axis=-1) != ABSENT
        for part, mask in parts.items():
            scores = [
                _f1(student.arrays["probabilities"].argmax(axis=-1)[mask] != ABSENT, wanted[mask])
                for student in trained.students
            ]
            micro, macro, findings = np.mean(scores, axis=0)
            row = {"arm": name, "held-out reports": part, "n": int(mask.sum()), "micro F1": micro}
            row |= {"macro F1": macro, "findings": int(findings)}
            rows.append(row | {"parameters": trained.parameters})
    return pd.DataFrame(rows)


def _f1(found: np.ndarray, wanted: np.ndarray, min_events: int = 5) -> tuple[float, float, int]:
    """Return micro F1, macro F1 over findings with enough events, and their number."""
    hits, size = (found & wanted).sum(axis=0), found.sum(axis=0) + wanted.sum(axis=0)
    enough = wanted.sum(axis=0) >= min_events
    macro = (2 * hits[enough] / size[enough]).mean() if enough.any() else np.nan
    return 2 * hits.sum() / max(size.sum(), 1), macro, int(enough.sum())
