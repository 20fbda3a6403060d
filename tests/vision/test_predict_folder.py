"""A folder of whatever files becomes a table of probabilities, and what is left out is named."""

import os
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from cxrstudy.data.images import read_image, to_square
from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.vision.backbones import BackboneName, build_backbone
from cxrstudy.vision.predict_folder import predict_folder
from cxrstudy.vision.stored_classifier import StoredClassifier

SIZE = 32
TRAINED = ("Lung Opacity", "Edema")


def _save_dicom(path, image: np.ndarray, kind: str = "MONOCHROME2") -> None:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = kind
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    # The window that leaves 8 bits as they are.
    data.WindowCenter, data.WindowWidth = 128, 256
    data.PixelData = image.tobytes()
    data.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def classifier(chest) -> StoredClassifier:
    name = BackboneName("mnasnet0_5", "random")
    calibration = torch.from_numpy(np.stack([chest(number) for number in range(8)]))
    backbone = build_backbone(name, calibration)
    heads = np.random.default_rng(0).normal(0, 0.05, (2, backbone.n_features)).astype(np.float32)
    return StoredClassifier(name, backbone, SIZE, TRAINED, heads, np.zeros(2, np.float32), {})


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture
def predict(classifier, folder, tmp_path):
    """Predict the folder; return the table by image, and what became of the files."""

    def predict() -> tuple[pd.DataFrame, object]:
        result = predict_folder(classifier, folder, tmp_path / "own.csv")
        table = pd.read_csv(result.destination, index_col="image")
        assert list(table) == list(OBSERVATIONS) and len(table) == result.n_predicted
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["own.csv"]
        return table, result

    return predict


def test_every_kind_of_file_is_predicted_as_its_pixels_are(chest, classifier, folder, predict):
    """PNG and JPEG, 8 and 16 bit, grey and colour, DICOM with either polarity, any size."""
    grey = chest(0)
    large = to_square(chest(1), 200)[:, :150]
    expected = {"a.png": grey, "large.PNG": to_square(large, SIZE)}
    Image.fromarray(grey).save(folder / "a.png")
    Image.fromarray(large).save(folder / "large.PNG", "PNG")
    Image.fromarray(grey).convert("RGB").save(folder / "colour.png")
    expected["colour.png"] = grey
    Image.fromarray(grey).save(folder / "b.jpeg", quality=95)
    expected["b.jpeg"] = read_image(folder / "b.jpeg")
    Image.fromarray(grey.astype(np.uint16) * 100).save(folder / "deep.png")
    expected["deep.png"] = read_image(folder / "deep.png")
    assert np.ptp(expected["deep.png"]) == 255
    _save_dicom(folder / "c.dcm", grey)
    _save_dicom(folder / "inverse.DCM", 255 - grey, "MONOCHROME1")
    expected |= {"c.dcm": grey, "inverse.DCM": grey}
    table, result = predict()
    assert (result.skipped, result.inverted) == ((), ())
    assert sorted(table.index) == sorted(expected)
    wanted = classifier.predict(np.stack([expected[image] for image in table.index]))
    np.testing.assert_allclose(table[list(TRAINED)], wanted, rtol=2e-5)
    assert table.drop(columns=list(TRAINED)).isna().all(axis=None)


def test_folders_below_and_files_without_an_ending(chest, folder, predict):
    """Images are named by their paths; DICOM is told by its content, other files are left alone."""
    series = folder / "p1" / "s1"
    series.mkdir(parents=True)
    for name in ("IM0001", "1.2.840.55", "DICOMDIR", ".hidden.dcm"):
        _save_dicom(series / name, chest(0))
    (folder / ".thumbnails").mkdir()
    for name in ("top.png", ".thumbnails/top.png", "p1/._top.png"):
        Image.fromarray(chest(1)).save(folder / name)
    for name in ("labels.csv", "notes.txt", "Thumbs.db", "README", "p1/LICENSE"):
        (folder / name).write_text("no image", "utf-8")
    (folder / "empty").touch()
    table, result = predict()
    assert list(table.index) == ["p1/s1/1.2.840.55", "p1/s1/IM0001", "top.png"]
    assert result.skipped == ()


