"""Everything that decides a training but the data."""

import math
from dataclasses import dataclass
from typing import Literal

from cxrstudy.trainings.job import check_values

Architecture = Literal["bert", "deberta"]

_POSITIVE = (1e-12, math.inf)
_RANGES = {
    "alpha": (0, 1),
    "temperature": _POSITIVE,
    "epochs": (1, math.inf),
    "batch_size": (1, math.inf),
    "learning_rate": _POSITIVE,
    "warmup_fraction": (0, 0.99),
    "weight_decay": (0, math.inf),
    "dropout": (0, 0.99),
    "max_tokens": (3, math.inf),
    "vocabulary_size": (100, math.inf),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class StudentConfig:
    """One way to train a student; equal configurations on equal data give equal students.

    Attributes
    ----------
    architecture : {"deberta", "bert"}
        Encoder, built from scratch. At one size both have the same layers, width and vocabulary.
    size : str
        One of `model.SIZES`.
    pretrained : str
        Data set of the registry, or name or folder, of a pretrained encoder with its tokenizer, in
        place of architecture, size and vocabulary_size.
    alpha : float
        Weight of the softened targets; 0 is training on hard labels alone.
    temperature : float
        Above 1 softens the probabilities of teacher and student.
    epochs, batch_size : int
        Passes over the training reports; reports in a batch.
    learning_rate : float
        Highest rate of AdamW; it rises linearly and falls along a cosine to 0.
    warmup_fraction : float
        Fraction of the steps in which the rate rises.
    weight_decay, dropout : float
        Of AdamW; of the encoder's layers and before the heads.
    max_tokens : int
        What is beyond is not read.
    vocabulary_size : int
        Word pieces at most.
    seed : int
        Of initial weights, order of the reports and dropout.

    Raises
    ------
    ValueError
        If a value is not possible; names the field.

    References
    ----------
    Wong & Tanaka 2025 (DeBERTa-RAD), section on stage 2. The paper gives neither alpha,
    temperature, learning rate, batch size nor epochs: the values here are ours.
    """

    architecture: Architecture = "deberta"
    size: str = "small"
    pretrained: str = ""
    alpha: float = 0.5
    temperature: float = 2.0
    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    max_tokens: int = 192
    vocabulary_size: int = 3000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_values(self, _RANGES)
