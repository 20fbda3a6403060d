"""People correct a few of a teacher's labels before the student learns them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS
from cxrstudy.studies.distillation.arms import Arm, DividedReports
from cxrstudy.studies.distillation.heads import HeadConfig
from cxrstudy.studies.distillation.scores import ArmScores
from cxrstudy.studies.distillation.side_by_side import WORDS as SHOWN
from cxrstudy.studies.distillation.teachers import TeachTexts
from cxrstudy.text.reports import one_hot

LEAST_CERTAIN, RANDOM = "least_certain", "random"
_CERTAIN = 0.999
WORDS = {LEAST_CERTAIN: "the least certain", RANDOM: "as many random ones"}

Place = tuple[str, str, int]
"""Teacher, which labels people correct, and how many."""


class Reviewed:
    """A teacher some of whose labels of training texts are replaced by people's codes."""

    def __init__(self, teacher: TeachTexts, texts: Sequence[str], targets: np.ndarray) -> None:
        self._teacher = teacher
        self._known = dict(zip(texts, targets, strict=True))

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts probabilities, (n, 13, 3); texts that nobody reviewed ask the teacher."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        asked = dict(zip(unknown, self._teacher(unknown), strict=True)) if unknown else {}
        return np.stack(
            [self._known[text] if text in self._known else asked[text] for text in texts]
        )


def order_of_review(targets: np.ndarray, codes: np.ndarray, choice: str, seed: int) -> np.ndarray:
    """Put the labels that a person can correct in order: places in the flattened (n, 13).

    The least certain label is the one whose most probable class is least probable; ties, which a
    committee of rules has many of, are in random order. The first k of an order are among the
    first k + 1, so that curves are nested. Labels without a code are left out.
    """
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(~np.isnan(codes)))
    if choice == RANDOM:
        return shuffled
    certainty = targets.max(axis=-1).ravel()[shuffled]
    # A label that the teacher did not give is the least certain.
    return shuffled[np.argsort(np.nan_to_num(certainty, nan=-1.0), kind="stable")]


def correct(targets: np.ndarray, codes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Replace labels by what people coded: present or absent, for certain."""
    corrected = targets.reshape(-1, targets.shape[-1]).copy()
    corrected[places] = one_hot(codes.ravel()[places].astype(int))
    return corrected.reshape(targets.shape)


def review_arms(
    teachers: Mapping[str, TeachTexts],
    reports: DividedReports,
    counts: Sequence[int],
    seeds: int,
) -> dict[Place, Arm]:
    """Train heads on labels of which people corrected so many, by either choice.

    Random labels, and the order of ties, are drawn anew for each training.
    """
    texts, codes = reports.training_texts, reports.training_codes
    arms = {}
    for name, teacher in teachers.items():
        targets = teacher(texts)
        for choice in WORDS:
            orders = [order_of_review(targets, codes, choice, seed) for seed in range(seeds)]
            for k in counts:
                reviewed = [
                    Reviewed(teacher, texts, correct(targets, codes, order[:k])) for order in orders
                ]
                arms[name, choice, k] = Arm(
                    f"{name}, {choice} {k}", teacher, HeadConfig(), seeds, by_seed=reviewed
                )
    return arms


def review_table(scores: ArmScores, arms: Mapping[Place, Arm]) -> pd.DataFrame:
    """Tabulate what review adds to the students' macro F1, paired by report and seed."""
    rows = []
    for (teacher, choice, k), arm in arms.items():
        gain = scores.difference(arm.name, arms[teacher, choice, 0].name)
        row = {"teacher": teacher, "choice": choice, "corrected": k} | gain.row()
        rows.append(row | {"macro F1": scores.student(arm.name).value})
    columns = ["teacher", "choice", "corrected", *LIMITS, "macro F1"]
    return pd.DataFrame(rows, columns=columns)


def choices_table(scores: ArmScores, arms: Mapping[Place, Arm]) -> pd.DataFrame:
    """Tabulate what the least certain labels buy more than as many random ones."""
    rows = [
        {"teacher": teacher, "corrected": k, "metric": "macro F1"}
        | scores.difference(arm.name, arms[teacher, RANDOM, k].name).row()
        for (teacher, choice, k), arm in arms.items()
        if choice == LEAST_CERTAIN and k
    ]
    return pd.DataFrame(rows, columns=["teacher", "corrected", "metric", *LIMITS])


def curves_in_words(table: pd.DataFrame) -> list[str]:
    """Name the curve of each row of `review_table`."""
    return [f"{SHOWN[row.teacher]}, {WORDS[row.choice]}" for row in table.itertuples()]


def review_in_words(table: pd.DataFrame) -> str:
    """Say what the figure of the review shows."""
    most = table[table["corrected"] == table["corrected"].max()]
    gains = zip(curves_in_words(most), most["estimate"], strict=True)
    return (
        f"Gains at {most['corrected'].iloc[0]} corrected labels: "
        f"{'; '.join(f'{curve} {gain:+.3f}' for curve, gain in gains)}."
    )


def wrong_among(
    teachers: Mapping[str, TeachTexts], reports: DividedReports, k: int, seed: int = 0
) -> pd.DataFrame:
    """Count how many of k reviewed labels were wrong, by either choice, in the first training.

    And how many labels the teacher is not certain of at all: beyond these, the least certain ones
    are random ones.
    """
    texts, codes = reports.training_texts, reports.training_codes
    rows = []
    for name, teacher in teachers.items():
        targets = teacher(texts)
        wrong = ((targets.argmax(axis=-1) != 0) != (codes == 1)).ravel()
        doubtful = int((targets.max(axis=-1) < _CERTAIN)[~np.isnan(codes)].sum())
        for choice in WORDS:
            places = order_of_review(targets, codes, choice, seed)[:k]
            rows.append({"teacher": name, "choice": choice, "corrected": len(places),
                         "of them wrong": int(wrong[places].sum()),
                         "labels in doubt": doubtful})  # fmt: skip
    return pd.DataFrame(rows)
