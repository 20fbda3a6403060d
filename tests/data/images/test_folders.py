"""Data sets by folder, on tiny trees: files in place, tables checked, no path outside."""

import gzip

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.images import load_chexpert, load_mimic_cxr, load_nih_folder
from cxrstudy.data.images.folders import NIH_ARCHIVE_ENDS
from cxrstudy.data.images.nih_block import ARCHIVE_ROWS
from cxrstudy.data.tables import LabelTableError
from cxrstudy.observations import OBSERVATIONS

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def write(tmp_path, chest, encode):
    """Write a picture below the data folder."""

    def write(path: str, number: int, kind: str = "JPEG"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(chest(number), kind))

    return write


def _codes(**stated) -> dict:
    return dict.fromkeys(OBSERVATIONS, "") | stated


def _chexpert_row(path: str, **fields) -> dict:
    row = {"Path": path, "Sex": "Female", "Age": "68", "Frontal/Lateral": "Frontal", "AP/PA": "AP"}
    return row | _codes() | fields


@pytest.fixture
def chexpert(tmp_path, write):
    """A folder of three training and one validation image."""
    paths = [f"train/patient0000{n}/study1/view1_frontal.jpg" for n in (1, 2)]
    lateral = "train/patient00002/study1/view2_lateral.jpg"
    valid = "valid/patient64541/study1/view1_frontal.jpg"
    for number, path in enumerate([*paths, lateral, valid]):
        write(path, number)
    small = "CheXpert-v1.0-small/"
    rows = [
        _chexpert_row(small + paths[0], Edema="1.0", Pneumonia="-1.0", **{"No Finding": "0.0"}),
        _chexpert_row(small + paths[1], **{"AP/PA": "PA", "Sex": "Male", "Age": "40"}),
        _chexpert_row(small + lateral, **{"AP/PA": "", "Frontal/Lateral": "Lateral"}),
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "train.csv", index=False)
    own = _codes(**dict.fromkeys(OBSERVATIONS, "0.0")) | {"Edema": "1.0"}
    pd.DataFrame([_chexpert_row(small + valid) | own]).to_csv(tmp_path / "valid.csv", index=False)
    return tmp_path


def test_chexpert_is_read_in_place(chexpert):
    """Frontal images of both parts, with who gave their labels."""
    images = load_chexpert(chexpert, 16)
    assert images.images.index.tolist() == [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00002/study1/view1_frontal.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
    ]
    assert images.pixels.shape == (3, 16, 16) and images.excluded.empty
    table = images.images
    assert table["patient"].tolist() == ["patient00001", "patient00002", "patient64541"]
    assert table["view"].tolist() == ["AP", "PA", "AP"] and table["sex"].tolist() == list("FMF")
    assert table["age"].tolist() == [68, 40, 68]
    assert table["split"].tolist() == ["train", "train", "valid"]
    nlp, radiologists = images.labels["nlp"], images.labels["radiologists"]
    assert list(nlp) == list(OBSERVATIONS)
    assert nlp.iloc[0].dropna().to_dict() == {"No Finding": 0, "Edema": 1, "Pneumonia": -1}
    assert nlp.iloc[2].isna().all() and radiologists.iloc[:2].isna().all(axis=None)
    assert radiologists.iloc[2].sum() == 1 and radiologists["Edema"].iloc[2] == 1


def test_lateral_images_are_read_if_asked_for(chexpert):
    """They have no view among AP and PA."""
    images = load_chexpert(chexpert, 16, lateral=True).images
    assert len(images) == 4 and images["view"].isna().sum() == 1


def test_a_changed_file_is_read_again(chexpert, write):
    """The cache knows files by name and size."""
    before = load_chexpert(chexpert, 16)
    (chexpert / before.images.index[0]).unlink()
    after = load_chexpert(chexpert, 16)
    assert len(before) == 3 and len(after) == 2
    assert after.excluded["image"].tolist() == [before.images.index[0]]
    assert "No such file" in after.excluded["reason"].iloc[0]


@pytest.mark.parametrize(
    "path",
    [
        "../patient00001/secret.jpg",
        "/etc/patient00001/secret.jpg",
        "CheXpert-v1.0/../../patient00001/secret.jpg",
        "train\\..\\..\\patient00001/secret.jpg",
        "C:/patient00001/secret.jpg",
        "",
    ],
)
def test_paths_never_leave_the_folder(chexpert, path):
    """A path that climbs, is absolute or of another system is refused with its place."""
    table = pd.read_csv(chexpert / "train.csv", dtype="str", keep_default_na=False)
    table.loc[1, "Path"] = path
    table.to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(LabelTableError, match=r"train.csv, row 3, column 'Path': .* no path below"):
        load_chexpert(chexpert)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("Edema", "2.0", "'2.0' is no label code"),
        ("Age", "old", "'old' is no number"),
        ("Path", "train/x/y.jpg", "'train/x/y.jpg' names no patient"),
    ],
)
def test_cells_that_are_not_understood_are_named(chexpert, column, cell, message):
    """File, row, column and what stands there."""
    table = pd.read_csv(chexpert / "train.csv", dtype="str", keep_default_na=False)
    table.loc[1, column] = cell
    table.to_csv(chexpert / "train.csv", index=False)
    with pytest.raises(LabelTableError, match=f"train.csv, row 3, column '{column}': {message}"):
        load_chexpert(chexpert)


