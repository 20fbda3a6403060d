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
from cxrstudy.studies.distillation.features import TokenFeatures
from cxrstudy.studies.distillation.heads import HeadConfig, HeadJob
from cxrstudy.studies.distillation.known_errors import (
    ConfusedFindings,
    RandomErrors,
    deaf_to_negation,
)
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import FINDINGS, development_half, text_hash_fraction
from cxrstudy.text.students import StudentConfig, StudentJob
from cxrstudy.trainings.job import Kept
from cxrstudy.trainings.many import train_many

DISTILLED, HARD_LABELS, BERT = "distilled", "hard_labels", "distilled_bert"
OF_RULES, OF_LANGUAGE_MODEL = "of_rules", "of_language_model"


@dataclass(frozen=True, eq=False)
class DividedReports:
    """Reports with human codes, divided by text."""

    texts: pd.Series  # findings and impression of every report
    codes: pd.DataFrame  # float64, (n_reports, 13): 1 or 0; missing where nobody coded the report
    held_out: pd.Series  # bool: reports that measure; equal texts are on one side

    @property
    def training_texts(self) -> list[str]:
        """Texts that train, each once."""
        return list(dict.fromkeys(self.texts[~self.held_out]))

    @property
    def training_codes(self) -> np.ndarray:
        """Codes of `training_texts`, (n_texts, 13); NaN where nobody coded such a report."""
        coded = self.codes[~self.held_out].groupby(self.texts[~self.held_out]).first()
        return coded.loc[self.training_texts].to_numpy()

    @property
    def measuring_texts(self) -> list[str]:
        """Texts of the held-out reports, one for each."""
        return list(self.texts[self.held_out])

    @property
    def scored(self) -> pd.Index:
        """Held-out reports that a human coded."""
        return self.codes.index[self.held_out & self.codes.notna().all(axis=1)]

    @property
    def same_text(self) -> pd.Series:
        """A number for each scored report that equal texts share."""
        return self.texts.loc[self.scored].map(text_hash_fraction)

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

    What measures are the reports that the authors of the rules had not read when they wrote them;
    everything else, prompts and calibration too, is made on the other half. With `max_reports` only
    so many are loaded, those with the smallest hashes.
    """
    reports = load_reports()
    texts = pd.Series(
        [join_sections(parts) for parts in reports[["findings", "impression"]].to_numpy()],
        index=reports.index,
    )
    codes = mesh_labels(reports, "strict")[list(FINDINGS)].mask(not_indexed(reports), axis=0)
    held_out = pd.Series(~development_half(findings_and_impression(reports)), reports.index)
    written = texts.str.strip() != ""
    if max_reports:
        order = texts[written].map(lambda text: text_hash_fraction(text, "order")).sort_values()
        written &= texts.index.isin(order.index[:max_reports])
    return DividedReports(texts[written], codes[written], held_out[written])


@dataclass(frozen=True, eq=False)
class Arm:
    """One combination of teacher and student, trained with several seeds."""

    name: str
    teacher: TeachTexts  # the student sees nothing but its answers
    config: StudentConfig | HeadConfig  # its seed is replaced
    seeds: int  # trainings that differ only in the seed
    splice_until: int = -1  # sentences too, and reports of rare classes; -1: whole reports alone
    # Teachers of the single seeds, where what they say is drawn anew for each.
    by_seed: Sequence[TeachTexts] = ()


@dataclass(frozen=True, eq=False)
class TrainedArm:
    """What an arm's students and their teacher say of the held-out reports."""

    arm: Arm
    teacher: np.ndarray  # float32, (n_held_out, 13, 3)
    students: list[Kept]  # one for each seed, with its probabilities

    @property
    def parameters(self) -> int:
        """Number of trained values of a student."""
        return self.students[0].about["n_parameters"]


def pretrained_student(name: str, epochs: int) -> StudentConfig:
    """Say how an encoder of the registry is tuned; without a name it is tiny, of random weights."""
    if name:
        return StudentConfig(pretrained=name, epochs=epochs, learning_rate=3e-4)
    return StudentConfig("bert", "tiny", epochs=epochs)


