"""Images of other hospitals with their own experts' labels: Kermany, Brixia, or a reader's own."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from cxrstudy.data.images.building import NamedImage, build_pixels
from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError

SITE_SIZE = 128
KERMANY, KERMANY_TEST, BRIXIA = "kermany_128", "kermany_test_128", "covid_brixia_128"
COLLECTION, SCORES = "covid_chest_xrays", "brixia_scores"
OWN = "Own site"
JUDGED = "judged"
"""Label source of a site and its column: a class (0, 1) or a score of that site's experts."""

_COLUMNS = ["patient", "view", "sex", "age", "split", "bytes"]


def load_kermany(whole: bool = True) -> ImageSet:
    """Load children's X-rays that physicians called normal (0) or pneumonia (1).

    The whole set, 5,840 images, where a mirror or the cache holds it; else, or if it is not wanted,
    the test split of 624 in the repository. `ImageSet.build` says which. Source: Kermany et al.
    2018, doi:10.17632/rscbjbr9sj, CC BY 4.0.
    """
    whole = whole and bool(dataset(KERMANY).place())
    name = KERMANY if whole else KERMANY_TEST
    table = pd.read_csv(dataset(name).path(f"{name}.csv"), index_col="image")
    images = table[["patient", "split"]]
    judged = table["label"].eq("PNEUMONIA").astype(float)
    part = "whole set" if whole else "test split"
    return _from_archive("Kermany", f"{part}, {SITE_SIZE} px JPEG", name, images, judged)


def load_brixia() -> ImageSet | None:
    """Load X-rays, most of patients with COVID-19, and two radiologists' global scores, 0 to 18.

    All that both radiologists scored if the collection and the scores were fetched; else those
    under Creative Commons licences, if a mirror holds them; else nothing: their licences do not let
    the repository ship them. The mean of the scores judges; each radiologist's are the label source
    ``"readers"``. Sources: public COVID-19 image collection, Cohen et al. 2020; scores: Signoroni
    et al. 2021.
    """
    if dataset(COLLECTION).place() and dataset(SCORES).place():
        return _fetched_brixia()
    if not dataset(BRIXIA).place():
        return None
    table = pd.read_csv(dataset(BRIXIA).path(f"{BRIXIA}.csv"), index_col="image")
    build = f"images under Creative Commons licences, {SITE_SIZE} px JPEG"
    images, readers = _scored(table)
    site = _from_archive("Brixia", build, BRIXIA, images, readers.mean(axis=1))
    site.labels["readers"] = readers.loc[site.images.index]
    return site


def _fetched_brixia() -> ImageSet:
    collection = dataset(COLLECTION)
    listed = pd.read_csv(collection.path("metadata.csv")).drop_duplicates("filename")
    scores = pd.read_csv(dataset(SCORES).path("data/public-annotations.csv"))
    table = listed.merge(scores, on="filename", validate="one_to_one").set_index("filename")
    # Frontal, under a licence that is listed, and a plain name: "16654_1_1.png".
    plain = table.index.map(lambda name: name == Path(name).name)
    table = table[table["view"].isin(["PA", "AP", "AP Supine"]) & table["license"].notna() & plain]
    images, readers = _scored(table)
    folder = collection.path("images")
    sizes = {name: (folder / name).stat().st_size for name in images.index
             if (folder / name).is_file()}  # fmt: skip
    sources = (NamedImage(name, name, (folder / name).read_bytes) for name in images.index)
    build = f"all frontal images with a licence and scores, shrunken to {SITE_SIZE} px"
    key = f"brixia-{collection.files['images'].removeprefix('commit:')[:12]}"
    images = images.assign(bytes=pd.Series(sizes))
    site = _site("Brixia", build, key, sources, images, readers.mean(axis=1))
    site.labels["readers"] = readers.loc[site.images.index]
    return site


