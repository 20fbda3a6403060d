"""Reports divided by text, the arms of the study, and their training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.data.openi import (
    findings_and_impression,
    load_reports,
    mesh_labels,
    not_indexed,
)
from cxrstudy.labeler.sections import join_sections
from cxrstudy.studies.distillation.augment import augment_reports
from cxrstudy.studies.distillation.known_errors import (
    ConfusedFindings,
    RandomErrors,
    deaf_to_negation,
)
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import FINDINGS, development_half, split_by_text, text_hash_fraction
from cxrstudy.text.students import StudentConfig, StudentJob
from cxrstudy.trainings.job import Kept
from cxrstudy.trainings.many import train_many

DISTILLED, HARD_LABELS, BERT = "distilled", "hard_labels", "distilled_bert"
CAREFUL = "careful"

_HELD_OUT = 0.34  # expected fraction of texts that measure


@dataclass(frozen=True, eq=False)
class DividedReports:
    """Reports with human codes, divided by text."""

    texts: pd.Series  # findings and impression of every report
    codes: pd.DataFrame  # float64, (n_reports, 13): 1 or 0; missing where nobody coded the report
    held_out: pd.Series  # bool: reports that measure; equal texts are on one side
    read: pd.Series  # bool: reports that the authors of the rules had read

    @property
    def training_texts(self) -> list[str]:
        """Texts that train, each once."""
        return list(dict.fromkeys(self.texts[~self.held_out]))

    @property
    def measuring_texts(self) -> list[str]:
        """Texts of the held-out reports, one for each."""
        return list(self.texts[self.held_out])

    @property
    def scored(self) -> pd.Index:
        """Held-out reports that a human coded."""
        return self.codes.index[self.held_out & self.codes.notna().all(axis=1)]

    def sizes(self) -> pd.DataFrame:
        """Count the reports or texts of each part."""
        counts = {
            "reports": len(self.texts),
            "training texts": len(self.training_texts),
            "held-out reports": int(self.held_out.sum()),
            "held out and coded": len(self.scored),
        }
        return pd.Series(counts, name="n").rename_axis("part").to_frame()


def openi_for_distillation(max_reports: int = 0) -> DividedReports:
    """Load OpenI with its MeSH codes and divide it by a hash of the text.

    With `max_reports` only so many are loaded, those with the smallest hashes.
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
    read = pd.Series(development_half(findings_and_impression(reports)), reports.index)
    texts, codes, read = texts[written], codes[written], read[written]
    fractions = {"train": 1 - _HELD_OUT, "held out": _HELD_OUT}
    held_out = split_by_text(texts, fractions, salt="distillation") == "held out"
    return DividedReports(texts, codes, held_out, read)


@dataclass(frozen=True, eq=False)
class Arm:
    """One combination of teacher and student, trained with several seeds."""

    name: str
    teacher: TeachTexts  # the student sees nothing but its answers
    config: StudentConfig  # its seed is replaced
    seeds: int  # trainings that differ only in the seed


@dataclass(frozen=True, eq=False)
class TrainedArm:
    """What an arm's students and their teacher say of the held-out reports."""

    arm: Arm
    teacher: np.ndarray  # float32, (n_held_out, 13, 3)
    students: list[Kept]  # one for each seed, with its probabilities

    @property
    def parameters(self) -> int:
        """Number of parameters of a student."""
        return self.students[0].about["n_parameters"]


def main_arms(teacher: TeachTexts, config: StudentConfig, seeds: int) -> list[Arm]:
    """Compare soft with hard targets and DeBERTa with BERT, all else being equal."""
    deberta = replace(config, architecture="deberta")
    return [
        Arm(DISTILLED, teacher, deberta, seeds),
        Arm(HARD_LABELS, teacher, replace(deberta, alpha=0.0), seeds),
        Arm(BERT, teacher, replace(config, architecture="bert"), seeds),
    ]


def careful_arm(teacher: TeachTexts, config: StudentConfig, size: str) -> Arm:
    """Train one larger student, at a lower rate, as the best that this teacher's labels give."""
    rate = 0.6 * config.learning_rate
    return Arm(CAREFUL, teacher, replace(config, size=size, learning_rate=rate), seeds=1)


def loss_arms(
    teacher: TeachTexts,
    config: StudentConfig,
    alphas: Sequence[float],
    temperatures: Sequence[float],
    seeds: int,
) -> list[Arm]:
    """Vary weight and temperature of the softened targets; every combination is an arm.

    >>> [arm.name for arm in loss_arms(None, StudentConfig(), [0.5], [1, 4], seeds=1)]
    ['alpha 0.5, T 1', 'alpha 0.5, T 4']
    """
    return [
        Arm(f"alpha {a:g}, T {t:g}", teacher, replace(config, alpha=a, temperature=t), seeds)
        for a in alphas
        for t in temperatures
    ]


def erring_arms(
    rules: TeachTexts,
    training_texts: Sequence[str],
    config: StudentConfig,
    error_rates: Sequence[float],
    seeds: int,
) -> list[Arm]:
    """Give students teachers whose errors are known: random ones, and two kinds of habit.

    The rules are the teacher before the errors. A random error, of which each label has such a
    rate, is an answer of theirs to another training text.
    """
    pool = rules(training_texts)
    teachers = {
        f"random errors, {rate:.0%}": RandomErrors(rules, pool, rate) for rate in error_rates
    }
    teachers |= {"confuses_findings": ConfusedFindings(rules)}
    teachers |= {"misses_negation": deaf_to_negation()}
    return [Arm(name, each, replace(config, alpha=0.0), seeds) for name, each in teachers.items()]


def train_arms(
    arms: Sequence[Arm],
    reports: DividedReports,
    folder: str | Path,
    splice_until: int,
    n_jobs: int = -1,
) -> dict[str, TrainedArm]:
    """Train every arm's students on its teacher's labels of the training reports.

    The folder keeps every finished training, so that a stopped study resumes; each of the
    `n_jobs` processes (-1: one for each core) has one thread.
    """
    held_out, training = reports.measuring_texts, reports.training_texts
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
    students = iter(train_many(jobs, folder, n_jobs))
    return {
        arm.name: TrainedArm(arm, arm.teacher(held_out), [next(students) for _ in range(arm.seeds)])
        for arm in arms
    }


def arm_table(trained: Mapping[str, TrainedArm]) -> pd.DataFrame:
    """Tabulate how the arms were trained."""
    rows = []
    for name, each in trained.items():
        config = each.arm.config
        row = {"arm": name, "architecture": config.architecture, "size": config.size}
        row |= {"parameters": each.parameters, "alpha": config.alpha}
        row |= {"temperature": config.temperature, "epochs": config.epochs}
        rows.append(row | {"seeds": each.arm.seeds})
    return pd.DataFrame(rows)
