"""Images beside their own reports, in a folder of CheXpert Plus, MIMIC-CXR or OpenI.

============= ================================================================================
CheXpert Plus ``df_chexpert_plus_240401.csv``; images in any folders, as its paths end
MIMIC-CXR     ``mimic-cxr-2.0.0-metadata.csv.gz`` of MIMIC-CXR-JPG; its images and the unpacked
              reports (``s50414267.txt``) in any folders
OpenI         the unpacked reports (``1.xml``) and images (``CXR1_1_IM-0001-3001.png``)
============= ================================================================================

Files are found by walking the folder, and tables only name them: no path of a table is opened.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pandas as pd

from cxrstudy.data.images.building import EXCLUDED_COLUMNS, SUFFIXES, NamedImage, build_pixels
from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.images.nih_block import BLOCK_SIZE

_MIMIC, _PLUS = "mimic-cxr-2.0.0-metadata.csv*", "df_chexpert_plus*.csv"
_NOT_FRONTAL, _NO_REPORT = "no frontal view", "no report"
_DAMAGED_REPORT = "report not readable"
_NO_FILE = "no file of this name below the folder. Copy it there."
_KINDS = (
    _NOT_FRONTAL, _NO_REPORT, _DAMAGED_REPORT, "no file of this name", "listed more than once",
    "same pixels", "looks inverted", "one grey level",
)  # fmt: skip
_OTHER_KIND = "not readable"


@dataclass(frozen=True, eq=False)
class _Listing:
    """What a folder lists: columns image, patient, view, report and reason, and the images' key."""

    name: str
    rows: pd.DataFrame
    key: Callable[[Path | PurePosixPath], str]  # of an image's file, which is its id


def load_reported_images(folder: str | Path, size: int = BLOCK_SIZE) -> tuple[ImageSet, pd.Series]:
    """Load frontal images and the reports that were written on them.

    Parameters
    ----------
    folder : str or Path
        Of one of the three data sets, whole or in part.
    size : int
        Edge of the squares in pixels.

    Returns
    -------
    ImageSet
        Without labels; ``excluded`` lists every image that cannot be used and why. In OpenI a
        report is a patient, and the first of its images counts as the frontal one.
    Series
        The reports on the images' index: the whole text, or the impression where the data set
        gives it apart.

    Raises
    ------
    ImageFolderError
        If the folder or its table cannot be used, or no image of it; one line with the remedy.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ImageFolderError(f"{folder}: no such folder. Name one of images with reports.")
    listing = _listing(folder)
    wanted = listing.rows["reason"] == ""
    usable, left_out = listing.rows[wanted], listing.rows[~wanted]
    files = _files(folder, SUFFIXES, listing.key)
    used = [(image, files.get(image)) for image in usable["image"]]
    if not any(file for _, file in used):
        why = left_out["reason"].iloc[0] if usable.empty and len(left_out) else _NO_FILE
        raise ImageFolderError(
            f"{folder}: none of the {len(listing.rows):,} images that {listing.name} lists there "
            f"can be used; the first one: {why}"
        )
    described = "\n".join(f"{image} {file.stat().st_size if file else -1}" for image, file in used)
    key = f"reported-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    built = build_pixels(_sources(folder, used), key, size, len(used))
    rows = usable.drop_duplicates("image").set_index("image").loc[built.images]
    images = rows[["patient", "view"]].assign(sex=None, age=float("nan"))
    excluded = pd.concat([left_out[EXCLUDED_COLUMNS], built.excluded], ignore_index=True)
    build = f"{len(images):,} files in a folder, shrunken to {size} px"
    return ImageSet(listing.name, build, built.pixels, images, {}, excluded), rows["report"]


def count_by_reason(excluded: pd.DataFrame) -> pd.Series:
    """Count excluded images by kind of reason; no name of a file or patient is among them."""
    kinds = [
        next((kind for kind in _KINDS if kind in reason), _OTHER_KIND)
        for reason in excluded["reason"]
    ]
    return pd.Series(kinds, dtype="str").value_counts().rename_axis("reason").rename("images")


def _sources(folder: Path, used: Iterable[tuple[str, Path | None]]) -> Iterator[NamedImage]:
    for image, file in used:
        if file is None:
            yield NamedImage(image, image, _refuse_missing)
        else:
            yield NamedImage(image, str(file.relative_to(folder)), file.read_bytes)


def _refuse_missing() -> bytes:
    raise OSError(_NO_FILE)


def _listing(folder: Path) -> _Listing:
    for pattern, read in ((_PLUS, _chexpert_plus), (_MIMIC, _mimic_cxr)):
        tables = sorted(folder.glob(pattern))
        if tables:
            return read(folder, tables[0])
    return _openi(folder)


def _chexpert_plus(folder: Path, table: Path) -> _Listing:
    columns = ("path_to_image", "deid_patient_id", "frontal_lateral", "section_impression")
    cells = _read_table(table, (*columns, "ap_pa"), ("path_to_image", "deid_patient_id"))
    path, patient, side, report = (cells[name] for name in columns)
    # "train/patient42142/study5/view1_frontal.jpg" may lie below PNG/PNG and end in .png.
    image = [_tail(PurePosixPath(each)) for each in path]
    rows = _rows(image, patient, cells["ap_pa"], report, side.str.lower() == "frontal")
    return _Listing("CheXpert Plus", rows, _tail)


def _mimic_cxr(folder: Path, table: Path) -> _Listing:
    columns = ("dicom_id", "subject_id", "study_id", "ViewPosition")
    cells = _read_table(table, columns, columns[:3])
    image, patient, study, view = (cells[name] for name in columns)
    files = _files(folder, (".txt",), _stem)
    texts = {name: _text(files.get(name)) for name in ("s" + study).unique()}
    rows = _rows(image, patient, view, ("s" + study).map(texts), view.isin(["AP", "PA"]))
    return _Listing("MIMIC-CXR", rows, _stem)


def _openi(folder: Path) -> _Listing:
    files = _files(folder, (".xml",), _stem)
    if not files:
        raise ImageFolderError(
            f"{folder}: neither {_PLUS} nor {_MIMIC} nor reports in XML. Name a folder of CheXpert "
            "Plus, MIMIC-CXR or OpenI that holds reports and images."
        )
    found = []
    for file in files.values():
        name = str(file.relative_to(folder))
        try:
            found.append(_openi_report(file.read_bytes()))
        except (OSError, ValueError, ElementTree.ParseError) as error:
            found.append((name, name, "", f"{name}: not readable ({error}). Copy it anew."))
    image, patient, report, reason = map(list, zip(*found, strict=True))
    rows = _rows(image, patient, [""] * len(found), report, True)
    rows["reason"] = rows["reason"].mask(pd.Series(reason) != "", pd.Series(reason))
    return _Listing("OpenI", rows, _stem)


def _openi_report(content: bytes) -> tuple[str, str, str, str]:
    """Return a report's first image, its id, its impression, and no reason to leave it out."""
    # Entities can make a small file huge, and the release has none.
    if b"<!ENTITY" in content:
        raise ValueError("declares entities")
    root = ElementTree.fromstring(content)
    number, image = root.find("uId"), root.find("parentImage")
    texts = [text.text or "" for text in root.iter("AbstractText")
             if text.get("Label") == "IMPRESSION"]  # fmt: skip
    if number is None or not number.get("id"):
        raise ValueError("has no uId")
    patient = number.get("id", "")
    if image is None or not image.get("id"):
        return patient, patient, "", f"{patient}: {_NO_FILE}"
    return image.get("id", ""), patient, "\n".join(texts), ""


