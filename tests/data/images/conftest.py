"""An empty cache, chest-like pictures, and the real block."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cxrstudy.data.images import ImageSet, load_nih_block


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    def encode(image: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        file = io.BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def block() -> ImageSet:
    """The prebuilt NIH block, decoded into the machine's own cache once."""
    return load_nih_block()
