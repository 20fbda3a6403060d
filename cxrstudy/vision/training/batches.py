"""Pick a batch from inputs that lie on the device as a whole."""

from torch import Tensor

from cxrstudy.kernels.augment import Augmentation, augment_views
from cxrstudy.vision.training.config import TrainingConfig


def pick_batch(inputs: Tensor, rows: Tensor, config: TrainingConfig, first: int) -> Tensor:
    """Return the rows of a batch, or random views of them.

    Parameters
    ----------
    inputs : Tensor
        Images of uint8, shape (n, size, size), or features, shape (n, n_features).
    rows : Tensor of int64, shape (n_batch,)
    config : TrainingConfig
    first : int
        Images that the run has taken before this batch; it decides the views.

    Returns
    -------
    Tensor, shape (n_batch, ...)
        Grey of 0 to 255, or features.
    """
    if not config.augmented or inputs.ndim == 2:
        return inputs[rows]
    # The classifier normalises by itself, so that views come back on the scale of the bytes.
    augmentation = Augmentation(size=tuple(inputs.shape[1:]), mean=0.0, deviation=1 / 255)
    return augment_views(inputs, rows, augmentation, config.seed, first).squeeze(1)
