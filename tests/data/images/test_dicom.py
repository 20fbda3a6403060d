"""DICOM files as their windows and photometric interpretation mean them, compressed or not."""

import io

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from cxrstudy.data.images.reading import ImageReadError, decode_image

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
WINDOW = {"WindowCenter": 2048, "WindowWidth": 1024}


def _dataset(image: np.ndarray = RAMP, **fields) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = image.shape[:2]
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = image.itemsize * 8
    data.BitsStored = 12 if image.itemsize == 2 else 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = 0
    data.PixelData = image.tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    return data


def _decode(data: Dataset) -> np.ndarray:
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return decode_image(file.getvalue(), "own.dcm")


def test_without_a_window_the_own_range_is_used():
    image = _decode(_dataset())
    assert image.dtype == np.uint8 and image[0, 0] == 0 and image[-1, -1] == 255
    assert abs(int(image[32, 0]) - 128) <= 1


def test_a_window_is_applied():
    """Below and above the window lie black and white, its centre is mid-grey."""
    plain = _decode(_dataset(**WINDOW))
    image = plain.ravel()
    assert image[1535] == 0 and image[2561] == 255 and abs(int(image[2048]) - 128) <= 1
    assert 0 < image[1600] < image[2000] < image[2500] < 255
    # It counts in rescaled values.
    fields = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    rescaled = _decode(_dataset(**fields, WindowCenter=2 * 2048 - 1000, WindowWidth=2048))
    assert np.abs(plain.astype(int) - rescaled).max() <= 1
    # Where it is wider than the values, it and not they decides what is black and white.
    image = _decode(_dataset(RAMP // 4 + 1024, WindowCenter=2048, WindowWidth=4096))
    assert abs(int(image[0, 0]) - 64) <= 1 and abs(int(image[-1, -1]) - 128) <= 1


def test_a_sigmoid_window_is_applied():
    """Its centre is mid-grey, and far values come near black and white."""
    window = {"WindowCenter": 2048, "WindowWidth": 500, "VOILUTFunction": "SIGMOID"}
    image = _decode(_dataset(**window)).ravel()
    assert image[0] == 0 and image[-1] == 255 and abs(int(image[2048]) - 128) <= 1


def test_a_look_up_table_comes_before_a_window():
    """The table's own depth is the range of its output."""
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = (65_535 - np.arange(4096) * 16).astype(np.uint16).tobytes()
    image = _decode(_dataset(VOILUTSequence=[table], WindowCenter=1, WindowWidth=2))
    assert image[0, 0] == 255 and image[-1, -1] == 0 and abs(int(image[32, 0]) - 128) <= 1


@pytest.mark.parametrize("window", [{}, WINDOW])
def test_monochrome1_is_inverted(window):
    """Where low values are bright, the image is turned so that dense is bright."""
    bright_is_dense = _decode(_dataset(**window))
    inverted = _decode(_dataset(PhotometricInterpretation="MONOCHROME1", **window))
    assert (inverted == 255 - bright_is_dense).all()


def test_compressed_files_are_read(chest, encode):
    grey = chest(0)
    # The window that leaves 8 bits as they are.
    data = _dataset(grey, WindowCenter=128, WindowWidth=256)
    data.compress(RLELossless)
    assert (_decode(data) == grey).all()
    data = _dataset(grey, WindowCenter=128, WindowWidth=256)
    data.PixelData = encapsulate([encode(grey, "JPEG", quality=95)])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert np.abs(_decode(data) - grey.astype(float)).mean() < 3


def test_colour_is_flattened():
    colours = np.array([[[0, 255, 0], [0, 0, 255]]] * 2, np.uint8)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    assert _decode(_dataset(colours, **rgb)).tolist() == [[150, 29]] * 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NumberOfFrames": 2, "PixelData": RAMP.tobytes() * 2}, "has 2 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "holds PALETTE COLOR"),
        ({"WindowCenter": 0, "WindowWidth": 0}, "not decoded .*Window Width"),
        ({"PixelData": b"12"}, "not decoded"),
    ],
)
def test_what_is_no_single_grey_image_is_refused(fields, reason):
    with pytest.raises(ImageReadError, match=f"^own.dcm: .*{reason}") as caught:
        _decode(_dataset(**fields))
    assert "\n" not in str(caught.value)


def test_a_file_without_pixels_is_refused():
    data = _dataset()
    del data.PixelData
    with pytest.raises(ImageReadError, match="without an image"):
        _decode(data)


def test_a_compression_without_a_decoder_names_what_to_install():
    """Lossless JPEG needs a decoder that may not be here; damaged data fails with any."""
    data = _dataset()
    data.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    with pytest.raises(ImageReadError, match="not decoded .*save it uncompressed"):
        _decode(data)
