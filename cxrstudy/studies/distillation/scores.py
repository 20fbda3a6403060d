"""Students and teachers scored by human codes, and students by their teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.agreement import Resampling, agree
from cxrstudy.agreement.result import LIMITS, MACRO_AVERAGE, Estimate, average_over_seeds
from cxrstudy.studies.distillation.arms import (
    BERT,
    CAREFUL,
    DISTILLED,
    HARD_LABELS,
    DividedReports,
    TrainedArm,
)
from cxrstudy.studies.distillation.augment import shares_sentence
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import ABSENT, FINDINGS, text_hash_fraction
from cxrstudy.words import by_side

_ARMS = {
    DISTILLED: "DeBERTa, distilled",
    HARD_LABELS: "DeBERTa, hard labels",
    BERT: "BERT, distilled",
    CAREFUL: "DeBERTa, careful",
    "confuses_findings": "confuses findings",
    "misses_negation": "misses negation",
}
_HABITS = ("confuses_findings", "misses_negation")
WORDS: dict[str, str] = _ARMS | {
    **{f"{DISTILLED} - {other}": f"{_ARMS[DISTILLED]} - {_ARMS[other]}" for other in _ARMS},
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
        methods = {"rules": _asserted(rules(reports.measuring_texts), reports)}
        for name, trained in arms.items():
            methods[f"{name}, teacher"] = _asserted(trained.teacher, reports)
            for number, student in enumerate(trained.students):
                answers = student.arrays["probabilities"]
                methods[f"{name}, seed {number}"] = _asserted(answers, reports)
        same_text = reports.texts.loc[reports.scored].map(text_hash_fraction)
        self.agreement = agree(
            reports.codes.loc[reports.scored],
            methods,
            metrics=("f1",),
            resampling=resampling.of(clusters=same_text),
            min_events=min_events,
        )

    def student(self, name: str) -> Estimate:
        """Estimate the macro F1 of an arm's students, averaged over seeds."""
        return self._over_seeds(self._students(name))

    def teacher(self, name: str) -> Estimate:
        """Estimate the macro F1 of an arm's teacher."""
        return self._over_seeds([self._f1(f"{name}, teacher")])

    def minus_teacher(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate how much the students beat their own teacher, paired by report."""
        teacher = self._f1(f"{name}, teacher", finding)
        return self._over_seeds([each - teacher for each in self._students(name, finding)])

    def minus_rules(self, name: str) -> Estimate:
        """Estimate how much the students beat the rules, paired by report."""
        return self._over_seeds([each - self._f1("rules") for each in self._students(name)])

    def difference(self, first: str, second: str) -> Estimate:
        """Estimate the difference of two arms, paired by report and seed."""
        pairs = zip(self._students(first), self._students(second), strict=False)
        return self._over_seeds([a - b for a, b in pairs])

    def table(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Tabulate macro F1 of students and teachers and their differences, of all arms or some."""
        measures = {
            "student": self.student,
            "teacher": self.teacher,
            "minus_teacher": self.minus_teacher,
            "minus_rules": self.minus_rules,
        }
        rows = [
            {"arm": name, "seeds": self._arms[name].arm.seeds, "measure": measure}
            | estimate(name).row()
            for name in names or self._arms
            for measure, estimate in measures.items()
        ]
        return pd.DataFrame(rows, columns=["arm", "seeds", "measure", *LIMITS])

    def with_differences(self) -> pd.DataFrame:
        """Tabulate all arms, then the differences between the main ones, in one layout."""
        seeds = self._arms[DISTILLED].arm.seeds
        rows = [
            {"arm": f"{DISTILLED} - {other}", "seeds": seeds, "measure": "student"}
            | self.difference(DISTILLED, other).row()
            for other in (HARD_LABELS, BERT)
        ]
        table = self.table()
        return pd.concat([table, pd.DataFrame(rows)[list(table)]])

    def by_finding(self, names: Sequence[str]) -> pd.DataFrame:
        """Tabulate the students' gain over their teacher for each finding with enough positives."""
        few = {finding for _, finding in self.agreement.too_few}
        rows = [
            {"finding": finding, "arm": name} | self.minus_teacher(name, finding).row()
            for finding in FINDINGS
            if finding not in few
            for name in names
        ]
        return pd.DataFrame(rows, columns=["finding", "arm", *LIMITS])

    def _f1(self, method: str, finding: str = MACRO_AVERAGE) -> Estimate:
        return self.agreement.estimates[method, finding, "f1"]

    def _students(self, name: str, finding: str = MACRO_AVERAGE) -> list[Estimate]:
        seeds = range(len(self._arms[name].students))
        return [self._f1(f"{name}, seed {number}", finding) for number in seeds]

    def _over_seeds(self, estimates: Sequence[Estimate]) -> Estimate:
        return average_over_seeds(estimates, self._seed)


def scores_by_half(
    arms: Mapping[str, TrainedArm],
    reports: DividedReports,
    rules: TeachTexts,
    resampling: Resampling,
) -> pd.DataFrame:
    """Score arms apart on texts that the authors of the rules had read, and on the others."""
    tables = []
    for half, chosen in {"read": reports.read, "not read": ~reports.read}.items():
        part = replace(reports, codes=reports.codes.where(chosen, axis=0))
        table = ArmScores(arms, part, rules, resampling).table()
        tables.append(table.assign(half=half, n=len(part.scored)))
    return pd.concat(tables)


def _asserted(probabilities: np.ndarray, reports: DividedReports) -> pd.DataFrame:
    """Mark with 1 what is present or uncertain in the scored reports: float64, (n_scored, 13)."""
    index = reports.texts.index[reports.held_out]
    table = pd.DataFrame(probabilities.argmax(axis=-1) != ABSENT, index, list(FINDINGS))
    return table.loc[reports.scored].astype(float)


def claims_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """Lay out what was measured for claims, by the claim's id."""
    rows = [
        {"claim": claim, "metric": "macro F1 difference"} | estimate.row()
        for claim, estimate in estimates.items()
    ]
    return pd.DataFrame(rows, columns=["claim", "metric", *LIMITS])


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


def gains_over_teacher(table: pd.DataFrame) -> pd.DataFrame:
    """Select from `ArmScores.table` what students gain over their teacher; kind: how that one errs.

    Arms that vary weight and temperature of the targets alone are left out.
    """
    gains = table[(table["measure"] == "minus_teacher") & ~table["arm"].str.startswith("alpha ")]
    kinds = [
        "random errors" if arm.startswith("random") else "habits" if arm in _HABITS else "rules"
        for arm in gains["arm"]
    ]
    return gains.assign(kind=[f"teacher: {kind}" for kind in kinds])


def answer(table: pd.DataFrame, difference: Estimate) -> str:
    """Say whether students beat the rules that taught them, and which erring teachers they beat.

    The difference is that of the macro F1, `DISTILLED` students minus their teacher.
    """
    main = table[table["arm"] == DISTILLED].set_index("measure")
    student, teacher = (f"{main.loc[who, 'estimate']:.2f}" for who in ("student", "teacher"))
    sides = {"above": "Here it can", "below": "Not supported here", "open": "Not settled here"}
    verdict = by_side(*difference.interval(), **sides)
    seeds = main.loc["student", "seeds"]
    return (
        f"{verdict}. Students of a rule labeler (trainings: {seeds}) score a macro F1 of {student} "
        f"against human codes, the rules {teacher}: {difference.in_words()}. "
        f"{erring_finding(table)}."
    )


def erring_finding(table: pd.DataFrame) -> str:
    """Say which of the teachers that were made to err students beat, from `ArmScores.table`."""
    erring = gains_over_teacher(table).query("kind != 'teacher: rules'")
    beaten = erring[erring["low"] > 0]["arm"].map(lambda arm: WORDS.get(arm, arm))
    return (
        f"Of {len(erring)} teachers that were made to err, students beat {len(beaten)}: "
        f"{'; '.join(beaten) or 'none'}"
    )


def teacher_finding(difference: Estimate) -> str:
    """Say whether students of the rules score higher than these, from their difference."""
    return by_side(
        *difference.interval(),
        above="Students of the rules score higher than the rules",
        below="Students of the rules score lower than the rules",
        open="Students of the rules cannot be told from the rules",
    )


def gains_in_words(by_finding: pd.DataFrame) -> str:
    """Say what the figure of the findings shows."""
    above, below = (by_finding["low"] > 0).sum(), (by_finding["high"] < 0).sum()
    return (
        f"Differences for {by_finding['finding'].nunique()} findings in two arms; "
        f"{above} lie above zero and {below} below."
    )


def beaten_in_words(gains: pd.DataFrame) -> str:
    """Say what a figure of students minus their teachers shows."""
    beaten = gains[gains["low"] > 0]["arm"].map(lambda arm: WORDS.get(arm, arm))
    return (
        f"Differences for {gains['arm'].nunique()} arms; students clearly beat their teacher in "
        f"{', '.join(beaten) or 'none of them'}."
    )
