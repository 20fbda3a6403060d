"""The picture of the landing page: one public X-ray to which three sources give three answers."""

import io
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxrstudy.data.images.nih_block import BLOCK, BLOCK_FILE, block_images
from cxrstudy.data.nih_experts import (
    LUNG_OPACITY,
    NO_FINDING,
    PNEUMONIA_LIKE,
    load_google,
    load_nih,
    load_rsna,
)
from cxrstudy.data.registry import dataset
from cxrstudy.figures.style import use_book_style

CREDIT = "NIH Clinical Center"
_OPACITY_OF_GOOGLE = "Airspace opacity"
_ABNORMAL_OF_RSNA = "No Lung Opacity / Not Normal"
_INCHES, _DOTS = (12, 6.3), 100  # 1200 x 630, the shape in which links are previewed
_COLUMNS = 56


@dataclass(frozen=True)
class Hero:
    """An image with what three sources say of it, and how often they agree elsewhere."""

    image: str  # name by the NIH
    jpeg: bytes
    answers: Mapping[str, str]  # what each source says
    n_read: int  # images of the block that all three labeled
    n_agree: int  # of these, images with one answer to whether a lung is opaque


def hero() -> Hero:
    """Find the first image of the block that is unremarkable, abnormal and opaque at once."""
    google = pd.concat(load_google().values())
    rsna, nih = load_rsna().labels, load_nih()
    images = block_images().intersection(rsna.index).intersection(google.index)
    google, rsna, report = (table.loc[images] for table in (google, rsna, nih.labels))
    opaque = pd.DataFrame(
        {
            "report": nih.any_of(PNEUMONIA_LIKE).loc[images],
            "rsna": rsna[LUNG_OPACITY],
            "google": google[_OPACITY_OF_GOOGLE],
        }
    )
    three = report[NO_FINDING] * rsna[_ABNORMAL_OF_RSNA] * google[_OPACITY_OF_GOOGLE]
    image = images[three == 1][0]
    answers = {
        "Report software": _said(report.loc[image]),
        "RSNA's readers": _said(rsna.loc[image]),
        "Google's panel": _said(google.loc[image]),
    }
    with zipfile.ZipFile(dataset(BLOCK).path(BLOCK_FILE)) as archive:
        jpeg = archive.read(f"{BLOCK}/{PurePosixPath(image).stem}.jpg")
    agreed = opaque.eq(opaque["report"], axis=0).all(axis=1)
    return Hero(image, jpeg, answers, len(images), int(agreed.sum()))


def draw_preview(path: Path, shown: Hero | None, title: str, text: str) -> None:
    """Draw the picture of the README and of shared links; its file carries the text."""
    use_book_style()
    figure = plt.figure(figsize=_INCHES, dpi=_DOTS, layout="none")
    if shown:
        panel = figure.add_axes((0.03, 0.11, 0.42, 0.8), frame_on=False, xticks=[], yticks=[])
        with Image.open(io.BytesIO(shown.jpeg)) as image:
            panel.imshow(image, cmap="gray", interpolation="bicubic")
        panel.set_xlabel(f"{shown.image}, {CREDIT}", loc="left")
    body = "\n".join(textwrap.fill(line, _COLUMNS) for line in text.splitlines())
    figure.text(0.48, 0.91, textwrap.fill(title, _COLUMNS // 2), size=24, weight="bold", va="top")
    figure.text(0.48, 0.72, body, size=15, va="top", linespacing=1.35)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS)
    plt.close(figure)
    said = PngInfo()
    said.add_text("Description", text)
    # It is all grey, and a third of the bytes without the colours.
    Image.open(drawn).convert("L").save(path, pnginfo=said, optimize=True)


def text_of_preview(path: Path) -> str:
    """Read the text that a preview carries, by which it is seen to be current."""
    if not path.exists():
        return ""
    with Image.open(path) as image:
        return image.info["Description"]


def _said(labels: pd.Series) -> str:
    return ", ".join(labels.index[labels == 1]).lower()
