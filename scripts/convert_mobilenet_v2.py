# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["cxrstudy[vision]", "tflite==2.18.0"]
#
# [tool.uv.sources]
# cxrstudy = { path = "..", editable = true }
# ///
"""Make the registry's MobileNetV2 weights from the 8-bit TFLite model that they come from.

The model is Keras's MobileNetV2 with batch normalisation folded into its convolutions. Every
quantised tensor becomes real numbers again and gets the name and layout that torchvision has
for it; a folded bias is stored as that of a batch normalisation that does nothing else.

Kernels are rotated by 180 degrees. At stride 2 and even sizes TensorFlow's SAME padding adds zeros
on the right and at the bottom only, while torchvision pads all sides, which shifts every window by
one pixel. No window reaches torchvision's zeros on the right and at the bottom, so on an image
rotated by 180 degrees the zeros that count lie where TensorFlow has them, and rotated kernels give
TensorFlow's output, rotated.

The package `tflite` only parses the file and is needed nowhere else, so the project does not depend
on it: run ``pip install tflite==2.18.0`` beforehand, or this file with ``uv run``.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pooch
import torch
import torchvision
import typer
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save
from torch import nn

from cxrstudy.data.registry import (
    MIRROR_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    cache_folder,
    dataset,
)

SOURCE = "tf2_mobilenet_v2_1.0_224_ptq.tflite"
URL = (
    "https://raw.githubusercontent.com/google-coral/test_data/"
    f"104342d2d3480b3e66203073dac24f4e2dbb4c41/{SOURCE}"
)
DATASET, FILE = "mobilenet_v2_imagenet", "mobilenet_v2_imagenet_rot180.safetensors"
METADATA = {
    "source": f"google-coral/test_data {SOURCE} (Apache-2.0), dequantised",
    "dtype": "float16; cast to float32 after loading",
    "kernels": "rotated 180 degrees: feed torch.flip(x,(2,3))",
    "input": "RGB in [0,255] / 127.5 - 1",
}

Kind = Literal["convolution", "depthwise", "dense"]

# Which axis of TFLite's layout each axis of torch's is: OHWI, 1HWC and OI.
_AXES: Mapping[Kind, tuple[int, ...]] = {
    "convolution": (0, 3, 1, 2),
    "depthwise": (3, 0, 1, 2),
    "dense": (0, 1),
}


class ConversionError(RuntimeError):
    """The weights cannot be made; the message says why and what helps."""


@dataclass(frozen=True)
class Layer:
    """One layer with weights, as TFLite lays them out.

    Attributes
    ----------
    kind : {"convolution", "depthwise", "dense"}
    weight : ndarray of float32
        Shape (out, height, width, in), (1, height, width, out) or (out, in), by kind.
    bias : ndarray of float32, shape (out,)
    """

    kind: Kind
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def main(
    source: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help=f"A copy of {SOURCE}; otherwise fetched."),
    ] = None,
) -> None:
    """Make the weights of MobileNetV2 and put them where the registry looks for them."""
    try:
        written = store(state_dict(read_layers(source or _fetch())))
    except ConversionError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{written} has the sha256 that the registry pins")


def read_layers(path: Path) -> list[Layer]:
    """Read and dequantise the layers of a TFLite model that have weights.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Layer
        In the order in which the graph runs them.

    Raises
    ------
    ConversionError
        If the file is no readable TFLite model, a layer's weights are not stored as quantised
        integers, or the package `tflite` is missing.
    """
    try:
        import tflite
    except ImportError:
        raise ConversionError(
            "reading a TFLite file needs one more package: run `pip install tflite==2.18.0`"
        ) from None
    stored = path.read_bytes()
    remedy = f"remove it, or give a whole copy of {SOURCE} with --source"
    if stored[4:8] != b"TFL3":
        raise ConversionError(f"{path} is not a TFLite model: {remedy}")
    try:
        return list(_layers(tflite, tflite.Model.GetRootAs(stored)))
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise ConversionError(f"{path} is damaged ({error}): {remedy}") from error


def dequantise(
    values: NDArray[np.integer], scale: ArrayLike, zero_point: ArrayLike, axis: int
) -> NDArray[np.float32]:
    """Turn quantised integers back into the real numbers that they stand for.

    Parameters
    ----------
    values : ndarray of int
    scale, zero_point : array_like, shape (1,) or (values.shape[axis],)
        Of the whole tensor, or of each slice along an axis.
    axis : int

    Returns
    -------
    ndarray of float32, same shape as values
        ``scale * (values - zero_point)``, rounded once.
    """
    along = [-1 if position == axis else 1 for position in range(values.ndim)]
    scale = np.reshape(scale, along).astype(np.float64)
    shifted = values.astype(np.int64) - np.reshape(zero_point, along)
    return (scale * shifted).astype(np.float32)


def torch_kernel(kind: Kind, weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay a weight out as torch does and rotate its kernels by 180 degrees.

    Parameters
    ----------
    kind : {"convolution", "depthwise", "dense"}
    weight : ndarray of float32
        In TFLite's layout; see `Layer`.

    Returns
    -------
    ndarray of float32, shape (out, in, height, width), (out, 1, height, width) or (out, in)
    """
    moved = weight.transpose(_AXES[kind])
    return moved if kind == "dense" else moved[..., ::-1, ::-1]


