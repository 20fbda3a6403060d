"""An empty cache, chest-like pictures, and the real block."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cxrstudy.data.images import ImageSet, load_nih_block
from cxrstudy.data.origins import CACHE_VARIABLE

SIZE = 32


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="session")
def chest() -> Callable[[int], np.ndarray]:
    """A picture with dark lungs, bright mediastinum and abdomen; another one for every number."""

    def draw(number: int) -> np.ndarray:
        image = np.full((SIZE, SIZE), 120.0)
        image[:8, :8] = image[:8, -8:] = 10
        image[8:20, 6:13] = image[8:20, -13:-6] = 60
        image[22:, 6:-6] = 200
        image += np.random.default_rng(number).normal(0, 5, image.shape)
        return image.clip(0, 255).astype(np.uint8)

    return draw


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