def claim_arms(
    rules: TeachTexts,
    language_model: TeachTexts,
    pretrained: StudentConfig,
    scratch: StudentConfig,
    seeds: int,
    splice_until: int,
) -> list[Arm]:
    """Give both teachers a pretrained student, and the rules others from random weights.

    Those compare soft with hard targets and DeBERTa with BERT, all else being equal; they learn
    from sentences and spliced reports too, since random weights know no word.
    """
    deberta = replace(scratch, architecture="deberta")
    return [
        Arm(OF_RULES, rules, pretrained, seeds),
        Arm(OF_LANGUAGE_MODEL, language_model, pretrained, seeds),
        Arm(DISTILLED, rules, deberta, seeds, splice_until),
        Arm(HARD_LABELS, rules, replace(deberta, alpha=0.0), seeds, splice_until),
        Arm(BERT, rules, replace(deberta, architecture="bert"), seeds, splice_until),
    ]


def side_arms(
    teachers: Mapping[str, TeachTexts], scratch: StudentConfig, sizes: Sequence[str], seeds: int
) -> list[Arm]:
    """Give each teacher students from random weights, which see whole reports alone."""
    return [
        Arm(f"{size} of {name}", teacher, replace(scratch, size=size), seeds)
        for name, teacher in teachers.items()
        for size in sizes
    ]


def head_arms(teachers: Mapping[str, TeachTexts], seeds: int) -> list[Arm]:
    """Give each teacher students that train their heads alone, on kept features."""
    return [Arm(f"heads of {name}", each, HeadConfig(), seeds) for name, each in teachers.items()]


def loss_arms(
    teachers: Mapping[str, TeachTexts],
    alphas: Sequence[float],
    temperatures: Sequence[float],
    seeds: int,
) -> dict[tuple[str, float, float], Arm]:
    """Vary weight and temperature of the softened targets, with heads on kept features.

    Where they weigh nothing, there is one temperature.

    >>> [arm.name for arm in loss_arms({"rules": None}, [0.5], [1, 4], seeds=1).values()]
    ['rules, alpha 0.5, T 1', 'rules, alpha 0.5, T 4']
    """
    return {
        (name, a, t): Arm(
            f"{name}, alpha {a:g}, T {t:g}", teacher, HeadConfig(alpha=a, temperature=t), seeds
        )
        for name, teacher in teachers.items()
        for a in alphas
        for t in temperatures[: None if a else 1]
    }


def erring_arms(
    rules: TeachTexts, training_texts: Sequence[str], error_rates: Sequence[float], seeds: int
) -> list[Arm]:
    """Give heads on kept features teachers of known errors: random ones, and two kinds of habit.

    The rules are the teacher before the errors. A random error, of which each label has such a
    rate, is an answer of theirs to another training text.
    """
    pool = rules(training_texts)
    teachers = {
        f"random errors, {rate:.0%}": RandomErrors(rules, pool, rate) for rate in error_rates
    }
    teachers |= {"confuses_findings": ConfusedFindings(rules)}
    teachers |= {"misses_negation": deaf_to_negation()}
    return [Arm(name, each, HeadConfig(), seeds) for name, each in teachers.items()]


def train_arms(
    arms: Sequence[Arm],
    reports: DividedReports,
    folder: str | Path,
    features: TokenFeatures,
    n_jobs: int = -1,
) -> dict[str, TrainedArm]:
    """Train every arm's students on its teacher's labels of the training reports.

    The folder keeps every finished training, so that a stopped study resumes; each of the
    `n_jobs` processes (-1: one for each core) has one thread. Features are those of all texts.
    """
    held_out, training = reports.measuring_texts, reports.training_texts
    rows = features.rows(training), features.rows(held_out)
    lessons: dict[tuple[int, int], tuple] = {}
    jobs: list[StudentJob | HeadJob] = []
    for arm in arms:
        for seed in range(arm.seeds):
            teacher = arm.by_seed[seed] if arm.by_seed else arm.teacher
            known = id(teacher), arm.splice_until
            if known not in lessons:
                lessons[known] = training, teacher(training)
                if arm.splice_until >= 0:
                    lessons[known] = augment_reports(
                        *lessons[known], teacher, held_out, arm.splice_until
                    )
            texts, targets = lessons[known]
            if isinstance(arm.config, HeadConfig):
                jobs.append(
                    HeadJob(replace(arm.config, seed=seed), features, rows[0], targets, rows[1])
                )
            else:
                jobs.append(StudentJob(replace(arm.config, seed=seed), texts, targets, held_out))
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
        row = {"arm": name, "student": _student(config), "parameters": each.parameters}
        row |= {"alpha": config.alpha, "temperature": config.temperature, "epochs": config.epochs}
        rows.append(row | {"seeds": each.arm.seeds})
    return pd.DataFrame(rows)


def _student(config: StudentConfig | HeadConfig) -> str:
    if isinstance(config, HeadConfig):
        return "heads on kept features"
    return config.pretrained or f"{config.architecture}, {config.size}, from random weights"
