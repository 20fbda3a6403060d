"""Other hospitals' images: what ships, what a mirror holds, and a reader's own."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrstudy.data.images import sites
from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.data.registry import MIRROR_VARIABLE
from cxrstudy.data.tables import LabelTableError

pytestmark = pytest.mark.usefixtures("cache")


def test_the_test_split_ships(monkeypatch):
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    found = sites.load_kermany(whole=False)
    assert found.build.startswith("test split") and found.size == sites.SITE_SIZE
    judged = found.labels[sites.JUDGED][sites.JUDGED]
    assert judged.sum() == 390 - sum("PNEU" in name for name in found.excluded["image"])
    assert len(found) + len(found.excluded) == 624 and set(found.images["split"]) == {"test"}
    assert (found.images["bytes"] > 500).all()
    assert found.images["view"].isna().all()


def test_brixia_is_scored_by_two_radiologists_or_not_there(mirror, monkeypatch):
    found = sites.load_brixia()
    readers = found.labels["readers"]
    assert len(found) == 92 and found.images["patient"].nunique() == 60
    assert set(found.images["view"]) == {"AP", "PA"}
    judged = found.labels[sites.JUDGED][sites.JUDGED]
    assert (judged == readers.mean(axis=1)).all() and judged.between(0, 18).all()
    monkeypatch.delenv(MIRROR_VARIABLE)
    assert sites.load_brixia() is None


def test_all_scored_frontal_images_of_the_fetched_collection_are_used(tmp_path, monkeypatch):
    """But none without a licence, from the side, or with a name that leaves the folder."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name in ("a.png", "b.jpg", "side.png", "free.png"):
        Image.fromarray(rng.integers(0, 256, (50, 40), np.uint8)).save(folder / name)
    columns = "patientid,sex,age,view,filename,license"
    rows = ["7,M,60,AP Supine,a.png,CC BY", "8,F,,PA,b.jpg,CC BY-NC-SA", "8,F,,L,side.png,CC BY"]
    rows += ["9,,,PA,free.png,", "9,,,PA,../a.png,CC BY", "9,,,PA,gone.png,CC BY"]
    (tmp_path / "metadata.csv").write_text("\n".join([columns, *rows]))
    scores = ["a.png,18,16", "b.jpg,3,2", "side.png,1,1", "free.png,1,1", "../a.png,1,1"]
    (tmp_path / "scores.csv").write_text(
        "\n".join(["filename,S-Global,J-Global", *scores, "gone.png,1,1"])
    )

    fetched = SimpleNamespace(
        files={"images": "commit:" + "0" * 40},
        place=lambda: "in the cache",
        path=lambda file: tmp_path / ("scores.csv" if "annotations" in file else file),
    )
    monkeypatch.setattr(sites, "dataset", lambda name: fetched)
    found = sites.load_brixia()
    assert found.images.index.tolist() == ["a.png", "b.jpg"]
    assert found.images["view"].tolist() == ["AP", "PA"]
    assert found.labels[sites.JUDGED][sites.JUDGED].tolist() == [17.0, 2.5]
    assert found.excluded["image"].tolist() == ["gone.png"]


@pytest.fixture
def own(tmp_path):
    """Three images in a folder, and their table."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(2)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(folder / f"{name}.png")
    (tmp_path / "outside.png").write_bytes((folder / "a.png").read_bytes())

    def write(text: str):
        (folder / "labels.csv").write_text(text, "utf-8")
        return folder / "labels.csv"

    return write


def test_a_readers_own_images_are_a_site(own):
    found = sites.load_own_site(own("image,label,patient\nb.png,1,07\na.png,0,07\nc.png,,08\n"))
    assert found.images["patient"].tolist() == ["07", "07"]
    assert found.labels[sites.JUDGED][sites.JUDGED].tolist() == [1.0, 0.0]
    assert found.images.index.tolist() == ["b.png", "a.png"]
    alone = sites.load_own_site(own("image,label\na.png,3.5\nb.png,0\n"))
    assert alone.images["patient"].tolist() == ["a.png", "b.png"]
    assert pd.api.types.is_float_dtype(alone.labels[sites.JUDGED][sites.JUDGED])


@pytest.mark.parametrize(
    ("table", "error", "reason"),
    [
        ("image,score\na.png,1\n", LabelTableError, "no column 'label'"),
        ("image,label\na.png,1\na.png,0\n", LabelTableError, "'a.png' stands in two rows"),
        ("image,label\nz.png,1\n", ImageFolderError, "no file 'z.png' in it"),
        ("image,label\n../outside.png,1\n", ImageFolderError, "no file '../outside.png' in it"),
        ("image,label\na.png,ill\n", LabelTableError, "row 2, column 'label': no number"),
        ("", LabelTableError, "no CSV table that can be read"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(own, table, error, reason):
    with pytest.raises(error, match=reason):
        sites.load_own_site(own(table))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LabelTableError, match=r"none/labels.csv: is no CSV table"):
        sites.load_own_site(tmp_path / "none" / "labels.csv")