def _scored(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a table of scored images into what is known of each and its scores by reader."""
    readers = table[["S-Global", "J-Global"]].set_axis(["S", "J"], axis=1)
    images = table.rename(columns={"patientid": "patient"})[["patient", "sex", "age"]]
    # "AP Supine" is AP.
    return images.assign(view=table["view"].str[:2]), readers


def load_own_site(table: str | Path) -> ImageSet:
    """Load a reader's own images, as a table beside them names them.

    The table is CSV with the columns image (a path from the table's folder), label (0, 1, or a
    score) and if possible patient; rows without a label are left out.
    """
    table = Path(table).expanduser()
    folder = table.parent
    try:
        rows = pd.read_csv(table, dtype={"image": "str", "patient": "str"})
    except (OSError, ValueError) as error:  # missing, empty, or not text
        raise LabelTableError(f"{table}: is no CSV table that can be read ({error}).") from None
    if lacking := {"image", "label"} - set(rows):
        raise LabelTableError(f"{table}: no column {sorted(lacking)[0]!r}. Name image and label.")
    if rows["image"].duplicated().any():
        twice = rows.loc[rows["image"].duplicated(), "image"].iloc[0]
        raise LabelTableError(f"{table}: {twice!r} stands in two rows. Keep one.")
    given = rows["label"].notna()
    rows["label"] = pd.to_numeric(rows["label"], errors="coerce")
    if (wrong := rows.index[given & rows["label"].isna()]).size:
        raise LabelTableError(
            f"{table}, row {wrong[0] + 2}, column 'label': no number. Use 0, 1 or a score, or "
            "leave the cell blank."
        )
    rows = rows.dropna(subset="label").set_index("image")
    paths = {image: folder / image for image in rows.index}
    inside = folder.resolve()
    for image, path in paths.items():
        if not path.resolve().is_relative_to(inside) or not path.is_file():
            raise ImageFolderError(f"{folder}: no file {image!r} in it, which {table} names.")
    sizes = {image: path.stat().st_size for image, path in paths.items()}
    described = "\n".join(f"{path.resolve()} {sizes[image]}" for image, path in paths.items())
    key = f"own_site-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    sources = (NamedImage(image, image, path.read_bytes) for image, path in paths.items())
    patient = rows["patient"] if "patient" in rows else pd.Series(rows.index, rows.index)
    images = pd.DataFrame({"patient": patient, "bytes": pd.Series(sizes)})
    build = f"shrunken to {SITE_SIZE} px"
    return _site(OWN, build, key, sources, images, rows["label"].astype(float))


def _from_archive(
    name: str, build: str, key: str, images: pd.DataFrame, judged: pd.Series
) -> ImageSet:
    path = dataset(key).path(f"{key}.zip")
    with zipfile.ZipFile(path) as archive:
        # With or without a folder: "kermany_128/test_NORMAL_IM-0001-0001.jpg".
        members = {Path(info.filename).stem: info for info in archive.infolist()}
        infos = [members[Path(image).stem] for image in images.index]

    def sources() -> Iterator[NamedImage]:
        with zipfile.ZipFile(path) as archive:
            for image, info in zip(images.index, infos, strict=True):
                yield NamedImage(image, info.filename, partial(archive.read, info))

    images = images.assign(bytes=[info.file_size for info in infos])
    version = dataset(key).files[path.name][:12]
    return _site(name, build, f"{key}-{version}", sources(), images, judged)


def _site(
    name: str,
    build: str,
    key: str,
    sources: Iterable[NamedImage],
    images: pd.DataFrame,
    judged: pd.Series,
) -> ImageSet:
    # Repeated pixels are left out; what looks inverted may be an unusual child, and stays.
    built = build_pixels(sources, key, SITE_SIZE, len(images), check_inversion=False)
    images = images.reindex(columns=_COLUMNS).loc[built.images]
    labels = {JUDGED: judged.loc[built.images].to_frame(JUDGED)}
    return ImageSet(name, build, built.pixels, images, labels, built.excluded)
