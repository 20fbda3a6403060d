"""Image trainings as jobs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cxrstudy.trainings.job import Trained
from cxrstudy.vision.training.config import TrainingConfig
from cxrstudy.vision.training.loop import predict_logits, train


@dataclass(frozen=True, eq=False)
class ImageJob:
    """One training on some rows of an array, and the rows that it predicts.

    It keeps its weights and these arrays: logits (epochs, n_watched, n_targets) after every
    epoch, training_logits (n_training, n_targets) by the final weights, losses (epochs,).
    """

    inputs: np.ndarray  # images of uint8, (n, size, size), or features, (n, n_features)
    config: TrainingConfig
    targets: np.ndarray  # of float32, (n_training, n_targets)
    training: np.ndarray  # rows that train
    watched: np.ndarray  # rows that are predicted after every epoch; they decide nothing

    @property
    def cost(self) -> float:
        """Images that pass through the model."""
        return self.config.epochs * len(self.training)

    def data(self) -> tuple[np.ndarray, ...]:
        """Return inputs, targets and watched inputs."""
        return self.inputs[self.training], self.targets, self.inputs[self.watched]

    def train(self, checkpoint: Path) -> Trained:
        """Train, from the checkpoint on if there is one."""
        inputs, targets, watched = (torch.from_numpy(np.array(part)) for part in self.data())
        done = train(inputs, targets.float(), self.config, watched, checkpoint)
        arrays = {
            "logits": done.logits.numpy(),
            "training_logits": predict_logits(done.model, inputs).numpy(),
            "losses": done.losses.numpy(),
        }
        return Trained(arrays, {"seconds": done.seconds}, done.model.state_dict())
