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


def test_nih_images_are_read_in_place(tmp_path, write, block):
    """From any folders, in the order of the NIH's table, with its labels; other files are not."""
    read_by_experts = block.labels["rsna"].dropna().index[:3].tolist()
    for number, image in enumerate(reversed(read_by_experts)):
        write(f"images_00{number + 1}/images/{image}", number)
    write("images_001/other.png", 9)
    found = load_images(tmp_path, 16)
    assert found.images.index.tolist() == sorted(read_by_experts)
    assert found.pixels.shape == (3, 16, 16) and found.excluded.empty
    for source, labels in block.subset(found.images.index).labels.items():
        assert found.labels[source].equals(labels), source
    # The cache holds three images, the folder no longer does.
    (tmp_path / "images_001" / "images" / read_by_experts[2]).unlink()
    assert len(load_images(tmp_path, 16)) == 2


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
    with pytest.raises(ImageFolderError, match="no such folder. Name one of NIH images"):
        load_images(tmp_path / "absent")
