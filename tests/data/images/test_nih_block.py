"""The NIH block: what it holds, and that both of its builds hold the same images."""

import hashlib
import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.images import nih_block
from cxrstudy.data.images.nih_block import block_images, load_nih_block, read_archive
from cxrstudy.data.nih_experts import load_google, read_findings
from cxrstudy.data.origins import CACHE_VARIABLE, DataNotAvailableError
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset

AIRSPACE = ["Pneumonia", "Consolidation", "Infiltration"]


# Of the table that the block came with, which had RSNA's and Google's answers beside the NIH's.
WHOLE_TABLE = "6a2541d952cb098a6c7bb7cc8ecd886b7c8b08515f0d003e15dd43bc83af09f6"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    path = dataset("nih_block_128").path("nih_block_128_images.csv")
    return pd.read_csv(path, index_col=0)


def test_the_block_has_the_stated_size(block):
    """9,998 images of 2,588 patients, none of them unusable, in a mapped array."""
    assert block.pixels.shape == (9998, 128, 128) and block.pixels.dtype == np.uint8
    assert isinstance(block.pixels, np.memmap)
    assert block.images["patient"].nunique() == 2588
    assert block.build == "prebuilt, 128 px JPEG" and block.name == "NIH block"
    assert block.excluded["image"].tolist() == ["00001989_004.png", "00002658_002.png"]


def test_names_and_people_agree_with_the_table(block, table):
    assert block.images.index.equals(table.index.rename("image"))
    columns = ["Patient ID", "View Position", "Patient Sex", "Patient Age"]
    for ours, theirs in zip(["patient", "view", "sex", "age"], columns, strict=True):
        assert (block.images[ours] == table[theirs]).all(), ours


def test_labels_agree_with_the_table(block, table):
    assert (block.labels["nlp"] == read_findings(table["Finding Labels"])).all(axis=None)


def test_with_the_experts_joined_the_table_is_the_one_that_the_block_came_with(block, table):
    """Byte for byte, blank in the same places."""
    rsna, google = block.labels["rsna"], block.labels["google"]
    table = table.assign(rsna_target=rsna["Lung Opacity"].astype("Int64"))
    table["rsna_class"] = rsna.dropna().idxmax(axis=1)
    for finding in google:
        table[f"google_{finding}"] = google[finding].astype("Int64")
    sets = {image: name for name, labels in load_google().items() for image in labels.index}
    table["google_set"] = table.index.map(sets).map({"test": "test", "validation": "val"})
    assert hashlib.sha256(table.to_csv().encode()).hexdigest() == WHOLE_TABLE


def test_the_counts_of_each_source(block):
    nlp, rsna, google = (block.labels[source] for source in ("nlp", "rsna", "google"))
    assert nlp.notna().all(axis=None)
    counts = nlp.sum()[["No Finding", "Infiltration", "Effusion", "Atelectasis", "Pneumothorax"]]
    assert counts.tolist() == [5998, 1430, 895, 890, 471]
    read = rsna["Lung Opacity"].notna()
    assert (read.sum(), rsna["Lung Opacity"].sum()) == (2179, 474)
    airspace = nlp[AIRSPACE].max(axis=1)
    assert (airspace.sum(), airspace[read].sum()) == (1772, 1033)
    assert google["Airspace opacity"].count() == 237 and google["Airspace opacity"].sum() == 105


def test_no_two_images_have_the_same_pixels(block):
    digests = {hashlib.sha256(image).digest() for image in block.pixels}
    assert len(digests) == len(block)


def test_other_sizes_come_from_the_prebuilt_pixels(block):
    """A smaller block is the averaged one, and says so."""
    small = load_nih_block(size=16, build="prebuilt")
    means = block.pixels[:50].reshape(50, 16, 8, 16, 8).mean((2, 4))
    assert np.abs(small.pixels[:50] - means).max() <= 1
    assert small.build == "prebuilt, 128 px JPEG; averaged down to 16 px"


def test_an_unknown_build_is_refused():
    with pytest.raises(ValueError, match="choose one of auto, prebuilt, archive"):
        load_nih_block(build="prebuild")


@pytest.mark.usefixtures("no_checkout")
def test_without_box_mirror_and_archive_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    with pytest.raises(
        DataNotAvailableError, match="data/nih.*run `cxrstudy data fetch nih_images_002`"
    ):
        load_nih_block()


def _archive(path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("images")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_an_archive_gives_the_wanted_images(tmp_path):
    """In its own order; others are passed over, and missing ones fail when they are read."""
    _archive(tmp_path / "a.tar.gz", {f"images/{name}.png": name.encode() for name in "cab"})
    images = list(_read_all(tmp_path / "a.tar.gz", ["a.png", "c.png", "x.png"]))
    assert images == [
        ("c.png", b"c"), ("a.png", b"a"), ("x.png", "not in a.tar.gz"),
    ]  # fmt: skip


def _read_all(path, wanted):
    for named in read_archive(path, pd.Index(wanted)):
        try:
            yield named.image, named.read()
        except OSError as error:
            yield named.image, str(error)


def test_the_archive_builds_the_same_block(cache, tmp_path, chest, encode, monkeypatch):
    """From the NIH's files come pixels of any size, with the same tables and another build."""
    names = block_images()[:3]
    monkeypatch.setattr(nih_block, "block_images", lambda: names)
    _archive(
        tmp_path / "images_002.tar.gz",
        {f"images/{name}": encode(chest(number)) for number, name in enumerate(names[:2])}
        | {"images/00001989_004.png": encode(chest(9))},
    )
    md5 = hashlib.md5((tmp_path / "images_002.tar.gz").read_bytes()).hexdigest()
    folder = cache / "nih"
    folder.mkdir(parents=True)
    (tmp_path / "images_002.tar.gz").rename(folder / "images_002.tar.gz")
    monkeypatch.setitem(dataset("nih_images_002").files, "images_002.tar.gz", f"md5:{md5}")
    built = load_nih_block(size=16, build="archive")
    assert built.images.index.tolist() == names[:2].tolist()
    assert "images_002, 1024 px, averaged down to 16 px" in built.build
    assert dict(built.excluded.itertuples(index=False)) == {
        "00001989_004.png": "in the archive, not in the prebuilt block",
        "00002658_002.png": "in the archive, not in the prebuilt block",
        names[2]: f"{names[2]}: not in images_002.tar.gz",
    }
    assert set(built.labels) == {"nlp", "rsna", "google"}


def test_the_archive_begins_where_the_first_one_ends():
    """10,000 rows of the NIH's table, from the first to the last image of the archive."""
    names = block_images()
    assert len(names) == 9998
    assert (names[0], names[-1]) == ("00001336_000.png", "00003923_013.png")