def state_dict(layers: Sequence[Layer]) -> dict[str, NDArray[Any]]:
    """Give layers the names, layouts and types of torchvision's MobileNetV2.

    Parameters
    ----------
    layers : sequence of Layer
        In graph order. A classifier with one class more than torchvision's has the background
        first, as TensorFlow's older models do; it is left out.

    Returns
    -------
    dict of str to ndarray of float16, or of int64 for batch normalisation's counters

    Raises
    ------
    ConversionError
        If number, kinds or shapes of the layers are not those of MobileNetV2 of width 1.
    """
    with torch.device("meta"):
        modules = list(torchvision.models.mobilenet_v2().named_modules())
    weighted = [(name, m) for name, m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [name for name, module in modules if isinstance(module, nn.BatchNorm2d)]
    if len(layers) != len(weighted):
        raise ConversionError(
            f"the source has {len(layers)} layers with weights and MobileNetV2 has "
            f"{len(weighted)}: give a copy of {SOURCE} with --source"
        )
    state: dict[str, NDArray[Any]] = {}
    for layer, (name, module), holder in zip(
        layers, weighted, [*norms, weighted[-1][0]], strict=True
    ):
        weight, bias = _fitting(layer, name, module)
        state[f"{name}.weight"] = _half(weight)
        state[f"{holder}.bias"] = _half(bias)
    for norm in norms:
        bias = state[f"{norm}.bias"]
        state[f"{norm}.weight"] = state[f"{norm}.running_var"] = np.ones_like(bias)
        state[f"{norm}.running_mean"] = np.zeros_like(bias)
        state[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)
    return state


def serialise(state: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a safetensors file whose bytes depend on the weights only.

    The library writes the entries of its metadata in an order that changes from call to call,
    which would change the file's hash.
    """
    stored = save(dict(state), metadata=METADATA)
    end = 8 + int.from_bytes(stored[:8], "little")
    header = json.loads(stored[8:end]) | {"__metadata__": METADATA}
    text = json.dumps(header, separators=(",", ":")).encode()
    return stored[:8] + text.ljust(end - 8) + stored[end:]


def store(state: Mapping[str, NDArray[Any]]) -> Path:
    """Write the weights where the registry looks for them, if they are those that it pins.

    Parameters
    ----------
    state : mapping of str to ndarray

    Returns
    -------
    Path
        The file in the cache folder.

    Raises
    ------
    ConversionError
        If the bytes are not the pinned ones; the file is kept under another name.
    """
    target = cache_folder() / dataset(DATASET).folder / FILE
    stored = serialise(state)
    actual, pinned = hashlib.sha256(stored).hexdigest(), dataset(DATASET).files[FILE]
    kept = target if actual == pinned else target.with_suffix(".differs.safetensors")
    unfinished = target.with_name(f".{FILE}.unfinished")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_bytes(stored)
    unfinished.replace(kept)
    if kept != target:
        raise ConversionError(
            f"the weights have sha256 {actual[:12]}… but the registry pins {pinned[:12]}…, so they "
            f"were kept as {kept} and will not be used. {_difference(state)} Name a folder that "
            f"holds the pinned file in {MIRROR_VARIABLE}, or use torchvision's own weights "
            "(weights='imagenet')"
        )
    return target


def _fetch() -> Path:
    """Download the source; its commit is pinned, and the registry's hash checks the result."""
    progress = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
    folder = cache_folder() / dataset(DATASET).folder
    try:
        return Path(pooch.retrieve(URL, None, fname=SOURCE, path=folder, downloader=progress))
    except OSError as error:
        raise ConversionError(
            f"the network did not deliver {URL} ({type(error).__name__}): try again later, or "
            "give a copy with --source"
        ) from None


def _layers(tflite: Any, model: Any) -> Iterator[Layer]:
    operators = tflite.BuiltinOperator
    kinds: dict[int, Kind] = {
        operators.CONV_2D: "convolution",
        operators.DEPTHWISE_CONV_2D: "depthwise",
        operators.FULLY_CONNECTED: "dense",
    }
    types = {
        tflite.TensorType.INT8: np.dtype("i1"),
        tflite.TensorType.UINT8: np.dtype("u1"),
        tflite.TensorType.INT32: np.dtype("<i4"),
    }
    graph = model.Subgraphs(0)
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Older files fill only the deprecated field, newer ones both.
        kind = kinds.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if kind is None:
            continue
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        if len(inputs) != 3 or min(inputs) < 0:
            raise ConversionError(
                f"operator {position} ({kind}) has no bias, which folded batch normalisation "
                f"leaves in every layer: give a copy of {SOURCE} with --source"
            )
        weight, bias = (_stored_tensor(model, graph.Tensors(i), types) for i in inputs[1:])
        yield Layer(kind, weight, bias)


def _stored_tensor(
    model: Any, tensor: Any, types: Mapping[int, np.dtype[Any]]
) -> NDArray[np.float32]:
    quantisation, data = tensor.Quantization(), model.Buffers(tensor.Buffer())
    scaled = quantisation is not None and quantisation.ScaleLength() > 0
    if tensor.Type() not in types or not scaled or not data.DataLength():
        raise ConversionError(
            f"tensor {tensor.Name().decode()} is not stored as quantised integers: give a copy of "
            f"{SOURCE} with --source"
        )
    values = data.DataAsNumpy().view(types[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    return dequantise(
        values,
        quantisation.ScaleAsNumpy(),
        quantisation.ZeroPointAsNumpy(),
        quantisation.QuantizedDimension(),
    )


def _fitting(
    layer: Layer, name: str, module: nn.Conv2d | nn.Linear
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight and bias as torch lays them out, or refuse those of another network."""
    weight, bias = layer.weight, layer.bias
    shape = tuple(module.weight.shape)
    if isinstance(module, nn.Linear):
        kind: Kind = "dense"
        if len(weight) == len(bias) == shape[0] + 1:
            weight, bias = weight[1:], bias[1:]
    else:
        kind = "depthwise" if module.groups > 1 else "convolution"
    expected = tuple(shape[axis] for axis in np.argsort(_AXES[kind]))
    if (layer.kind, weight.shape, bias.shape) != (kind, expected, shape[:1]):
        raise ConversionError(
            f"{name}: the source has a {layer.kind} layer with weight {layer.weight.shape} and "
            f"bias {layer.bias.shape}; MobileNetV2 has a {kind} one with {expected} and "
            f"{shape[:1]}. Give a copy of {SOURCE} with --source"
        )
    return torch_kernel(kind, weight), bias


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.ascontiguousarray(values, np.float16)


def _difference(state: Mapping[str, NDArray[Any]]) -> str:
    """Say how far the weights are from the pinned ones, if those are at hand."""
    try:
        pinned = load_file(dataset(DATASET).path(FILE))
    except (CorruptDataError, DataNotAvailableError):
        return "No pinned file is at hand to compare them with."
    largest = {
        name: float(np.abs(values.astype(np.float32) - state[name]).max())
        for name, values in pinned.items()
    }
    worst = max(largest, key=largest.__getitem__)
    return f"The largest absolute difference from the pinned file: {largest[worst]:g}, in {worst}."


if __name__ == "__main__":
    typer.run(main)
