"""Images by folder: files in place, and one clear error where experts are missing."""

import pytest

from cxrstudy.data.images import load_images, load_nih_block
from cxrstudy.data.images.folders import ImageFolderError

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def write(tmp_path, chest, encode):

    def write(path: str, number: int):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(chest(number), "PNG"))

    return write


@pytest.fixture
def read_by_experts(block) -> list[str]:
    return block.labels["rsna"].dropna().index[:3].tolist()


def test_nih_images_are_read_in_place(tmp_path, write, read_by_experts, block):
    """From any folders, in the order of the NIH's table, with its labels; other files are not."""
    for number, image in enumerate(reversed(read_by_experts)):
        write(f"images_00{number + 1}/images/{image}", number)
    write("images_001/other.png", 9)
    found = load_images(tmp_path, 16)
    assert found.images.index.tolist() == sorted(read_by_experts)
    assert found.pixels.shape == (3, 16, 16) and found.excluded.empty
    for source, labels in block.subset(found.images.index).labels.items():
        assert found.labels[source].equals(labels), source


def test_a_changed_file_is_read_again(tmp_path, write, read_by_experts):
    for number, image in enumerate(read_by_experts):
        write(image, number)
    before = load_images(tmp_path, 16)
    (tmp_path / read_by_experts[0]).unlink()
    assert len(before) == 3 and len(load_images(tmp_path, 16)) == 2


def test_without_a_folder_it_is_the_block():
    ours, block = load_images("", 16), load_nih_block(16)
    assert ours.sha256() == block.sha256() and ours.build == block.build


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("train.csv", "CheXpert has no labels of RSNA's and Google's experts.*cxrstudy predict"),
        ("mimic-cxr-2.0.0-metadata.csv.gz", "MIMIC-CXR-JPG has no labels of RSNA's"),
        ("readme.txt", "read none of its 0 NIH images. Unpack more"),
    ],
)
def test_what_a_folder_lacks_is_told(tmp_path, file, message):
    (tmp_path / file).touch()
    with pytest.raises(ImageFolderError, match=message):
        load_images(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageFolderError, match="no such folder. Name one of NIH images"):
        load_images(tmp_path / "absent")
