"""The NIH block: what it holds."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.images.nih_block import block_images, load_nih_block
from cxrstudy.data.nih_experts import load_google, read_findings
from cxrstudy.data.origins import CACHE_VARIABLE, DataNotAvailableError
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset

# Of the table that the block came with, which had RSNA's and Google's answers beside the NIH's.
WHOLE_TABLE = "6a2541d952cb098a6c7bb7cc8ecd886b7c8b08515f0d003e15dd43bc83af09f6"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    path = dataset("nih_block_128").path("nih_block_128_images.csv")
    return pd.read_csv(path, index_col=0)


def test_the_block_has_the_stated_size(block):
    """9,998 different images of 2,588 patients in a mapped array: a whole archive of the NIH's."""
    assert block.pixels.shape == (9998, 128, 128) and block.pixels.dtype == np.uint8
    assert isinstance(block.pixels, np.memmap)
    assert len({hashlib.sha256(image).digest() for image in block.pixels}) == len(block)
    assert block.images["patient"].nunique() == 2588
    assert block.build == "prebuilt, 128 px JPEG" and block.name == "NIH block"
    assert block.excluded["image"].tolist() == ["00001989_004.png", "00002658_002.png"]
    names = block_images()
    assert len(names) == 9998
    assert (names[0], names[-1]) == ("00001336_000.png", "00003923_013.png")


def test_people_and_labels_agree_with_the_table(block, table):
    assert block.images.index.equals(table.index.rename("image"))
    columns = ["Patient ID", "View Position", "Patient Sex", "Patient Age"]
    for ours, theirs in zip(["patient", "view", "sex", "age"], columns, strict=True):
        assert (block.images[ours] == table[theirs]).all(), ours
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
    airspace = nlp[["Pneumonia", "Consolidation", "Infiltration"]].max(axis=1)
    assert (airspace.sum(), airspace[read].sum()) == (1772, 1033)
    assert google["Airspace opacity"].count() == 237 and google["Airspace opacity"].sum() == 105


def test_other_sizes_come_from_the_prebuilt_pixels(block):
    """A smaller block is the averaged one, and says so."""
    small = load_nih_block(size=16)
    means = block.pixels[:50].reshape(50, 16, 8, 16, 8).mean((2, 4))
    assert np.abs(small.pixels[:50] - means).max() <= 1
    assert small.build == "prebuilt, 128 px JPEG; averaged down to 16 px"


@pytest.mark.usefixtures("no_checkout")
def test_without_box_and_mirror_both_remedies_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    with pytest.raises(DataNotAvailableError, match=f"take data/nih .*{MIRROR_VARIABLE}"):
        load_nih_block()
