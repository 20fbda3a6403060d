"""Images with their own reports: three layouts in miniature, and what is wrong in each."""

import gzip

import pandas as pd
import pytest

from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.data.images.reported import count_by_reason, load_reported_images

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folder(tmp_path, chest, encode):
    """Write images by path and number, and texts by path."""
    root = tmp_path / "data"

    class Folder:
        path = root

        def write(self, path: str, content: bytes | str):
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

        def image(self, path: str, number: int):
            self.write(path, encode(chest(number), "PNG"))

    return Folder()


def _plus(folder, rows: str, header: str = "") -> None:
    header = header or "path_to_image,deid_patient_id,frontal_lateral,ap_pa,section_impression"
    folder.write("df_chexpert_plus_240401.csv", f"{header}\n{rows}")


def test_chexpert_plus(folder):
    """One lateral, one missing, one damaged, one without report, one row twice, one path out."""
    views = [f"train/patient{n}/study1/view1_frontal" for n in range(1, 8)]
    said = ['p1,Frontal,AP,"Edema,\nworse."', "p2,Frontal,PA,Clear.", "p3,Lateral,,Clear.",
            "p4,Frontal,AP,Clear.", "p5,Frontal,AP,Clear.", "p6,Frontal,AP,"]  # fmt: skip
    rows = [f"{view}.jpg,{rest}" for view, rest in zip(views, said, strict=False)]
    outside = "../../secret/train/a/b/../../../../out.jpg,p9,Frontal,AP,Clear."
    _plus(folder, "\n".join([*rows, rows[0], outside]) + "\n")
    for number in (0, 1, 2, 5):
        folder.image(f"PNG/PNG/{views[number]}.png", number)
    folder.write(f"PNG/PNG/{views[4]}.png", b"no image")
    found, reports = load_reported_images(folder.path, 16)
    assert found.name == "CheXpert Plus" and found.images.index.tolist() == views[:2]
    assert found.images["patient"].tolist() == ["p1", "p2"]
    assert found.images["view"].tolist() == ["AP", "PA"]
    assert reports.tolist() == ["Edema,\nworse.", "Clear."] and found.pixels.shape == (2, 16, 16)
    counts = count_by_reason(found.excluded)
    assert counts.to_dict() == {
        "no frontal view": 1, "no file of this name": 2, "not readable": 1, "no report": 1,
        "listed more than once": 1,
    }  # fmt: skip
    # Aggregates name no patient.
    assert not any("patient" in reason for reason in counts.index)


def test_mimic_cxr(folder):
    """A study of two images, a damaged report, a missing one, and a lateral view."""
    header = "dicom_id,subject_id,study_id,ViewPosition"
    rows = ["a,10,50,PA", "b,10,50,LATERAL", "c,11,51,AP", "d,12,52,AP", "e,12,53,AP"]
    table = "\n".join([header, *rows])
    folder.write("mimic-cxr-2.0.0-metadata.csv.gz", gzip.compress(table.encode()))
    for number, name in enumerate("abcde"):
        folder.image(f"files/p10/{name}.jpg", number)
    folder.write("files/p10/p10/s50.txt", "INDICATION: cough.\nIMPRESSION: Clear.")
    folder.write("files/p10/p11/s51.txt", b"\xff\xfe broken")
    folder.write("files/p10/p12/s53.txt", "Normal.")
    found, reports = load_reported_images(folder.path, 16)
    assert found.name == "MIMIC-CXR" and found.images["patient"].to_dict() == {"a": "10", "e": "12"}
    assert reports["e"] == "Normal." and reports["a"].endswith("IMPRESSION: Clear.")
    assert count_by_reason(found.excluded).to_dict() == {
        "no frontal view": 1, "report not readable": 1, "no report": 1,
    }  # fmt: skip


def _xml(number: int, images: str = "", impression: str = "Clear.") -> str:
    text = f'<AbstractText Label="IMPRESSION">{impression}</AbstractText>'
    return f'<eCitation><uId id="CXR{number}"/>{text}{images}</eCitation>'


def test_openi(folder):
    """The first image of each report; no image, no impression, damaged, and entities."""
    both = '<parentImage id="CXR1_1_IM-1-3001"/><parentImage id="CXR1_1_IM-1-4001"/>'
    folder.write("ecgen-radiology/1.xml", _xml(1, both, "Edema."))
    folder.write("ecgen-radiology/2.xml", _xml(2))
    folder.write("ecgen-radiology/3.xml", _xml(3, '<parentImage id="CXR3"/>', ""))
    folder.write("ecgen-radiology/4.xml", "<eCitation>")
    folder.write("ecgen-radiology/5.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    for number, name in enumerate(("CXR1_1_IM-1-3001", "CXR1_1_IM-1-4001", "CXR3")):
        folder.image(f"NLMCXR_png/{name}.png", number)
    found, reports = load_reported_images(folder.path, 16)
    assert found.name == "OpenI" and reports.to_dict() == {"CXR1_1_IM-1-3001": "Edema."}
    assert found.images["patient"].tolist() == ["CXR1"]
    assert count_by_reason(found.excluded).to_dict() == {
        "not readable": 2, "no report": 1, "no file of this name": 1,
    }  # fmt: skip


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path, chest, encode):
    (tmp_path / "outside.png").write_bytes(encode(chest(0), "PNG"))
    _plus(folder, "train/p/s/v.jpg,p,Frontal,AP,Clear.\n")
    link = folder.path / "train" / "p" / "s" / "v.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "outside.png")
    with pytest.raises(ImageFolderError, match="none of the 1 images.*no file of this name"):
        load_reported_images(folder.path, 16)


def test_two_files_of_one_name_are_one_clear_error(folder):
    _plus(folder, "train/p/s/v.jpg,p,Frontal,AP,Clear.\n")
    folder.image("a/train/p/s/v.png", 0)
    folder.image("b/train/p/s/v.png", 1)
    with pytest.raises(ImageFolderError, match="b/train/p/s/v.png.*a/train/p/s/v.png has the same"):
        load_reported_images(folder.path, 16)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ("t/p/s/v.jpg,,Frontal,AP,Clear.\n", "", "row 2, column 'deid_patient_id': empty. Fill"),
        ("t/p/s/v.jpg,p\n", "path_to_image,deid_patient_id", "header: no column 'frontal_lat"),
        ('a,"b\n', "", "not readable as CSV"),
    ],
)
def test_what_a_table_lacks_is_told_with_its_place(folder, rows, header, message):
    _plus(folder, rows, header)
    with pytest.raises(ImageFolderError, match=message):
        load_reported_images(folder.path, 16)


def test_what_a_folder_lacks_is_told(tmp_path):
    with pytest.raises(ImageFolderError, match="neither .* nor reports in XML. Name a folder"):
        load_reported_images(tmp_path)
    with pytest.raises(ImageFolderError, match="no such folder"):
        load_reported_images(tmp_path / "absent")


def test_nothing_is_counted_where_nothing_is_left_out():
    assert count_by_reason(pd.DataFrame({"image": [], "reason": []})).empty
