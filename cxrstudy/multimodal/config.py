"""Everything that decides the training of a small vision-language model but the data."""

import math
from dataclasses import dataclass
from typing import Literal

from cxrstudy.trainings.job import check_values

Part = Literal["encoder", "bridger", "language_model"]
Objective = Literal["next_token", "contrast_and_caption", "caption", "answer"]
Bridger = Literal["mlp", "qformer"]

_POSITIVE = (1e-12, math.inf)
_RANGES = {
    "batch_size": (1, math.inf),
    "vocabulary_size": (300, 65_000),
    "width": (16, math.inf),
    "layers": (1, math.inf),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class Stage:
    """One stage of training: what moves, towards what, and for how long."""

    name: str  # such as "language"
    trains: tuple[Part, ...]
    objective: Objective
    epochs: float
    learning_rate: float


@dataclass(frozen=True)
class Branch:
    """A last stage after which the model is asked; branches start from the same weights."""

    name: str  # such as "full"
    shows_images: bool = True
    asked_with_images: bool = False  # if it showed none: in a second state, named "...+image"


@dataclass(frozen=True)
class TuningConfig:
    """One way to train a model; equal configurations on equal data give equal models.

    Attributes
    ----------
    stages : tuple of Stage
        In order, those before the last.
    last : Stage
        Learned once for each branch.
    branches : tuple of Branch
    asks_before : bool
        Ask the model before the last stage as well.
    n_composed : int
        Texts that the model writes by itself after the first stage.
    bridger : {"mlp", "qformer"}
    pretrained : str
        Language model of the registry, with its tokenizer, in place of width, layers and
        vocabulary_size. It learns through adapters of low rank (LoRA), its weights stay.
    width, layers : int
        Of a decoder from random weights.
    vocabulary_size : int
        Word pieces at most.
    batch_size : int
    seed : int
        Of initial weights and order.

    Raises
    ------
    ValueError
        If a value is not possible; names the field.
    """

    stages: tuple[Stage, ...]
    last: Stage
    branches: tuple[Branch, ...]
    asks_before: bool = False
    n_composed: int = 0
    bridger: Bridger = "mlp"
    pretrained: str = ""
    width: int = 192
    layers: int = 4
    vocabulary_size: int = 2000
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_values(self, _RANGES)
        if self.width % 32:
            raise ValueError(f"width must be a multiple of 32, not {self.width}")
