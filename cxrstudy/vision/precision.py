"""How precisely predictions and features are computed."""

from contextlib import AbstractContextManager

import torch


def full_precision() -> AbstractContextManager:
    """Keep convolutions in float32 on a GPU, which else rounds their inputs to 10 bits (TF32).

    Training may round; what is scored, cached or compared with a CPU should not.
    """
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
