"""The distillation experiment: arms of teacher and student, scored by codes and by teacher."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import (
    LIMITS,
    MACRO_AVERAGE,
    Agreement,
    Estimate,
    average_over_seeds,
)
from cxrstudy.data.openi import load_reports, mesh_labels, not_indexed
from cxrstudy.labeler.sections import join_sections
from cxrstudy.studies.distillation.augment import augment_reports, shares_sentence
from cxrstudy.text.reports import ABSENT, FINDINGS, split_by_text, text_hash_fraction
from cxrstudy.text.students import (
    StudentConfig,
    StudentJob,
)
from cxrstudy.trainings.job import Kept
from cxrstudy.trainings.many import train_many

TeachTexts = Callable[[Sequence[str]], np.ndarray]
"""From n texts to probabilities of absent, present and uncertain, shape (n, 13, 3)."""


@dataclass(frozen=True, eq=False)
class DividedReports:
    """Reports with human codes, divided by text.

    Attributes
    ----------
    texts : Series of str
        Findings and impression of every report.
    codes : DataFrame of float64, shape (n_reports, 13)
        1 where a human coded the finding, else 0; missing for reports that nobody coded.
    held_out : Series of bool
        Reports that measure; the others train. Equal texts are on one side.
    """

    texts: pd.Series
    codes: pd.DataFrame
    held_out: pd.Series

    @property
    def training_texts(self) -> list[str]:
        """Texts that train, each once."""
        return list(dict.fromkeys(self.texts[~self.held_out]))

    @property
    def scored(self) -> pd.Index:
        """Held-out reports that a human coded."""
        return self.codes.index[self.held_out & self.codes.notna().all(axis=1)]


def openi_for_distillation(held_out_fraction: float = 0.34, max_reports: int = 0) -> DividedReports:
    """Load OpenI with its MeSH codes and divide it by a hash of the text.

    Parameters
    ----------
    held_out_fraction : float
        Expected fraction of texts that measure.
    max_reports : int
        Only so many reports, those with the smallest hashes; 0 for all.

    Returns
    -------
    DividedReports
    """
    reports = load_reports()
    texts = pd.Series(
        [join_sections(parts) for parts in reports[["findings", "impression"]].to_numpy()],
        index=reports.index,
    )
    codes = mesh_labels(reports, "strict")[list(FINDINGS)].mask(not_indexed(reports), axis=0)
    written = texts.str.strip() != ""
    if max_reports:
        order = texts[written].map(lambda text: text_hash_fraction(text, "order")).sort_values()
        written &= texts.index.isin(order.index[:max_reports])
    texts, codes = texts[written], codes[written]
    fractions = {"train": 1 - held_out_fraction, "held out": held_out_fraction}
    held_out = split_by_text(texts, fractions, salt="distillation") == "held out"
    return DividedReports(texts, codes, held_out)


@dataclass(frozen=True, eq=False)
class Arm:
    """One combination of teacher and student, trained with several seeds.

    Attributes
    ----------
    name : str
    teacher : callable
        See `TeachTexts`; the student sees nothing but its answers.
    config : StudentConfig
        Its seed is replaced.
    seeds : int
        Trainings that differ only in the seed.
    """

    name: str
    teacher: TeachTexts
    config: StudentConfig
    seeds: int


@dataclass(frozen=True, eq=False)
class TrainedArm:
    """What an arm's students and their teacher say of the held-out reports.

    Attributes
    ----------
    arm : Arm
    teacher : ndarray of float32, shape (n_held_out, 13, 3)
        The teacher's own answers.
    students : list of Kept
        One for each seed, with its probabilities of the held-out reports.
    """

    arm: Arm
    teacher: np.ndarray
    students: list[Kept]


def train_arms(
    arms: Sequence[Arm],
    reports: DividedReports,
    folder: str | Path,
    splice_until: int,
    n_jobs: int = -1,
) -> dict[str, TrainedArm]:
    """Train every arm's students on its teacher's labels of the training reports.

    Parameters
    ----------
    arms : sequence of Arm
    reports : DividedReports
    folder : path
        Keeps every finished training, so that a stopped study resumes.
    splice_until : int
        See `augment_reports`.
    n_jobs : int
        Processes of one thread each; -1 for as many as there are cores.

    Returns
    -------
    dict of str to TrainedArm
        By the arm's name.
    """
    held_out = list(reports.texts[reports.held_out])
    training = reports.training_texts
    lessons: dict[int, tuple] = {}
    jobs = []
    for arm in arms:
        if id(arm.teacher) not in lessons:
            lessons[id(arm.teacher)] = augment_reports(
                training, arm.teacher(training), arm.teacher, held_out, splice_until
            )
        texts, targets = lessons[id(arm.teacher)]
        jobs += [
            StudentJob(replace(arm.config, seed=seed), texts, targets, held_out)
            for seed in range(arm.seeds)
        ]
    predictions = iter(train_many(jobs, folder, n_jobs))
    return {
        arm.name: TrainedArm(
            arm, arm.teacher(held_out), [next(predictions) for _ in range(arm.seeds)]
        )
        for arm in arms
    }


def asserted(probabilities: np.ndarray, reports: DividedReports) -> pd.DataFrame:
    """Say which findings are present or uncertain in the scored reports.

    Parameters
    ----------
    probabilities : ndarray, shape (n_held_out, 13, 3)
    reports : DividedReports

    Returns
    -------
    DataFrame of float64, shape (n_scored, 13)
        1 or 0; uncertain counts as positive.
    """
    index = reports.texts.index[reports.held_out]
    table = pd.DataFrame(probabilities.argmax(axis=-1) != ABSENT, index, list(FINDINGS))
    return table.loc[reports.scored].astype(float)


class ArmScores:
    """Scores of trained arms against a reference, with intervals over reports and seeds.

    Parameters
    ----------
    arms : mapping of str to TrainedArm
    reports : DividedReports
    baseline : callable
        A labeler that every arm is compared with, such as the rules without injected errors.
    resampling : Resampling
        Of seeds and of reports, in which equal texts stay together.
    min_events : int
        Findings with fewer coded positives leave the averages.
    """

    def __init__(
        self,
        arms: Mapping[str, TrainedArm],
        reports: DividedReports,
        baseline: TeachTexts,
        resampling: Resampling = DEFAULT_RESAMPLING,
        min_events: int = 10,
    ) -> None:
        self._arms, self._seed = arms, resampling.seed
        self.reports = reports
        held_out = list(reports.texts[reports.held_out])
        methods = {"rules": asserted(baseline(held_out), reports)}
        for name, trained in arms.items():
            methods[f"{name}, teacher"] = asserted(trained.teacher, reports)
            for number, student in enumerate(trained.students):
                methods[f"{name}, seed {number}"] = asserted(
                    student.arrays["probabilities"], reports
                )
        same_text = reports.texts.loc[reports.scored].map(text_hash_fraction)
        self.agreement: Agreement = agree(
            reports.codes.loc[reports.scored],
            methods,
            metrics=("f1",),
            resampling=resampling.of(clusters=same_text),
            min_events=min_events,
        )

    def student(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the F1 of an arm's students against the human codes, averaged over seeds."""
        return self._over_seeds(self._students(name, finding))

    def teacher(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the F1 of an arm's teacher against the human codes."""
        return self._over_seeds([self._teacher(name, finding)])

    def minus_teacher(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate how much the students beat their own teacher, paired by report."""
        teacher = self._teacher(name, finding)
        return self._over_seeds([each - teacher for each in self._students(name, finding)])

    def minus_rules(self, name: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate how much the students beat the rules, paired by report."""
        rules = self.agreement.estimates["rules", finding, "f1"]
        return self._over_seeds([each - rules for each in self._students(name, finding)])

    def difference(self, first: str, second: str, finding: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the difference of two arms, paired by report and seed."""
        pairs = zip(self._students(first, finding), self._students(second, finding), strict=False)
        return self._over_seeds([a - b for a, b in pairs])

    def table(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Tabulate the macro F1 of students and teachers and their differences.

        Returns
        -------
        DataFrame
            Tidy: columns arm, seeds, measure, estimate, low, high.
        """
        measures = {
            "student": self.student,
            "its teacher": self.teacher,
            "student minus teacher": self.minus_teacher,
            "student minus rules": self.minus_rules,
        }
        rows = [
            {"arm": name, "seeds": self._arms[name].arm.seeds, "measure": measure}
            | estimate(name).row()
            for name in names or self._arms
            for measure, estimate in measures.items()
        ]
        return pd.DataFrame(rows, columns=["arm", "seeds", "measure", *LIMITS])

    def seeds(self, name: str) -> int:
        """Count an arm's trainings."""
        return len(self._arms[name].students)

    def by_finding(self, names: Sequence[str]) -> pd.DataFrame:
        """Tabulate the students' gain over their teacher for each finding with enough positives.

        Returns
        -------
        DataFrame
            Tidy: columns finding, arm, estimate, low, high.
        """
        few = {finding for _, finding in self.agreement.too_few}
        rows = [
            {"finding": finding, "arm": name} | self.minus_teacher(name, finding).row()
            for finding in FINDINGS
            if finding not in few
            for name in names
        ]
        return pd.DataFrame(rows, columns=["finding", "arm", *LIMITS])

    def _teacher(self, name: str, finding: str) -> Estimate:
        return self.agreement.estimates[f"{name}, teacher", finding, "f1"]

    def _students(self, name: str, finding: str) -> list[Estimate]:
        seeds = range(len(self._arms[name].students))
        found = self.agreement.estimates
        return [found[f"{name}, seed {number}", finding, "f1"] for number in seeds]

    def _over_seeds(self, estimates: Sequence[Estimate]) -> Estimate:
        return average_over_seeds(estimates, self._seed)


def agreement_with_teacher(arms: Mapping[str, TrainedArm], reports: DividedReports) -> pd.DataFrame:
    """Score how well students repeat their teacher on held-out reports.

    A held-out report may consist of sentences that also stand in training reports. Those that
    share none show what a student makes of new words.

    Parameters
    ----------
    arms : mapping of str to TrainedArm
    reports : DividedReports

    Returns
    -------
    DataFrame
        Columns arm, held-out reports (all, or those that share no sentence with the training),
        n, micro F1, macro F1 (present or uncertain; findings that the teacher asserts in at least
        five of the reports), findings, parameters; means over seeds.
    """
    held_out = list(reports.texts[reports.held_out])
    shared = np.asarray(shares_sentence(held_out, reports.training_texts))
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
            rows.append(row | {"parameters": trained.students[0].about["n_parameters"]})
    return pd.DataFrame(rows)


def _f1(found: np.ndarray, wanted: np.ndarray, min_events: int = 5) -> tuple[float, float, int]:
    """Return micro F1, macro F1 over findings with enough events, and their number."""
    hits, size = (found & wanted).sum(axis=0), found.sum(axis=0) + wanted.sum(axis=0)
    enough = wanted.sum(axis=0) >= min_events
    macro = (2 * hits[enough] / size[enough]).mean() if enough.any() else np.nan
    return 2 * hits.sum() / max(size.sum(), 1), macro, int(enough.sum())
