"""Everything that decides a training but the data."""

import math
from dataclasses import dataclass, field
from typing import Literal

from cxrstudy.trainings.job import check_values
from cxrstudy.vision.backbones import BackboneName

Trainable = Literal["head", "last third", "all"]
Head = Literal["linear", "mlp"]

_RANGES = {
    "epochs": (1, math.inf),
    "batch_size": (1, math.inf),
    "learning_rate": (0, math.inf),
    "head_learning_rate": (0, math.inf),
    "warmup_fraction": (0, 0.99),
    "weight_decay": (0, math.inf),
    "label_smoothing": (0, 0.99),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class TrainingConfig:
    """One way to train a classifier; equal configurations on equal data give equal models.

    Attributes
    ----------
    backbone : BackboneName
        Plays no part if the inputs are features.
    trainable : {"all", "last third", "head"}
        Which weights learn: all convolutions and the head, the head and the last third of the
        backbone's tensors, or the head alone. Batch normalisation stays as it was.
    head : {"linear", "mlp"}
        One layer; or two with 256 hidden units.
    epochs, batch_size : int
        Passes over the training images; images in a batch.
    learning_rate, head_learning_rate : float
        Highest rates of AdamW for backbone and head; they rise linearly and fall along a cosine
        to 0 over the run, so that a run of 3 epochs is no part of one of 60.
    warmup_fraction : float
        Fraction of the steps in which the rates rise.
    weight_decay : float
        Of AdamW.
    label_smoothing : float
        The targets 0 and 1 become half of this and one minus half of this.
    augmented : bool
        Small random rotations, shifts, zooms and changes of brightness and contrast.
    seed : int
        Of the head's initial weights, the order of the images and the augmentation.

    Raises
    ------
    ValueError
        If a value is not possible; names the field.
    """

    backbone: BackboneName = field(default_factory=BackboneName)
    trainable: Trainable = "all"
    head: Head = "linear"
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 2e-4
    head_learning_rate: float = 1e-3
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    augmented: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_values(self, _RANGES)

    def in_words(self) -> str:
        """Describe the recipe in one sentence, for a caption."""
        return (
            f"AdamW, batches of {self.batch_size}, learning rate {self.learning_rate:g} "
            f"({self.head_learning_rate:g} for the head), {self.warmup_fraction:.0%} warm-up and "
            f"then a cosine to 0, weight decay {self.weight_decay:g}, label smoothing "
            f"{self.label_smoothing:g}, {'random views' if self.augmented else 'no augmentation'}"
        )
