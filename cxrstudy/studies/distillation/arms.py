"""The arms of the distillation study: targets, architectures, weights of the loss, bad teachers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.labeler import Role, RuleLabeler, default_lexicon
from cxrstudy.studies.distillation.scores import Arm, ArmScores, TeachTexts, TrainedArm
from cxrstudy.studies.distillation.teachers import RandomErrors, SystematicErrors
from cxrstudy.text.students import StudentConfig
from cxrstudy.text.teachers.rules import RuleTeacher

DISTILLED, HARD_LABELS, BERT = "DeBERTa, distilled", "DeBERTa, hard labels", "BERT, distilled"
"""Names of the main arms."""

CAREFUL = "DeBERTa, careful"
"""Name of the arm with the larger student."""

CONFUSIONS: Mapping[str, str] = {
    "Atelectasis": "Consolidation",
    "Pleural Other": "Pleural Effusion",
    "Pneumonia": "Lung Opacity",
}
"""What a teacher that confuses findings calls each of them."""


def main_arms(teacher: TeachTexts, config: StudentConfig, seeds: int) -> list[Arm]:
    """Compare soft with hard targets and DeBERTa with BERT, all else being equal.

    Hard labels are the teacher's most probable classes; the configuration gives size, epochs and
    the weights of the distilled arms' loss.
    """
    return [
        Arm(DISTILLED, teacher, replace(config, architecture="deberta"), seeds),
        Arm(HARD_LABELS, teacher, replace(config, architecture="deberta", alpha=0.0), seeds),
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
    """Vary weight and temperature of the softened targets; every combination is an arm."""
    return [
        Arm(f"alpha {a:g}, T {t:g}", teacher, replace(config, alpha=a, temperature=t), seeds)
        for a in alphas
        for t in temperatures
    ]


def erring_arms(
    rules: RuleLabeler,
    training_texts: Sequence[str],
    config: StudentConfig,
    error_rates: Sequence[float],
    seeds: int,
) -> list[Arm]:
    """Give students teachers whose errors are known: random ones, and two kinds of habit.

    The rules are the teacher before the errors. A random error, of which each label has such a
    rate, is an answer of the rules to another training text.
    """
    teacher = RuleTeacher(rules)
    pool = teacher(training_texts)
    negations = Role.NEGATION_BEFORE | Role.NEGATION_NOT | Role.NEGATION_AFTER
    deaf = default_lexicon().without_roles(negations | Role.NEGATION_EITHER, "no negation")
    teachers = {
        f"random errors, {rate:.0%}": RandomErrors(teacher, pool, rate) for rate in error_rates
    }
    teachers["confuses findings"] = SystematicErrors(teacher, confusions=CONFUSIONS)
    teachers["misses negation"] = RuleTeacher(RuleLabeler(deaf))
    return [Arm(name, each, replace(config, alpha=0.0), seeds) for name, each in teachers.items()]


def arm_table(trained: Mapping[str, TrainedArm]) -> pd.DataFrame:
    """Tabulate how the arms were trained."""
    rows = []
    for name, arm in trained.items():
        config = arm.arm.config
        row = {"arm": name, "architecture": config.architecture, "size": config.size}
        row |= {"parameters": arm.students[0].about["n_parameters"], "alpha": config.alpha}
        row |= {"temperature": config.temperature, "epochs": config.epochs}
        rows.append(row | {"seeds": arm.arm.seeds})
    return pd.DataFrame(rows)


def difference_rows(scores: ArmScores) -> pd.DataFrame:
    """Lay out the differences between the main arms like the rows of `ArmScores.table`."""
    rows = [
        {"arm": f"{DISTILLED} - {other}", "seeds": scores.seeds(DISTILLED), "measure": "student"}
        | scores.difference(DISTILLED, other).row()
        for other in (HARD_LABELS, BERT)
    ]
    return pd.DataFrame(rows, columns=["arm", "seeds", "measure", *LIMITS])


def claims_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """Lay out what was measured for claims, by the claim's id."""
    rows = [
        {"claim": claim, "metric": "macro F1 difference"} | estimate.row()
        for claim, estimate in estimates.items()
    ]
    return pd.DataFrame(rows, columns=["claim", "metric", *LIMITS])
