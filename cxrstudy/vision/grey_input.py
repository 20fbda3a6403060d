"""From grey bytes to the numbers that a pretrained network expects."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GreyInput(nn.Module):
    """Turn grey images of 0 to 255 into a network's normalised channels."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], rotated: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.rotated = rotated

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch; shape (n, channels, height, width)."""
        grey = images.unsqueeze(1).float()
        if self.rotated:
            grey = grey.flip((2, 3))
        normalised = (grey - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
