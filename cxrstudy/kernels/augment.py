"""Random views of images that lie on the device as bytes, in one pass.

A chain of library transforms reads and writes the batch once for each step, in float32 and three
equal channels, and draws its parameters in Python. Here a batch is gathered, rotated, scaled,
moved, cropped, mirrored, brightened and normalised by one kernel that reads bytes and writes
one channel. The parameters come from a counter-based generator on the device, so an epoch can be
repeated from its seed whatever the batch size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from cxrstudy.kernels.compiler import cdiv, jit, tl
from cxrstudy.kernels.dispatch import on_device_of, takes_kernel
from cxrstudy.philox import as_key, philox4x32

BLOCK = 1024
DRAW_BLOCK = 128
N_PARAMETERS = 8
COUNTERS = 2
"""Counters of the random stream that one view uses, each of four words."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_PIVOT = 0.5
"""Grey that a change of contrast leaves alone."""


@dataclass(frozen=True)
class Augmentation:
    """What varies between two views of one image, and how far; every draw is uniform."""

    size: tuple[int, int] = (224, 224)  # height and width of a view in pixels
    rotation: float = 10.0  # largest angle in degrees, to either side
    translation: float = 0.05  # largest shift as a share of the view, in each direction
    scale: tuple[float, float] = (0.9, 1.1)  # magnification; at 1 a view's pixel is an image's
    crop: bool = True  # a view smaller than the image lies anywhere in it, not in its middle
    flip: float = 0.0  # probability of a mirror image, in which the heart is on the wrong side
    brightness: float = 0.1  # largest relative change, to either side
    contrast: float = 0.1  # the same, about mid-grey
    mean: float = 0.5  # of grey values from 0 to 1, for the normalisation
    deviation: float = 0.25

    def __post_init__(self):
        """Refuse ranges that make no view."""
        if min(self.size) < 1:
            raise ValueError(f"size must be at least one pixel each way, got {self.size}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be two rising numbers above 0, got {self.scale}")
        if self.deviation <= 0:
            raise ValueError(f"deviation must lie above 0, got {self.deviation}")
        for name in ("flip", "brightness", "contrast"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")

    def _ranges(self, height: int, width: int) -> tuple[float, ...]:
        """Half-widths of the draws for images of this size, in the order of the kernel."""
        rooms = [
            (max(of_image - of_view, 0) / 2 if self.crop else 0.0) + self.translation * of_view
            for of_image, of_view in zip((height, width), self.size, strict=True)
        ]
        return (
            float(np.deg2rad(self.rotation)),
            float(self.scale[0]),
            float(self.scale[1] - self.scale[0]),
            float(rooms[1]),
            float(rooms[0]),
            float(self.flip),
            float(self.brightness),
            float(self.contrast),
        )


@jit
def _uniform(word):
    """Map a random word to [0, 1): the upper 24 bits, which float32 holds exactly."""
    return (word >> 8).to(tl.float32) * 5.9604644775390625e-08


@jit(do_not_specialize=["seed", "first", "n"])
def draw_kernel(
    parameters_ptr,  # [n, 8] float32
    seed,
    first,
    n,
    rotation,
    lowest_scale,
    scale_range,
    room_x,
    room_y,
    flip,
    brightness,
    contrast,
    BLOCK: tl.constexpr,
):
    """Draw each view's matrix, shift, gain and offset."""
    view = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    counter = (view.to(tl.int64) + first) * 2
    w0, w1, w2, w3 = tl.randint4x(seed, counter)
    w4, w5, w6, _ = tl.randint4x(seed, counter + 1)
    angle = (2.0 * _uniform(w0) - 1.0) * rotation
    step = 1.0 / (lowest_scale + _uniform(w1) * scale_range)
    side = tl.where(_uniform(w4) < flip, -1.0, 1.0)
    brighter = 1.0 + (2.0 * _uniform(w5) - 1.0) * brightness
    harder = 1.0 + (2.0 * _uniform(w6) - 1.0) * contrast
    cosine, sine = tl.cos(angle) * step, tl.sin(angle) * step
    at = parameters_ptr + view * 8
    inside = view < n
    tl.store(at + 0, side * cosine, inside)
    tl.store(at + 1, -sine, inside)
    tl.store(at + 2, (2.0 * _uniform(w2) - 1.0) * room_x, inside)
    tl.store(at + 3, side * sine, inside)
    tl.store(at + 4, cosine, inside)
    tl.store(at + 5, (2.0 * _uniform(w3) - 1.0) * room_y, inside)
    tl.store(at + 6, harder * brighter, inside)
    tl.store(at + 7, 0.5 * (1.0 - harder), inside)


@jit
def _pixel(image_ptr, x, y, known, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Read a pixel as float32; beyond the image it is black."""
    seen = known & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    return tl.load(image_ptr + y * WIDTH + x, seen, other=0).to(tl.float32)


@jit(do_not_specialize=["n_images"])
def augment_kernel(
    images_ptr,  # [n_images, HEIGHT, WIDTH] uint8
    index_ptr,  # [n_views] int64
    parameters_ptr,  # [n_views, 8] float32
    views_ptr,  # [n_views, 1, VIEW_HEIGHT, VIEW_WIDTH]
    n_images,
    mean,
    deviation,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    VIEW_HEIGHT: tl.constexpr,
    VIEW_WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Compute a block of one view's pixels; an index outside the set gives NaN, not a fault."""
    view = tl.program_id(0).to(tl.int64)
    row = tl.load(index_ptr + view)
    # Pixels to look up: none of an image that is not there.
    n_known = tl.where((row >= 0) & (row < n_images), VIEW_HEIGHT * VIEW_WIDTH, 0)
    at = parameters_ptr + view * 8
    gain, offset = tl.load(at + 6), tl.load(at + 7)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    known = pixel < n_known
    dx = (pixel % VIEW_WIDTH).to(tl.float32) + (0.5 - 0.5 * VIEW_WIDTH)
    dy = (pixel // VIEW_WIDTH).to(tl.float32) + (0.5 - 0.5 * VIEW_HEIGHT)
    x = tl.load(at + 0) * dx + tl.load(at + 1) * dy + (tl.load(at + 2) + (0.5 * WIDTH - 0.5))
    y = tl.load(at + 3) * dx + tl.load(at + 4) * dy + (tl.load(at + 5) + (0.5 * HEIGHT - 0.5))

    left, top = tl.floor(x), tl.floor(y)
    right_share, bottom_share = x - left, y - top
    column, line = left.to(tl.int32), top.to(tl.int32)
    image_ptr = images_ptr + row * (HEIGHT * WIDTH)
    a = _pixel(image_ptr, column, line, known, HEIGHT, WIDTH)
    b = _pixel(image_ptr, column + 1, line, known, HEIGHT, WIDTH)
    c = _pixel(image_ptr, column, line + 1, known, HEIGHT, WIDTH)
    d = _pixel(image_ptr, column + 1, line + 1, known, HEIGHT, WIDTH)
    upper = a + (b - a) * right_share
    lower = c + (d - c) * right_share
    grey = (upper + (lower - upper) * bottom_share) * (gain * (1.0 / 255.0)) + offset
    grey = tl.minimum(tl.maximum(grey, 0.0), 1.0)
    grey = tl.where(known, (grey - mean) / deviation, float("nan"))
    views_ptr += view * (VIEW_HEIGHT * VIEW_WIDTH)
    # Wide stores would give each lane several neighbouring pixels, and the look-ups would spread.
    at_view = tl.max_contiguous(pixel, [1])
    tl.store(views_ptr + at_view, grey, pixel < VIEW_HEIGHT * VIEW_WIDTH)


def _draw_reference(ranges, n: int, seed: int, first: int) -> torch.Tensor:
    """Draw the same parameters on the CPU."""
    key = int(as_key(seed))
    counters = np.uint64(COUNTERS) * (np.uint64(first) + np.arange(n, dtype=np.uint64))
    words = []
    for i in range(COUNTERS):
        low, high = (counters + np.uint64(i)) & np.uint64(0xFFFFFFFF), counters >> np.uint64(32)
        zeros = np.zeros_like(low)
        halves = np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)
        words += philox4x32(low, high, zeros, zeros, *halves)
    drawn = np.array([word >> np.uint64(8) for word in words]).astype(np.float32) * 2.0**-24
    uniform = torch.from_numpy(drawn.astype(np.float32))
    rotation, lowest_scale, scale_range, room_x, room_y, flip, brightness, contrast = ranges
    centred = 2 * uniform - 1
    angle, step = centred[0] * rotation, 1 / (lowest_scale + uniform[1] * scale_range)
    side = torch.where(uniform[4] < flip, -1.0, 1.0)
    harder = 1 + centred[6] * contrast
    cosine, sine = angle.cos() * step, angle.sin() * step
    columns = [
        side * cosine,
        -sine,
        centred[2] * room_x,
        side * sine,
        cosine,
        centred[3] * room_y,
        harder * (1 + centred[5] * brightness),
        _PIVOT * (1 - harder),
    ]
    return torch.stack(columns, dim=1)


def augment_reference(
    images: torch.Tensor,
    index: torch.Tensor,
    parameters: torch.Tensor,
    augmentation: Augmentation,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Compute views by torch's affine grid and bilinear sampling, in the parameters' type."""
    height, width = images.shape[1:]
    view_height, view_width = augmentation.size
    a, b, shift_x, c, d, shift_y, gain, offset = parameters.unbind(1)
    rows = [
        torch.stack([a * (view_width / width), b * (view_height / width), shift_x * (2 / width)]),
        torch.stack(
            [c * (view_width / height), d * (view_height / height), shift_y * (2 / height)]
        ),
    ]
    matrices = torch.stack(rows).permute(2, 0, 1)
    grid = affine_grid(matrices, (len(index), 1, *augmentation.size), align_corners=False)
    grey = grid_sample(images[index][:, None].to(parameters.dtype) / 255, grid, align_corners=False)
    grey = (grey * gain[:, None, None, None] + offset[:, None, None, None]).clamp(0, 1)
    return ((grey - augmentation.mean) / augmentation.deviation).to(dtype)


def draw_parameters(
    n_views: int,
    augmentation: Augmentation,
    image_size: tuple[int, int],
    seed: int,
    first: int = 0,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw what `augment_views` applies to views ``first`` to ``first + n_views`` of a stream.

    Returns float32 of shape (n_views, 8): matrix and shift from a view's pixel to the image's,
    row by row; gain; offset.
    """
    device = torch.device(device)
    ranges, key = augmentation._ranges(*image_size), int(as_key(seed))
    if not takes_kernel("augment", device, n_views > 0):
        return _draw_reference(ranges, n_views, seed, first).to(device)
    parameters = torch.empty(n_views, N_PARAMETERS, device=device)
    with on_device_of(parameters):
        draw_kernel[(cdiv(n_views, DRAW_BLOCK),)](
            parameters, key, first, n_views, *ranges, DRAW_BLOCK
        )
    return parameters


def augment_views(
    images: torch.Tensor,
    index: torch.Tensor,
    augmentation: Augmentation,
    seed: int,
    first: int = 0,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Return one random view of each chosen image, (n_views, 1, view_height, view_width).

    View ``first + i`` of a stream is the same in any batch and on any device, up to rounding.
    The whole set lies on the device that trains, as bytes of shape (n_images, height, width).
    An image that is not there is an IndexError on the CPU; on a GPU, which must not wait for an
    answer, its view is NaN.
    """
    _check(images, index, dtype)
    n_views, (height, width) = len(index), images.shape[1:]
    views = torch.empty(n_views, 1, *augmentation.size, dtype=dtype, device=images.device)
    if not n_views:
        return views
    parameters = draw_parameters(n_views, augmentation, (height, width), seed, first, images.device)
    if not takes_kernel("augment", images.device):
        return augment_reference(images, index, parameters, augmentation, dtype)
    pixels = augmentation.size[0] * augmentation.size[1]
    with on_device_of(images):
        augment_kernel[(n_views, cdiv(pixels, BLOCK))](
            images.contiguous(),
            index.contiguous(),
            parameters,
            views,
            len(images),
            float(augmentation.mean),
            float(augmentation.deviation),
            height,
            width,
            *augmentation.size,
            BLOCK,
        )
    return views


def _check(images, index, dtype) -> None:
    if images.dtype != torch.uint8 or images.dim() != 3:
        raise ValueError(
            f"images must be bytes of shape (n_images, height, width), got {images.dtype} of "
            f"shape {tuple(images.shape)}"
        )
    if index.dtype != torch.int64 or index.dim() != 1 or index.device != images.device:
        raise ValueError(
            f"index must be one row of int64 on {images.device}, got {index.dtype} of shape "
            f"{tuple(index.shape)} on {index.device}"
        )
    if dtype not in DTYPES:
        raise ValueError(f"views can be {', '.join(map(str, DTYPES))}; got {dtype}")
