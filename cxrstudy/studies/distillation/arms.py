"""The arms of the distillation study: targets, architectures, weights of the loss, bad teachers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.labeler import Role, RuleLabeler, default_lexicon
from cxrstudy.studies.distillation.scores import Arm, ArmScores, TeachTexts, TrainedArm
from cxrstudy.text.students import StudentConfig
from cxrstudy.text.teachers.noise import RandomErrors, SystematicErrors
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

    Parameters
    ----------
    teacher : callable
        A teacher with probabilities; hard labels are its most probable classes.
    config : StudentConfig
        Size, epochs and the weights of the distilled arms' loss.
    seeds : int

    Returns
    -------
    list of Arm
    """
    return [
        Arm(DISTILLED, teacher, replace(config, architecture="deberta"), seeds),
        Arm(HARD_LABELS, teacher, replace(config, architecture="deberta", alpha=0.0), seeds),
        Arm(BERT, teacher, replace(config, architecture="bert"), seeds),
    ]


def careful_arm(teacher: TeachTexts, config: StudentConfig, size: str) -> Arm:
    """Train one larger student, at a lower rate, as the best that this teacher's labels give.

    Parameters
    ----------
    teacher : callable
    config : StudentConfig
        Of the other arms.
    size : str
        Of the encoder.

    Returns
    -------
    Arm
    """
    rate = 0.6 * config.learning_rate
    return Arm(CAREFUL, teacher, replace(config, size=size, learning_rate=rate), seeds=1)


def loss_arms(
    teacher: TeachTexts,
    config: StudentConfig,
    alphas: Sequence[float],
    temperatures: Sequence[float],
    seeds: int,
) -> list[Arm]:
    """Vary the weight and the temperature of the softened targets.

    Parameters
    ----------
    teacher : callable
    config : StudentConfig
    alphas, temperatures : sequence of float
        Every combination is an arm.
    seeds : int

    Returns
    -------
    list of Arm
    """
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

    Parameters
    ----------
    rules : RuleLabeler
        The teacher before the errors.
    training_texts : sequence of str
        Random wrong answers are drawn from those for these.
    config : StudentConfig
    error_rates : sequence of float
        Probabilities of a random error in each label.
    seeds : int

    Returns
    -------
    list of Arm
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
    """Tabulate how the arms were trained.

    Parameters
    ----------
    trained : mapping of str to TrainedArm

    Returns
    -------
    DataFrame
        Columns arm, architecture, size, parameters, alpha, temperature, epochs, seeds.
    """
    rows = []
    for name, arm in trained.items():
        config = arm.arm.config
        row = {"arm": name, "architecture": config.architecture, "size": config.size}
        row |= {"parameters": arm.students[0].about["n_parameters"], "alpha": config.alpha}
        row |= {"temperature": config.temperature, "epochs": config.epochs}
        rows.append(row | {"seeds": arm.arm.seeds})
    return pd.DataFrame(rows)


def difference_rows(scores: ArmScores) -> pd.DataFrame:
    """Lay out the differences between the main arms like the rows of `ArmScores.table`.

    Parameters
    ----------
    scores : ArmScores

    Returns
    -------
    DataFrame
        Tidy: columns arm, seeds, measure, estimate, low, high.
    """
    rows = [
        {"arm": f"{DISTILLED} - {other}", "seeds": scores.seeds(DISTILLED), "measure": "student"}
        | scores.difference(DISTILLED, other).row()
        for other in (HARD_LABELS, BERT)
    ]
    return pd.DataFrame(rows, columns=["arm", "seeds", "measure", *LIMITS])


def claims_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """Lay out what was measured for claims.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        By the claim's id.

    Returns
    -------
    DataFrame
        Tidy: columns claim, metric, estimate, low, high.
    """
    rows = [
        {"claim": claim, "metric": "macro F1 difference"} | estimate.row()
        for claim, estimate in estimates.items()
    ]
    return pd.DataFrame(rows, columns=["claim", "metric", *LIMITS])