def test_a_folder_without_tables_is_named(tmp_path):
    """Each loader says what it looks for."""
    with pytest.raises(LabelTableError, match="neither of train.csv, valid.csv"):
        load_chexpert(tmp_path)
    with pytest.raises(LabelTableError, match="metadata.csv.gz: no such file"):
        load_mimic_cxr(tmp_path)
    with pytest.raises(FileNotFoundError, match="no images_001/images"):
        load_nih_folder(tmp_path)


def _write_gz(folder, kind: str, rows: list[dict]):
    with gzip.open(folder / f"mimic-cxr-2.0.0-{kind}.csv.gz", "wt") as file:
        pd.DataFrame(rows).to_csv(file, index=False)


@pytest.fixture
def mimic(tmp_path, write):
    """A folder of one patient with two studies, one lateral image and one that is listed twice."""
    rows = [
        {"dicom_id": name, "subject_id": "10000032", "study_id": study, "ViewPosition": view}
        for name, study, view in [
            ("aa-1", "50414267", "PA"), ("bb-2", "50414267", "LATERAL"), ("cc-3", "53189527", "AP"),
            ("cc-3", "53189527", "AP"),
        ]
    ]  # fmt: skip
    for number, row in enumerate(rows[:3]):
        write(f"files/p10/p10000032/s{row['study_id']}/{row['dicom_id']}.jpg", number)
    _write_gz(tmp_path, "metadata", rows)
    splits = [{"dicom_id": row["dicom_id"], "split": "train"} for row in rows[:2]]
    _write_gz(tmp_path, "split", [*splits, {"dicom_id": "cc-3", "split": "test"}])
    studies = [{"study_id": "50414267"} | _codes(Edema="1.0", Fracture="-1.0")]
    _write_gz(tmp_path, "chexpert", studies)
    return tmp_path


def test_mimic_is_read_in_place(mimic):
    """Labels belong to studies, splits to images; a study without labels is blank."""
    images = load_mimic_cxr(mimic, 16)
    assert images.images.index.tolist() == ["aa-1", "cc-3"]
    assert images.images["patient"].tolist() == ["10000032"] * 2
    assert images.images["view"].tolist() == ["PA", "AP"]
    assert images.images["split"].tolist() == ["train", "test"]
    assert images.images[["sex", "age"]].isna().all(axis=None)
    nlp = images.labels["nlp"]
    assert nlp.loc["aa-1"].dropna().to_dict() == {"Edema": 1, "Fracture": -1}
    assert nlp.loc["cc-3"].isna().all()
    assert images.excluded["image"].tolist() == ["cc-3"]
    assert "listed more than once" in images.excluded["reason"].iloc[0]
    assert len(load_mimic_cxr(mimic, 16, lateral=True)) == 3


def test_mimic_ids_never_leave_the_folder(mimic):
    """Ids become paths, so they are checked as paths."""
    row = {"dicom_id": "../../../x", "subject_id": "10", "study_id": "5", "ViewPosition": "PA"}
    _write_gz(mimic, "metadata", [row])
    with pytest.raises(LabelTableError, match="row 2, column 'dicom_id': .* no path below"):
        load_mimic_cxr(mimic)


def test_a_study_with_two_rows_of_labels_is_refused(mimic):
    """Which of them holds cannot be known."""
    _write_gz(mimic, "chexpert", [{"study_id": "5"} | _codes()] * 2)
    with pytest.raises(LabelTableError, match="row 3, column 'study_id': '5' stands there twice"):
        load_mimic_cxr(mimic)


def test_a_damaged_table_is_named(mimic):
    """Half a gzip file is not half a data set."""
    path = mimic / "mimic-cxr-2.0.0-split.csv.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LabelTableError, match="split.csv.gz: not readable .*Copy it anew"):
        load_mimic_cxr(mimic)


def test_nih_archives_are_read_in_place(mirror, tmp_path, write):
    """One archive of twelve: what it should hold and lacks is listed, the others are not."""
    for number, image in enumerate(["00001336_000.png", "00003923_013.png"]):
        write(f"images_002/images/{image}", number, "PNG")
    images = load_nih_folder(tmp_path, 16)
    assert images.images.index.tolist() == ["00001336_000.png", "00003923_013.png"]
    assert images.images["patient"].tolist() == [1336, 3923]
    assert set(images.labels) == {"nlp", "rsna", "google"}
    assert len(images.excluded) == 9998
    assert images.excluded["reason"].str.contains("No such file").all()


def test_the_twelve_archives_hold_every_image():
    """The rows of all archives are those of the table, and the second begins behind the first."""
    assert len(NIH_ARCHIVE_ENDS) == 12 and NIH_ARCHIVE_ENDS[-1] == 112_120
    assert NIH_ARCHIVE_ENDS[:2] == (ARCHIVE_ROWS.start, ARCHIVE_ROWS.stop)
    assert np.diff(NIH_ARCHIVE_ENDS).tolist() == [10_000] * 10 + [7_121]
