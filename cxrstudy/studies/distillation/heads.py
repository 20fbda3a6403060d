"""Students that train their heads alone, on kept features: seconds in place of minutes.

A head is that of `cxrstudy.text.students.model.ReportClassifier`: a query for each finding that
looks for the tokens which decide it, and a linear map from what it finds to three logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cxrstudy.kernels.distill import distillation_loss
from cxrstudy.studies.distillation.features import TokenFeatures
from cxrstudy.text.students.train import class_frequencies, square_root_weights
from cxrstudy.trainings.job import Trained, check_values, limited_threads, own_randomness

_RANGES = {
    "alpha": (0, 1),
    "temperature": (1e-12, float("inf")),
    "epochs": (1, float("inf")),
    "batch_size": (1, float("inf")),
    "learning_rate": (1e-12, float("inf")),
    "dropout": (0, 0.99),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class HeadConfig:
    """How heads are trained; the words are those of `StudentConfig`.

    Chosen on a quarter of the training half, with the rules for a teacher: of four rates this was
    the best at 8, 15 and 30 epochs, and 30 took twice as long for 0.01 macro F1 more.
    """

    alpha: float = 0.5
    temperature: float = 2.0
    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 0.03
    dropout: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_values(self, _RANGES)


class Heads(nn.Module):
    """Logits of absent, present and uncertain for each finding, from the tokens of a report."""

    def __init__(self, width: int, frequencies: np.ndarray, dropout: float) -> None:
        super().__init__()
        n_findings, n_classes = frequencies.shape
        self.queries = nn.Parameter(torch.randn(n_findings, width) / width**0.5)
        self.weight = nn.Parameter(torch.randn(n_findings, width, n_classes) / width**0.5)
        self.bias = nn.Parameter(torch.from_numpy(np.log(frequencies)).float())
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return logits, (n_reports, n_findings, 3)."""
        scores = torch.einsum("rtw,fw->rft", tokens, self.queries)
        scores = scores.masked_fill(~real[:, None, :], float("-inf"))
        pooled = self.dropout(scores.softmax(dim=-1) @ tokens)
        return torch.einsum("rfw,fwc->rfc", pooled, self.weight) + self.bias


@dataclass(frozen=True, eq=False)
class HeadJob:
    """Heads for a teacher's labels of training texts, and their answers to held-out ones."""

    config: HeadConfig
    features: TokenFeatures  # of all texts
    training: Sequence[int]  # rows of the features
    targets: np.ndarray  # float32, (n_training, n_findings, 3)
    held_out: Sequence[int]

    @property
    def cost(self) -> float:
        """Texts that pass through the heads."""
        return self.config.epochs * len(self.training)

    def data(self) -> tuple[str, Sequence[int], np.ndarray, Sequence[int]]:
        """Return all that it learns from; the features by what made them."""
        return self.features.key, self.training, self.targets, self.held_out

    def train(self, checkpoint: Path) -> Trained:
        """Train and predict, in seconds."""
        with limited_threads(1), own_randomness(self.config.seed):
            heads = self._fit()
            answers = np.empty((len(self.held_out), *self.targets.shape[1:]), np.float32)
            heads.eval()
            with torch.inference_mode():
                for rows in self._batches(self.held_out):
                    batch = self.features.batch(np.asarray(self.held_out)[rows])
                    answers[rows] = heads(*batch).softmax(dim=-1).numpy()
        return Trained(
            {"probabilities": answers},
            {"n_parameters": sum(each.numel() for each in heads.parameters())},
        )

    def _fit(self) -> Heads:
        config, targets = self.config, torch.from_numpy(np.array(self.targets, np.float32))
        frequencies = class_frequencies(self.targets)
        weights = torch.from_numpy(square_root_weights(frequencies))
        heads = Heads(self.features.values.shape[1], frequencies, config.dropout)
        optimizer = torch.optim.AdamW(heads.parameters(), config.learning_rate)
        batches = self._batches(self.training)
        inputs = [self.features.batch(np.asarray(self.training)[rows]) for rows in batches]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.epochs * len(batches)
        )
        for _ in range(config.epochs):
            for place in torch.randperm(len(batches)).tolist():
                logits, labels = heads(*inputs[place]), targets[batches[place]]
                loss = distillation_loss(logits, labels, config.alpha, config.temperature, weights)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return heads

    def _batches(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Put texts of similar length together; places in `rows`."""
        order = np.argsort(self.features.lengths[rows], kind="stable")
        size = self.config.batch_size
        return [order[first : first + size] for first in range(0, len(order), size)]
