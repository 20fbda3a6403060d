"""Trainings of students as jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxrstudy.text.reports import text_hash_fraction
from cxrstudy.text.students.config import StudentConfig
from cxrstudy.text.students.train import check_training_data, predict, train_student
from cxrstudy.trainings.job import Trained


@dataclass(frozen=True, eq=False)
class StudentJob:
    """One training and the reports that measure it.

    It keeps the held-out reports' probabilities (n_held_out, n_findings, 3), and of the student
    its n_parameters, training_loss and seconds; no weights, which mean nothing without the
    vocabulary.
    """

    config: StudentConfig
    texts: Sequence[str]  # training reports
    targets: np.ndarray  # of float32, (n_reports, n_findings, 3)
    held_out_texts: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse data that do not fit together, and a training report that is also held out."""
        check_training_data(self.texts, self.targets)
        held_out = {text_hash_fraction(text) for text in self.held_out_texts}
        for row, text in enumerate(self.texts):
            if text_hash_fraction(text) in held_out:
                raise ValueError(
                    f"training report {row} is also held out: split with "
                    "cxrstudy.text.reports.split_by_text"
                )

    @property
    def cost(self) -> float:
        """Reports that pass through the model."""
        return self.config.epochs * len(self.texts)

    def data(self) -> tuple[Sequence[str], np.ndarray, Sequence[str]]:
        """Return training reports, targets and held-out reports."""
        return self.texts, self.targets, self.held_out_texts

    def train(self, checkpoint: Path) -> Trained:
        """Train and predict; it takes minutes, so that no checkpoint is written."""
        student = train_student(self.texts, self.targets, self.config)
        return Trained(
            {"probabilities": predict(student, self.held_out_texts)},
            {
                "n_parameters": student.model.n_parameters,
                "training_loss": student.training_loss,
                "seconds": student.seconds,
            },
        )