def test_what_cannot_be_read_is_named_and_left_out(chest, folder, predict):
    Image.fromarray(chest(0)).save(folder / "good.png")
    whole = (folder / "good.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "two\nlines.png").write_text("no image", "utf-8")
    Image.new("L", (80, 80), 128).save(folder / "even.png")
    header = whole[12:16] + struct.pack(">II", 20_000, 20_000) + whole[24:29]
    checked = header + struct.pack(">I", zlib.crc32(header))
    (folder / "bomb.png").write_bytes(whole[:12] + checked + whole[33:])
    _save_dicom(folder / "short.dcm", chest(0)[:10])
    (folder / "short.dcm").write_bytes((folder / "short.dcm").read_bytes()[:-100])
    with (folder / "huge.png").open("wb") as file:
        file.truncate(2**30 + 1)
    table, result = predict()
    assert list(table.index) == ["good.png"]
    reasons = {
        "bomb.png": "far larger than an X-ray",
        "empty.png": "the file is empty",
        "even.png": "one grey level only",
        "half.png": "damaged",
        "huge.png": "more than 1 GiB",
        "short.dcm": "not decoded",
        "two lines.png": "neither PNG nor JPEG nor DICOM",
    }
    assert len(result.skipped) == len(reasons)
    for line, (name, reason) in zip(result.skipped, reasons.items(), strict=True):
        assert line.startswith(f"{folder / name}: {reason}") and "\n" not in line


def test_an_inverted_image_is_predicted_and_named(chest, classifier, folder, predict):
    inverted = 255 - chest(0)
    Image.fromarray(inverted).save(folder / "own.png")
    table, result = predict()
    wanted = classifier.predict(inverted[None])
    np.testing.assert_allclose(table[list(TRAINED)], wanted, rtol=2e-5)
    assert result.skipped == () and len(result.inverted) == 1
    assert "own.png" in result.inverted[0] and "looks inverted" in result.inverted[0]


def test_links_do_not_lead_out_of_the_folder(chest, folder, predict, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for path in (outside / "secret.png", folder / "own.png"):
        Image.fromarray(chest(0)).save(path)
    _save_dicom(outside / "secret", chest(0))
    (folder / "again.png").symlink_to("own.png")
    (folder / "file.png").symlink_to(outside / "secret.png")
    (folder / "extensionless").symlink_to(outside / "secret")
    (folder / "below").symlink_to(outside)
    (folder / "broken.png").symlink_to("nothing.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "round").symlink_to(".")
    table, result = predict()
    assert list(table.index) == ["again.png", "own.png"]
    named = {line.split(":")[0].rpartition("/")[2]: line for line in result.skipped}
    assert sorted(named) == ["below", "broken.png", "extensionless", "file.png", "loop.png"]
    for name in ("below", "extensionless", "file.png"):
        assert "a link out of the folder" in named[name]


def test_a_pipe_is_not_waited_for(chest, folder, predict):
    os.mkfifo(folder / "pipe.png")
    Image.fromarray(chest(0)).save(folder / "own.png")
    table, result = predict()
    assert list(table.index) == ["own.png"]
    assert len(result.skipped) == 1 and "not a file" in result.skipped[0]


def test_a_name_that_is_not_unicode_can_be_written(chest, folder, predict):
    try:
        Image.fromarray(chest(0)).save(os.fsencode(folder) + b"/\xff.png")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    table, _ = predict()
    assert list(table.index) == [r"\udcff.png"]


def test_batches_join_without_a_seam(chest, classifier, folder, predict, monkeypatch):
    monkeypatch.setattr("cxrstudy.vision.predict_folder._BATCH", 2)
    for number in range(5):
        Image.fromarray(chest(number)).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"damaged")
    (folder / "3.png").write_bytes(b"damaged")
    table, result = predict()
    assert list(table.index) == ["0.png", "1.png", "4.png"] and len(result.skipped) == 2
    # The same batches, as one of another size sums in another order.
    batches = ([chest(0), chest(1)], [chest(4)])
    wanted = np.concatenate([classifier.predict(np.stack(batch)) for batch in batches])
    np.testing.assert_allclose(table[list(TRAINED)], wanted, rtol=2e-5)


def test_what_cannot_work_is_refused_before_any_work(chest, classifier, folder, tmp_path):
    file = tmp_path / "own.png"
    Image.fromarray(chest(0)).save(file)
    (folder / "notes.txt").write_text("no image", "utf-8")
    table = tmp_path / "own.csv"
    for source, destination, reason in (
        (tmp_path / "none", table, "none: no such folder"),
        (file, table, "own.png: no such folder"),
        (folder, tmp_path / "none" / "own.csv", "none: no such folder"),
        (folder, tmp_path / "own.txt", "End the name in .csv"),
        (folder, folder, "is a folder"),
        (folder, table, "no image in it. Names end in .png, .jpg, .jpeg, .dcm"),
    ):
        with pytest.raises(ImageFolderError, match=reason) as caught:
            predict_folder(classifier, source, destination)
        assert "\n" not in str(caught.value)
    assert not table.exists()


def test_a_stopped_run_leaves_the_older_table(chest, classifier, folder, tmp_path, monkeypatch):
    Image.fromarray(chest(0)).save(folder / "own.png")
    table = tmp_path / "own.csv"
    table.write_text("older", "utf-8")

    def stop(self, pixels):
        raise KeyboardInterrupt

    monkeypatch.setattr(StoredClassifier, "predict", stop)
    with pytest.raises(KeyboardInterrupt):
        predict_folder(classifier, folder, table)
    assert table.read_text("utf-8") == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "own.csv"]