def _rows(image, patient, view, report, frontal) -> pd.DataFrame:
    columns = {"image": image, "patient": patient, "view": view, "report": report}
    rows = pd.DataFrame({name: list(values) for name, values in columns.items()}, dtype=object)
    rows["reason"] = ""
    empty, damaged = rows["report"].str.strip() == "", rows["report"].isna()
    rows.loc[empty, "reason"] = f"{_NO_REPORT}. Leave it out, or add the text."
    rows.loc[damaged, "reason"] = f"{_DAMAGED_REPORT} as UTF-8. Copy it anew."
    rows.loc[~pd.Series(frontal, rows.index, dtype=bool), "reason"] = _NOT_FRONTAL
    return rows


def _files(
    folder: Path, suffixes: tuple[str, ...], key: Callable[[Path | PurePosixPath], str]
) -> Mapping[str, Path]:
    """Find files below a folder by key; links that lead out of it are passed over."""
    inside, found = folder.resolve(), {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or not path.resolve().is_relative_to(inside):
            continue
        name = key(path.relative_to(folder))
        if name in found:
            raise ImageFolderError(f"{path}: {found[name]} has the same name. Keep one of them.")
        found[name] = path
    return found


def _stem(path: Path | PurePosixPath) -> str:
    return path.stem


def _tail(path: Path | PurePosixPath) -> str:
    """Return where CheXpert keeps an image, split, patient, study and view, without its ending."""
    return "/".join([*path.parts[-4:-1], path.stem])


def _text(file: Path | None) -> str | None:
    """Read a report, empty if there is none; nothing if it is damaged."""
    try:
        return file.read_text("utf-8") if file else ""
    except (OSError, UnicodeDecodeError):
        return None


def _read_table(path: Path, columns: Iterable[str], filled: Iterable[str]) -> pd.DataFrame:
    """Read columns as text; a row without an id stops the reading."""
    try:
        cells = pd.read_csv(path, dtype="str", keep_default_na=False, on_bad_lines="error")
    except (OSError, EOFError, ValueError) as error:
        raise ImageFolderError(f"{path}: not readable as CSV ({error}). Copy it anew.") from error
    cells = cells.fillna("")
    for name in columns:
        if name not in cells:
            raise ImageFolderError(
                f"{path}, header: no column {name!r}. Take the file as released."
            )
    for name in filled:
        empty = cells[name].str.strip() == ""
        if empty.any():
            raise ImageFolderError(
                f"{path}, row {empty.argmax() + 2}, column {name!r}: empty. Fill it in, or leave "
                "the row out."
            )
    return cells
