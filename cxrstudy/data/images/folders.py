"""Image data sets that their users hold: full NIH, CheXpert, MIMIC-CXR-JPG.

Files are read where they lie and never copied. What is kept are the shrunken pixels in the user's
cache folder: they stay on this machine, fall under the same agreement as the files, and are the
user's to delete.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cxrstudy.data.images.building import NamedImage, build_pixels
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.images.nih_tables import nih_tables
from cxrstudy.data.nih_experts import load_nih
from cxrstudy.data.tables import LabelTableError
from cxrstudy.observations import LABEL_CODES, OBSERVATIONS

DEFAULT_SIZE = 128

NIH_ARCHIVE_ENDS: tuple[int, ...] = (4_999, *range(14_999, 105_000, 10_000), 112_120)
"""Row of the NIH's table behind the last image of each of the twelve archives, in their order."""

CHEXPERT_TABLES: dict[str, str] = {"train.csv": "nlp", "valid.csv": "radiologists"}
"""CheXpert's tables, and who gave their labels."""

MIMIC_TABLE = "mimic-cxr-2.0.0-{}.csv.gz"
FRONTAL: tuple[str, ...] = ("AP", "PA")

_CODES = {"": np.nan, **{str(code): float(code) for code in LABEL_CODES if code is not None}}
_SEXES = {"Female": "F", "Male": "M"}


def load_nih_folder(folder: str | Path, size: int = DEFAULT_SIZE) -> ImageSet:
    """Load the unpacked archives of ChestX-ray14, all twelve or some of them.

    Parameters
    ----------
    folder : str or Path
        Holds ``images_001/images/00000001_000.png`` and so on.
    size : int
        Edge of the squares in pixels.

    Returns
    -------
    ImageSet
        Labels ``nlp``, ``rsna`` and ``google``, see `nih_tables`. An archive's missing images are
        among the excluded ones; archives that are not there are not.

    Raises
    ------
    FileNotFoundError
        If the folder holds no archive.
    """
    folder = Path(folder)
    table = load_nih().images.index
    starts = (0, *NIH_ARCHIVE_ENDS)
    paths: dict[str, str] = {}
    for number, (start, end) in enumerate(zip(starts, NIH_ARCHIVE_ENDS, strict=False), start=1):
        archive = f"images_{number:03d}/images"
        if (folder / archive).is_dir():
            paths |= {image: f"{archive}/{image}" for image in table[start:end]}
    if not paths:
        raise FileNotFoundError(
            f"{folder}: holds no images_001/images or another of the NIH's twelve archives. Name "
            "the folder in which they were unpacked."
        )
    images, labels = nih_tables(pd.Index(paths, name="image"))
    return _load("NIH ChestX-ray14", folder, pd.Series(paths), images, labels, size)


def load_chexpert(
    folder: str | Path, size: int = DEFAULT_SIZE, *, lateral: bool = False
) -> ImageSet:
    """Load CheXpert or CheXpert-small.

    Parameters
    ----------
    folder : str or Path
        Holds ``train.csv``, ``valid.csv`` or both, and the folders that they name.
    size : int
        Edge of the squares in pixels.
    lateral : bool
        Whether lateral images are read too.

    Returns
    -------
    ImageSet
        Image ids are paths below the folder. Labels of the 14 observations, 1, 0, -1 (uncertain)
        and blank: ``nlp`` (training part) and ``radiologists`` (validation part). The images have
        a further column split.

    Raises
    ------
    LabelTableError
        If a table is missing or breaks its schema, or names a file outside the folder.
    """
    folder = Path(folder)
    paths = [folder / file for file in CHEXPERT_TABLES if (folder / file).exists()]
    if not paths:
        raise LabelTableError(
            f"{folder}: holds neither of {', '.join(CHEXPERT_TABLES)}. Name the folder of CheXpert "
            "that holds its tables."
        )
    parts = [_chexpert_part(path, lateral) for path in paths]
    images, codes = (pd.concat(tables) for tables in zip(*parts, strict=True))
    is_first = ~images.index.duplicated()
    labels = {
        CHEXPERT_TABLES[path.name]: codes.where(images["split"] == path.stem)[is_first]
        for path in paths
    }
    files = pd.Series(images.index, images.index)
    return _load("CheXpert", folder, files, images[is_first], labels, size)


def load_mimic_cxr(
    folder: str | Path, size: int = DEFAULT_SIZE, *, lateral: bool = False
) -> ImageSet:
    """Load MIMIC-CXR-JPG.

    Parameters
    ----------
    folder : str or Path
        Holds the tables split, metadata and chexpert (``mimic-cxr-2.0.0-*.csv.gz``) and
        ``files``.
    size : int
        Edge of the squares in pixels.
    lateral : bool
        Whether images that are neither AP nor PA are read too.

    Returns
    -------
    ImageSet
        Image ids are DICOM ids. Labels of the 14 observations, 1, 0, -1 (uncertain) and blank:
        ``nlp``, the CheXpert labeler's of the study's report. The images have a further column
        split; sex and age are not part of this data set and therefore missing.

    Raises
    ------
    LabelTableError
        If a table is missing or breaks its schema, or names a file outside the folder.
    """
    folder = Path(folder)
    metadata_path, split_path, label_path = (
        folder / MIMIC_TABLE.format(kind) for kind in ("metadata", "split", "chexpert")
    )
    rows = _read_table(metadata_path, ["dicom_id", "subject_id", "study_id", "ViewPosition"])
    splits = _read_lookup(split_path, ["dicom_id", "split"])
    studies = _read_lookup(label_path, ["study_id", *OBSERVATIONS])
    if not lateral:
        rows = rows[rows["ViewPosition"].isin(FRONTAL)]
    paths = (
        "files/p" + rows["subject_id"].str[:2] + "/p" + rows["subject_id"]
        + "/s" + rows["study_id"] + "/" + rows["dicom_id"] + ".jpg"
    )  # fmt: skip
    _check_inside(paths, metadata_path, "dicom_id")
    codes = _codes(studies, label_path).set_axis(studies["study_id"]).reindex(rows["study_id"])
    index = pd.Index(rows["dicom_id"], name="image")
    images = pd.DataFrame(
        {
            "patient": rows["subject_id"].to_numpy(),
            "view": rows["ViewPosition"].replace("", np.nan).to_numpy(),
            "sex": np.full(len(rows), np.nan, object),
            "age": np.nan,
            "split": splits.set_index("dicom_id")["split"].reindex(index).to_numpy(),
        },
        index,
    )
    is_first = ~index.duplicated()
    labels = {"nlp": codes.set_axis(index)[is_first]}
    return _load(
        "MIMIC-CXR-JPG", folder, paths.set_axis(index), images[is_first], labels, size
    )  # fmt: skip


