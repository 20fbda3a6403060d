"""Images of home and of a second hospital with their features, and everything that is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet, load_images
from cxrstudy.data.images.sites import JUDGED, load_kermany
from cxrstudy.experiments.image_labels import LUNG_OPACITY, report_labels, study_images
from cxrstudy.multimodal.items import Item, Split
from cxrstudy.studies.chexagent.image_items import held_out_images, image_items
from cxrstudy.studies.chexagent.text_items import text_items
from cxrstudy.studies.chexagent.texts import label_matched_captions, report_texts
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.grid import grid_features

POPULATION, SECOND_SITE = "population", "second_site"

ABROAD = "second site/"  # before the ids of the second site's images

_POPULATION = 10

YES_NO = ("yes", "no")
ASKED_OF_ALL = {
    "Effusion": "effusion",
    "Cardiomegaly": "cardiomegaly",
    LUNG_OPACITY: "lung opacity",
}
"""Findings that every held-out image is asked for, and how a question names them."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Images of home and of the second site with their features, and everything that is asked."""

    home: ImageSet
    abroad: ImageSet | None  # one image of each patient
    items: Sequence[Item]  # of all tasks, training and held out
    captions: pd.DataFrame
    texts: Mapping[str, Sequence[str]]  # reports by side of the split
    asked_of_all: pd.Index  # held-out images that make up the population
    images: Sequence[str]  # ids of home and then of the second site, as the grid's rows
    grid: np.ndarray  # (n_images, n_places, n_channels), float16

    def of(self, split: str) -> list[Item]:
        """Return the items of one side of the split."""
        return [item for item in self.items if item.split == split]

    @property
    def population(self) -> list[Item]:
        """Ask every held-out image for three findings."""
        held_out = self.asked_of_all
        nlp = self.home.labels["nlp"].loc[held_out]
        truth = {name: nlp[name] for name in ("Effusion", "Cardiomegaly")}
        truth[LUNG_OPACITY] = report_labels(self.home)[held_out]
        return [
            _finding_question(POPULATION, name, image, positive, str(patient))
            for name in ASKED_OF_ALL
            for image, positive, patient in zip(
                held_out, truth[name], self.home.images.loc[held_out, "patient"], strict=True
            )
        ]

    @property
    def second_site(self) -> list[Item]:
        """Ask the second site's images for lung opacity; its physicians say who has it."""
        if self.abroad is None:
            return []
        judged = self.abroad.labels[JUDGED][JUDGED]
        patients = self.abroad.images["patient"]
        return [
            _finding_question(SECOND_SITE, LUNG_OPACITY, f"{ABROAD}{image}", positive, str(patient))
            for image, positive, patient in zip(judged.index, judged, patients, strict=True)
        ]


def load_cohort(
    images: str,
    n_images: int,
    image_size: int,
    backbone: BackboneName,
    folder: str | Path,
    seed: int = 0,
    n_abroad: int = 0,
    most: int = 0,
) -> Cohort:
    """Load the images, compute their features once, and draw all items.

    Parameters
    ----------
    images : str
        Own folder of NIH images; empty for the block of the registry.
    n_images : int
        Images of the block; 0 for all.
    image_size : int
        Edge in pixels.
    backbone : BackboneName
        The frozen network.
    folder : path
        Keeps the features.
    seed : int
        Of the items.
    n_abroad : int
        Patients of the second site, drawn at random, one image each; 0 for all, -1 for none.
    most : int
        Items of each task on each side, captions and texts, and ten times as many images of the
        population; 0 for all.

    Returns
    -------
    Cohort
    """
    home = study_images(load_images(images, image_size), n_images, image_size)
    items = _some([*image_items(home, seed), *text_items(home, seed)], most, seed)
    captions, _ = label_matched_captions(home, seed)
    captions = captions.groupby("split").head(most) if most else captions
    texts = {split: report_texts(split)[: most or None] for split in get_args(Split)}
    everyone = home.images.index[held_out_images(home)][: _POPULATION * most or None]
    grids, ids, abroad = [grid_features(home, backbone, folder)], list(home.images.index), None
    if n_abroad >= 0:
        site = load_kermany()
        abroad = site.subset(_some_patients(site.images, n_abroad, seed)).resized(image_size)
        grids.append(grid_features(abroad, backbone, folder))
        ids += [f"{ABROAD}{image}" for image in abroad.images.index]
    return Cohort(home, abroad, items, captions, texts, everyone, ids, np.concatenate(grids))


def _some_patients(images: pd.DataFrame, most: int, seed: int) -> pd.Index:
    """Draw so many patients and take the first image of each, in order; all if `most` is 0.

    The table begins with hundreds of normal chests, which alone would have no AUROC.
    """
    first = images.index[~images["patient"].duplicated()]
    drawn = np.random.default_rng(seed).permutation(len(first))[: most or None]
    return first[np.sort(drawn)]


def _some(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """Draw so many items of each task and side, and keep their order; all if `most` is 0.

    The first ones will not do: a task's items may stand in the order of their answers.
    """
    if not most:
        return list(items)
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in np.random.default_rng(seed).permutation(len(items)):
        key = items[row].task, items[row].split
        taken[key] += 1
        if taken[key] <= most:
            kept.append(row)
    return [items[row] for row in sorted(kept)]


def _finding_question(task: str, about: str, image: str, positive: float, patient: str) -> Item:
    return Item(
        task=task,
        question=f"Does the image show {ASKED_OF_ALL[about]}?",
        answer=YES_NO[0] if positive else YES_NO[1],
        options=YES_NO,
        images=(image,),
        about=about,
        group=patient,
        split="held_out",
    )
