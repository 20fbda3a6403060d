"""Cases of each task on images: the images that a question shows, with the right answer.

What an answer is read from stands in ``instructions.yaml``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from cxrstudy.data.nih_experts import NIH_FINDINGS, keep_one_for_each_image, load_rsna
from cxrstudy.data.registry import dataset

BOX_IMAGE_SIZE = 1024
"""Edge of the images, in pixels, in which RSNA drew its boxes."""

AND = " and "
"""Between the findings of a set."""

_BOX_COLUMNS = ["image", "x", "y", "width", "height"]
_OPACITY = "Lung Opacity"


@cache
def rsna_boxes() -> pd.DataFrame:
    """Read RSNA's boxes of lung opacity under the NIH's image names.

    Returns
    -------
    DataFrame
        Columns image, x, y, width and height, in pixels of images of `BOX_IMAGE_SIZE`; x counts
        from the left of the image, which is the patient's right.

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        If a file is nowhere, or its bytes are not the pinned ones.
    """
    candidates = pd.read_parquet(dataset("rsna_nih_matches").path("rsna_nih_matches.parquet"))
    known = candidates["image"].isin(load_rsna().labels.index)
    matched = keep_one_for_each_image(candidates[known])
    labels = pd.read_csv(
        dataset("rsna_2018_labels").path("data/kaggle_stage_2_train_labels.csv.zip")
    )
    boxes = labels[labels["Target"] == 1].join(matched["image"], on="patientId", how="inner")
    return boxes[_BOX_COLUMNS].sort_values(_BOX_COLUMNS, ignore_index=True)


def age_bands(ages: Iterable[float]) -> tuple[int, int]:
    """Return the ages at which the second and the third of three equally large bands begin.

    Missing ages are left out.

    >>> age_bands([20, 30, 40, 50, 60, 70, 80])
    (40, 60)
    """
    known = np.asarray(list(ages), float)
    known = known[~np.isnan(known)]
    if not len(known):
        raise ValueError("age_bands needs at least one known age")
    second, third = np.quantile(known, [1 / 3, 2 / 3]).round().astype(int).tolist()
    return second, third


def age_options(second: int, third: int) -> tuple[str, str, str]:
    """Name the bands of `age_bands`.

    >>> age_options(40, 60)
    ('under 40', '40 to 59', 'over 59')
    """
    return f"under {second}", f"{second} to {third - 1}", f"over {third - 1}"


@dataclass(frozen=True, eq=False)
class CaseSource:
    """What cases are made of: tables on one index, but for the boxes."""

    images: pd.DataFrame  # patient, view, sex, age and held_out
    labels: pd.DataFrame  # 1 and 0, the NIH's columns
    boxes: pd.DataFrame  # see `rsna_boxes`

    def cases(self, answers: pd.Series, about: str = "") -> pd.DataFrame:
        """Ask about single images what these answers say; none where the answer is missing."""
        answers = answers.dropna()
        images = self.images.loc[answers.index, ["patient", "view"]]
        names = [(image,) for image in answers.index]
        return images.assign(answer=answers, about=about, images=names)


Cases = tuple[pd.DataFrame, tuple[str, ...]]  # Cases; options, empty if they are drawn


def _fixed(task: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(task["options"])


def _view(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    return source.cases(source.images["view"]), _fixed(task)


def _sex(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    return source.cases(source.images["sex"].map({"F": "female", "M": "male"})), _fixed(task)


def _age(source: CaseSource, _: Mapping[str, Any]) -> Cases:
    age = source.images["age"]
    bands = age_bands(age[~source.images["held_out"]])
    options = age_options(*bands)
    place = pd.Series(np.searchsorted(bands, age, side="right"), age.index)
    return source.cases(place.map(dict(enumerate(options))).where(age.notna())), options


def _finding(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    present = source.labels[task["terms"]].max(axis=1)
    return source.cases(present.map({1: "yes", 0: "no"}), task["about"]), _fixed(task)


def _named_findings(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    present = source.labels[list(NIH_FINDINGS)] == 1
    present = present[present.sum(axis=1).between(*task["n_findings"])]
    words = present.columns.str.replace("_", " ").str.lower()
    named = [AND.join(words[row]) for row in present.to_numpy()]
    return source.cases(pd.Series(named, present.index, dtype=object)), ()


def _temporal(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    # The number after the patient's counts the follow-ups: "00000001_002.png".
    images = source.images.sort_index().assign(name=source.images.index.sort_values())
    after = images.groupby("patient")[["name", "view"]].shift(-1).dropna(subset="name")
    first = images.loc[after.index]
    before, now = (
        source.labels.loc[index, task["terms"]] for index in (first.index, after["name"])
    )
    change = pd.DataFrame(now.to_numpy() - before.to_numpy(), first.index, task["terms"])
    pairs = first[["patient"]].assign(
        images=list(zip(first.index, after["name"], strict=True)),
        # "APPA": missing where a view is.
        views=first["view"] + after["view"],
    )
    words = {1: "appear", -1: "resolve"}
    cases = [pairs.assign(about=term, answer=change[term].map(words)) for term in change]
    return pd.concat(cases).dropna(subset="answer"), _fixed(task)


def _placed_boxes(source: CaseSource) -> pd.DataFrame:
    boxes = source.boxes[source.boxes["image"].isin(source.images.index)]
    middle = BOX_IMAGE_SIZE / 2
    # The patient faces the viewer.
    on_right = boxes["x"] + boxes["width"] / 2 < middle
    above = boxes["y"] + boxes["height"] / 2 < middle
    return boxes.assign(
        side=np.where(on_right, "right", "left"), half=np.where(above, "upper", "lower")
    )


def _side(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    sides = _placed_boxes(source).drop_duplicates(["image", "side"])
    sides = sides.drop_duplicates("image", keep=False).set_index("image")["side"]
    return source.cases(sides, _OPACITY), _fixed(task)


def _quadrant(source: CaseSource, task: Mapping[str, Any]) -> Cases:
    boxes = _placed_boxes(source)
    boxes = boxes.assign(area=boxes["width"] * boxes["height"]).sort_values("area", kind="stable")
    largest = boxes.drop_duplicates("image", keep="last").set_index("image")
    return source.cases(largest["half"] + " " + largest["side"], _OPACITY), _fixed(task)


CASES: Mapping[str, Callable[[CaseSource, Mapping[str, Any]], Cases]] = {
    "view": _view,
    "sex": _sex,
    "age": _age,
    "finding": _finding,
    "named_findings": _named_findings,
    "temporal": _temporal,
    "side": _side,
    "quadrant": _quadrant,
}
"""Kind of a task to what makes its cases."""