def _chexpert_part(path: Path, lateral: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one of CheXpert's tables: who was imaged, and the labels."""
    columns = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"]
    rows = _read_table(path, [*columns, *OBSERVATIONS])
    if not lateral:
        rows = rows[rows["Frontal/Lateral"] == "Frontal"]
    # The release's own folder name stands before every path.
    paths = rows["Path"].str.replace(r"^CheXpert[^/]*/", "", regex=True)
    _check_inside(paths, path, "Path")
    patients = paths.str.extract(r"(?:^|/)(patient\d+)/", expand=False)
    if patients.isna().any():
        row = patients.isna().idxmax()
        raise LabelTableError(
            f"{path}, row {row + 2}, column 'Path': {rows.loc[row, 'Path']!r} names no patient. "
            "Paths look like CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg."
        )
    images = pd.DataFrame(
        {
            "patient": patients,
            "view": rows["AP/PA"].replace("", np.nan),
            "sex": rows["Sex"].map(_SEXES),
            "age": _numbers(rows["Age"], path),
            "split": path.stem,
        }
    )
    index = pd.Index(paths, name="image")
    return images.set_axis(index), _codes(rows, path).set_axis(index)


def _load(
    name: str,
    folder: Path,
    paths: pd.Series,
    images: pd.DataFrame,
    labels: dict[str, pd.DataFrame],
    size: int,
) -> ImageSet:
    """Build or open the pixels of files below a folder, and bring the tables to their order."""

    def sources() -> Iterator[NamedImage]:
        for image, path in paths.items():
            yield NamedImage(image, path, (folder / path).read_bytes)

    key = f"{name.replace(' ', '_')}-{_fingerprint(folder, paths)}"
    built = build_pixels(sources(), key, size, len(paths))
    return ImageSet(
        name=name,
        build=f"read from the files of {name} ({len(paths)} listed), shrunken to {size} px",
        pixels=built.pixels,
        images=images.loc[built.images],
        labels={source: table.loc[built.images] for source, table in labels.items()},
        excluded=built.excluded,
    )


def _fingerprint(folder: Path, paths: pd.Series) -> str:
    """Hash the names and sizes of all files, as reading them would take as long as building."""
    digest = hashlib.sha256()
    for image, path in paths.items():
        try:
            n_bytes = (folder / path).stat().st_size
        except OSError:
            n_bytes = -1
        digest.update(f"{image}\t{path}\t{n_bytes}\n".encode())
    return digest.hexdigest()[:12]


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read columns of a table as text."""
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except FileNotFoundError:
        raise LabelTableError(f"{path}: no such file. Name the folder that holds it.") from None
    except (OSError, EOFError, ValueError) as error:
        raise LabelTableError(f"{path}: not readable ({error}). Copy it anew.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise LabelTableError(
            f"{path}, row 1: no column {missing[0]!r}. Use the table as it was released."
        )
    return table[columns]


def _read_lookup(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table in which each value of the first column stands once."""
    table = _read_table(path, columns)
    repeated = table[columns[0]].duplicated()
    if repeated.any():
        row = repeated.idxmax()
        raise LabelTableError(
            f"{path}, row {row + 2}, column {columns[0]!r}: {table.loc[row, columns[0]]!r} stands "
            "there twice. Use the table as it was released."
        )
    return table


def _check_inside(paths: pd.Series, table: Path, column: str) -> None:
    """Refuse paths that leave the data folder."""
    for row, path in paths.items():
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or parts[0] == "/" or "\\" in path or ":" in path:
            raise LabelTableError(
                f"{table}, row {row + 2}, column {column!r}: {path!r} is no path below the data "
                "folder. Use the table as it was released."
            )


def _codes(rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    """Turn the 14 label columns into codes."""
    return rows[list(OBSERVATIONS)].apply(lambda column: _column_codes(column, table))


def _column_codes(column: pd.Series, table: Path) -> pd.Series:
    text = column.str.strip().str.removesuffix(".0")
    wrong = ~text.isin(list(_CODES))
    if wrong.any():
        row = wrong.idxmax()
        raise LabelTableError(
            f"{table}, row {row + 2}, column {column.name!r}: {column[row]!r} is no label code. "
            "Use 1, 0, -1 or leave the cell blank."
        )
    return text.map(_CODES).astype(float)


def _numbers(column: pd.Series, table: Path) -> pd.Series:
    numbers = pd.to_numeric(column.replace("", np.nan), errors="coerce")
    wrong = numbers.isna() & (column != "")
    if wrong.any():
        row = wrong.idxmax()
        raise LabelTableError(
            f"{table}, row {row + 2}, column {column.name!r}: {column[row]!r} is no number. "
            "Correct the cell or leave it blank."
        )
    return numbers.astype(float)
