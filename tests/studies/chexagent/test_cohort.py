"""The cohort: features beside the images they are of, and questions that say what labels say."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent.cohort import (
    ABROAD,
    POPULATION,
    _some,
    _some_patients,
    load_cohort,
)
from cxrstudy.studies.chexagent.image_items import held_out_images
from cxrstudy.vision.backbones import BackboneName

NAME = BackboneName()


def test_real_images_and_texts_make_a_cohort(mirror, tmp_path):
    """On few images, of 32 px, and random weights."""
    cohort = load_cohort("", 2400, 32, BackboneName(weights="random"), tmp_path, n_abroad=8, most=3)
    assert cohort.grid.shape == (2408, 5, 1280) and len(cohort.images) == 2408
    assert all(set(item.images) <= set(cohort.images) for item in cohort.items)
    counts = Counter((item.task, item.split) for item in cohort.items)
    assert max(counts.values()) == 3 and len(counts) > 30
    assert len(cohort.second_site) == 8
    assert {item.answer for item in cohort.second_site} == {"yes", "no"}
    assert {len(texts) for texts in cohort.texts.values()} == {3}


def test_features_are_in_the_order_of_the_images(replaced, home, asked_of_texts):
    cohort = load_cohort("own", 200, 8, NAME, "cache", seed=3)
    assert replaced["images"] == ("own", 8) and replaced["captions"] == 3
    assert cohort.home.images.index.tolist() == home.images.index[:200].tolist()
    # One image of each patient of the second site.
    assert replaced["features"] == [("Small", 200, "cache"), ("Away", 3, "cache")]
    assert list(cohort.images[:200]) == home.images.index[:200].tolist()
    assert list(cohort.images[200:]) == [f"{ABROAD}{name}" for name in ("a.png", "c.png", "d.png")]
    assert cohort.grid.shape == (203, 5, 8)
    assert (cohort.grid[:200] == 1).all() and (cohort.grid[200:] == 2).all()
    assert len(set(cohort.images)) == 203
    assert cohort.items[-len(asked_of_texts) :] == asked_of_texts
    assert all(set(item.images) <= set(cohort.images) for item in cohort.items)


@pytest.mark.parametrize(("n_abroad", "expected"), [(0, 3), (2, 2), (-1, 0)])
def test_the_second_site_is_as_large_as_asked(replaced, n_abroad, expected):
    cohort = load_cohort("", 0, 8, NAME, "cache", n_abroad=n_abroad)
    assert len(cohort.second_site) == len(cohort.images) - 300 == expected
    assert (cohort.abroad is None) == (n_abroad < 0)


def test_patients_of_the_second_site_are_drawn_at_random_one_image_each():
    # 100 normal chests, of 50 patients, stand before 40 of one patient each.
    patients = [f"N{number // 2}" for number in range(100)] + [f"P{n}" for n in range(40)]
    images = pd.DataFrame({"patient": patients}, [f"{number:03}.png" for number in range(140)])
    everyone = _some_patients(images, 0, seed=0)
    assert everyone.tolist() == images.index[[*range(0, 100, 2), *range(100, 140)]].tolist()
    assert _some_patients(images, 1000, seed=5).equals(everyone)
    few = [_some_patients(images, 12, seed) for seed in range(8)]
    for drawn in few:
        assert len(drawn) == len(set(drawn)) == 12 and drawn.is_monotonic_increasing
        assert set(drawn) <= set(everyone)
        # Both classes have a part, which the first twelve would not.
        assert {name[:1] for name in images.loc[drawn, "patient"]} == {"N", "P"}
    assert len({tuple(drawn) for drawn in few}) == 8
    assert few[3].equals(_some_patients(images, 12, seed=3))
    # Each patient has the same chance, 12 of 90: of 400 draws 53, give or take 7.
    names = np.concatenate([_some_patients(images, 12, seed) for seed in range(400)])
    counts = pd.Series(names).value_counts().reindex(everyone, fill_value=0)
    assert counts.between(25, 85).all()


def test_some_items_of_each_task_and_side_are_drawn():
    def item(task, split, number):
        return Item(task, f"{number}?", "yes", ("yes", "no"), split=split)

    asked = [("a", "training"), ("a", "training"), ("b", "training"), ("a", "held_out")]
    asked += [("a", "training"), ("b", "training"), ("b", "training"), ("b", "held_out")]
    items = [item(*each, number) for number, each in enumerate(asked)]
    assert _some(items, 0, 0) == _some(items, 3, 0) == items and _some(items, 0, 0) is not items
    for most, each in ((2, [2, 2, 1, 1]), (1, [1, 1, 1, 1])):
        few = _some(items, most, 0)
        keys = [("a", "training"), ("b", "training"), ("a", "held_out"), ("b", "held_out")]
        assert [sum((i.task, i.split) == key for i in few) for key in keys] == each
        assert few == [item for item in items if item in few]
    # Not always the first of a task: these may all have one answer.
    drawn = {item.question for seed in range(20) for item in _some(items, 1, seed)}
    assert {"0?", "1?", "4?"} <= drawn


def test_the_second_site_is_asked_for_opacity_as_its_physicians_say(cohort):
    assert [(item.images, item.answer, item.group) for item in cohort.second_site] == [
        ((f"{ABROAD}a.png",), "yes", "one"),
        ((f"{ABROAD}c.png",), "no", "two"),
        ((f"{ABROAD}d.png",), "yes", "three"),
    ]
    assert {item.question for item in cohort.second_site} == {"Does the image show lung opacity?"}
    assert {item.split for item in cohort.second_site} == {"held_out"}


def test_every_held_out_image_is_asked_for_each_finding(cohort, home):
    held_out = home.images.index[held_out_images(home)]
    labels = home.labels["nlp"]
    terms = {
        "Effusion": ["Effusion"],
        "Cardiomegaly": ["Cardiomegaly"],
        LUNG_OPACITY: ["Pneumonia", "Consolidation", "Infiltration"],
    }
    asked = cohort.population
    assert cohort.asked_of_all.tolist() == held_out.tolist()
    assert len(asked) == 3 * len(held_out) == len(set(asked))
    for item in asked:
        (image,) = item.images
        assert image in held_out and item.split == "held_out" and item.task == POPULATION
        shown = labels.loc[image, terms[item.about]].any()
        assert item.answer == ("yes" if shown else "no") and item.options == ("yes", "no")
        assert item.about.lower() in item.question
        assert item.group == str(home.images["patient"][image])
    answers = Counter((item.about, item.answer) for item in asked)
    assert len(answers) == 6


def test_a_small_cohort_keeps_some_of_each_task_and_side(replaced, cohort):
    few = load_cohort("", 0, 8, NAME, "cache", seed=3, most=2)
    counts = Counter((item.task, item.split) for item in few.items)
    whole = Counter((item.task, item.split) for item in cohort.items)
    assert counts == {key: min(n, 2) for key, n in whole.items()}
    # They keep their order.
    places = [cohort.items.index(item) for item in few.items]
    assert places == sorted(places)
    assert few.captions["split"].value_counts().to_dict() == {"training": 2, "held_out": 2}
    assert {side: len(texts) for side, texts in few.texts.items()} == {"training": 2, "held_out": 2}
    assert len(few.asked_of_all) == 20 and len(few.population) == 60
    assert len(few.grid) == len(cohort.grid)


def test_the_sides_are_what_they_are_called(cohort, home):
    training, held_out = cohort.of("training"), cohort.of("held_out")
    assert len(training) + len(held_out) == len(cohort.items) and training and held_out
    assert {item.split for item in held_out} == {"held_out"}
    assert set(cohort.texts) == {"training", "held_out"}
    groups = [{item.group for item in side} for side in (training, held_out)]
    assert groups[0].isdisjoint(groups[1])
