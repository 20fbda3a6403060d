"""Make what lies in `data/` from its sources; `data/README.md` says where these come from.

    python scripts/make_box.py SOURCES

SOURCES is a folder with the source files below it, in the folders that the copies have here. Copies
are byte for byte; the tables hold fewer columns or rows, and no value is changed.
"""

import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from cxrstudy.paths import in_project

COPIES = ("nih/nih_block_128.zip", "weights/mobilenet_v2_imagenet_rot180.safetensors")


def main(sources: Annotated[Path, typer.Argument(help="Folder of the source files.")]) -> None:
    """Write every file of `data/` anew."""
    box = in_project("data")
    for file in COPIES:
        (box / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sources / file, box / file)
    write_nih_table(sources / "nih/nih_block_128.csv", box / "nih/nih_block_128_images.csv")
    (box / "rsna").mkdir(exist_ok=True)
    matches = read_matches(sources / "rsna/rsnamatches.pkl")
    matches.to_parquet(box / "rsna/rsna_nih_matches.parquet", compression="zstd")
    (box / "kermany").mkdir(exist_ok=True)
    write_kermany_test(sources / "kermany/kermany_128", box / "kermany/kermany_test_128")


def write_nih_table(source: Path, target: Path) -> None:
    """Leave out what RSNA's and Google's readers say: it is joined when the images are read."""
    table = pd.read_csv(source, dtype=str)
    others = [name for name in table if name.startswith(("rsna_", "google_"))]
    table.drop(columns=others).to_csv(target, index=False)


def read_matches(source: Path) -> pd.DataFrame:
    """Tabulate RSNA's matches as class, error and NIH image, indexed by RSNA image.

    A match such as ``{"info": ["Normal"], "mse": 0.5, "cxr_match": "a.png"}`` gives the class once
    for each box.
    """
    with source.open("rb") as file:
        matches = _NumbersAndText(file).load()
    rows = []
    for match in matches.values():
        (kind,) = set(match["info"])
        rows.append((kind, float(match["mse"]), match["cxr_match"]))
    index = pd.Index(list(matches), name="rsna_image")
    return pd.DataFrame(rows, index, ["class", "error", "image"])


class _NumbersAndText(pickle.Unpickler):
    """A pickle may call any function that it can name; this one finds numpy's numbers only."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module.endswith("multiarray") and name == "scalar":
            return np.float64(0).__reduce__()[0]
        raise pickle.UnpicklingError(f"names {module}.{name}: only numbers and text are read")


def write_kermany_test(source: Path, target: Path) -> None:
    """Keep the images of the test split, as they are."""
    table = pd.read_csv(source.with_suffix(".csv"), dtype=str)
    test = table[table["split"] == "test"]
    test.to_csv(target.with_suffix(".csv"), index=False)
    with (
        zipfile.ZipFile(source.with_suffix(".zip")) as whole,
        zipfile.ZipFile(target.with_suffix(".zip"), "w") as part,
    ):
        for image in test["image"]:
            part.writestr(whole.getinfo(image), whole.read(image))


if __name__ == "__main__":
    typer.run(main)
