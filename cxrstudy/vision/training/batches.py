"""Pick a batch from inputs that lie on the device as a whole."""

from torch import Tensor

from cxrstudy.vision.training.config import TrainingConfig


def pick_batch(inputs: Tensor, rows: Tensor, config: TrainingConfig, epoch: int) -> Tensor:
    """Return the rows of a batch.

    Parameters
    ----------
    inputs : Tensor
        Images of uint8, shape (n, size, size), or features, shape (n, n_features).
    rows : Tensor of int64, shape (n_batch,)
    config : TrainingConfig
    epoch : int

    Returns
    -------
    Tensor, shape (n_batch, ...)
    """
    return inputs[rows]
