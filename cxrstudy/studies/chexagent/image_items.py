"""Questions about real images, answered by real labels and held out by patient.

Each task of ``instructions.yaml`` has cases: images with their right answer. Items are drawn from
the cases so that in each half of the split, and in each view where the task is matched, every
answer is equally frequent. A task without cases has no items: `item_counts` shows it.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, get_args
from zlib import crc32

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from cxrstudy.data.images import ImageSet
from cxrstudy.multimodal.items import Item, Split
from cxrstudy.studies.chexagent.image_cases import AND, CASES, CaseSource, rsna_boxes

HELD_OUT_SALT = "chexagent held out"
HELD_OUT_SHARE = 4
"""One patient in so many is held out."""


def image_items(
    image_set: ImageSet, seed: int = 0, boxes: pd.DataFrame | None = None
) -> list[Item]:
    """Ask every question on images of ``instructions.yaml``.

    Parameters
    ----------
    image_set : ImageSet
        With the NIH's text-mined labels as ``nlp``.
    seed : int
        Of the drawing; each task and half of the split has a random stream of its own.
    boxes : DataFrame, optional
        As `rsna_boxes` returns them, which are read if this is not given.

    Returns
    -------
    list of Item
        In the order of the tasks, training before held out. No task asks about the same images
        twice, and no patient is on both sides.

    Raises
    ------
    DataNotAvailableError, CorruptDataError
        If the boxes are to be read and a file is nowhere, or its bytes are not the pinned ones.
    """
    boxes = rsna_boxes() if boxes is None else boxes
    held_out = held_out_images(image_set)
    source = CaseSource(image_set.images.assign(held_out=held_out), image_set.labels["nlp"], boxes)
    items: list[Item] = []
    for name, task in instructions()["tasks"].items():
        cases, options = CASES[task["kind"]](source, task)
        cases = cases.assign(held_out=source.images["held_out"].reindex(cases.index))
        # The order of the images changes nothing.
        cases = cases.sort_values("images", kind="stable")
        for split in get_args(Split):
            rng = np.random.default_rng([seed, crc32(f"{name} {split}".encode())])
            part = cases[cases["held_out"] == (split == "held_out")]
            part = part.iloc[rng.permutation(len(part))].drop_duplicates("images")
            cap = task["cap"][split]
            drawn = (
                draw_balanced(part, options, task.get("matched_by", []), cap, rng)
                if options
                else draw_choices(part, task["options"], cap, rng)
            )
            items += [_item(name, task, case, split, rng) for case in drawn]
    return items


def held_out_images(image_set: ImageSet) -> NDArray[np.bool_]:
    """Mark the images of the patients that are held out from all training.

    Parameters
    ----------
    image_set : ImageSet

    Returns
    -------
    ndarray of bool, shape (n_images,)
    """
    return image_set.folds(HELD_OUT_SHARE, HELD_OUT_SALT) == 0


@cache
def instructions() -> Mapping[str, Any]:
    """Read ``instructions.yaml``.

    Returns
    -------
    mapping
        ``tasks``, ``text_tasks`` and ``chexinstruct``, as the file explains them.
    """
    return yaml.safe_load(files(__package__).joinpath("instructions.yaml").read_text("utf-8"))


def chexinstruct_table() -> pd.DataFrame:
    """Tabulate which of the paper's tasks this study covers.

    Returns
    -------
    DataFrame
        One row for each of the 33 tasks: category, task, covered_by (names of our tasks, or
        empty), data, and why it is not covered (or empty).
    """
    return pd.DataFrame(
        [
            {
                "category": category,
                "task": name,
                "covered_by": ", ".join(row.get("covered", [])),
                "data": row.get("data", ""),
                "why_not": row.get("not covered", ""),
            }
            for category, rows in instructions()["chexinstruct"].items()
            for name, row in rows.items()
        ]
    )


def draw_balanced(
    cases: pd.DataFrame,
    options: tuple[str, ...],
    matched_by: list[str],
    cap: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Draw equally many cases of each answer, within equal values of some columns.

    The cases are in random order; there are no more than `cap`. A case whose answer is no option,
    or that lacks a value to match, is never drawn.
    """
    cases = cases[cases["answer"].isin(options)].dropna(subset=matched_by)
    # The first cases of each answer in a stratum are one set, the second ones another.
    place = cases.groupby([*matched_by, "answer"]).cumcount()
    code = cases.assign(place=place).groupby([*matched_by, "place"]).ngroup()
    whole = code.groupby(code).size() == len(options)
    chosen = rng.permutation(whole.index[whole])[: cap // len(options)]
    drawn = cases[code.isin(chosen)]
    return [row | {"options": options} for row in drawn.to_dict("records")]


def draw_choices(
    cases: pd.DataFrame, n_options: int, cap: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Draw some answers by frequency, then the right one with equal chances, then its case.

    Given the options, each is equally likely to be right, so that who sees no image can only
    guess. Frequency counts the cases that are left; no case is drawn twice. No option is part of
    another one, as "effusion and mass" is of "effusion and mass and nodule". Drawing ends at the
    cap, or when too few different answers are left.
    """
    left = {answer: rows.to_dict("records") for answer, rows in cases.groupby("answer", sort=True)}
    drawn: list[dict[str, Any]] = []
    while len(drawn) < cap:
        names = [answer for answer, rows in left.items() if rows]
        # In order of these times, answers are drawn without replacement by frequency.
        times = rng.exponential(size=len(names)) / [len(left[name]) for name in names]
        offered = list(_none_within_another((names[i] for i in np.argsort(times)), n_options))
        if len(offered) < n_options:
            break
        options = tuple(rng.permutation(offered).tolist())
        answer = options[rng.integers(n_options)]
        drawn.append(left[answer].pop() | {"options": options})
    return drawn


def _none_within_another(names: Iterable[str], n: int) -> Iterator[str]:
    taken: list[set[str]] = []
    for name in names:
        terms = set(name.split(AND))
        if len(taken) < n and not any(terms <= other or other <= terms for other in taken):
            taken.append(terms)
            yield name


def _item(
    name: str, task: Mapping[str, Any], case: dict[str, Any], split: Split, rng: np.random.Generator
) -> Item:
    wording = task["questions"][rng.integers(len(task["questions"]))]
    *first, last = case["options"]
    listed = f"{', '.join(first)} or {last}"
    return Item(
        task=name,
        question=wording.format(about=case["about"].lower(), options=listed),
        answer=case["answer"],
        options=case["options"],
        images=case["images"],
        about=case["about"],
        group=str(case["patient"]),
        split=split,
    )
