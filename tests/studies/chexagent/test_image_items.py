"""Questions on images: true to the labels, apart by patient, and closed to guessing."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import NIH_FINDINGS, NO_FINDING
from cxrstudy.experiments.image_labels import LUNG_OPACITY, NIH_TERMS
from cxrstudy.published.papers import paper
from cxrstudy.studies.chexagent.image_cases import age_bands, age_options
from cxrstudy.studies.chexagent.image_items import (
    chexinstruct_table,
    draw_balanced,
    draw_choices,
    held_out_images,
    image_items,
    instructions,
)

TASKS = instructions()["tasks"]
FINDING_TASKS = [name for name, task in TASKS.items() if task["kind"] == "finding"]


def item_counts(items) -> pd.DataFrame:
    """Items of each task and side, 0 where there are none."""
    counts = Counter((item.task, item.split) for item in items)
    sides = ("training", "held_out")
    return pd.DataFrame({side: {task: counts[task, side] for task in TASKS} for side in sides})


def by_task(items):
    grouped = defaultdict(list)
    for item in items:
        grouped[item.task].append(item)
    return grouped


def draw_boxes(images: pd.Index) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 800, (len(images), 2))
    return pd.DataFrame(
        {"image": images, "x": corners[:, 0], "y": corners[:, 1], "width": 100.0, "height": 100.0}
    )


@pytest.fixture(scope="module")
def small(draw_image_set):
    return draw_image_set(300)


@pytest.fixture(scope="module")
def boxes(small):
    return draw_boxes(small.images.index[:120])


@pytest.fixture(scope="module")
def items(small, boxes):
    return image_items(small, 3, boxes)


@pytest.fixture(scope="module")
def block(mirror):
    from cxrstudy.data.images import load_nih_block

    return load_nih_block()


@pytest.fixture(scope="module")
def block_items(block):
    return image_items(block, 0)


def test_every_task_is_asked_in_both_halves_of_a_small_set(items):
    counts = item_counts(items)
    assert counts.index.tolist() == list(TASKS)
    assert (counts["held_out"] > 0).all()
    held_out_only = pd.Series(
        {name: task["split"].endswith("held out only") for name, task in TASKS.items()}
    )
    assert ((counts["training"] == 0) == held_out_only).all()
    assert counts[["training", "held_out"]].to_numpy().sum() == len(items)


def test_a_task_without_cases_is_counted_as_zero(small):
    nobody = pd.DataFrame(columns=["image", "x", "y", "width", "height"])
    few = image_items(small.subset(small.images.index[:12]), 0, nobody)
    counts = item_counts(few)
    assert (counts.loc[["side", "quadrant"]] == 0).all(axis=None)
    assert counts[["training", "held_out"]].to_numpy().sum() == len(few) > 0


def test_answers_are_what_the_tables_say(small, boxes, items):
    images, labels = small.images, small.labels["nlp"]
    placed = boxes.set_index("image")
    bands = age_bands(images["age"][~held_out_images(small)])
    for item in items:
        task, (first, *rest) = TASKS[item.task], item.images
        assert item.group == str(images["patient"][first])
        present = [name.replace("_", " ").lower() for name in NIH_FINDINGS if labels[name][first]]
        if task["kind"] == "view":
            assert item.answer == images["view"][first]
        elif task["kind"] == "sex":
            assert item.answer[0].upper() == images["sex"][first]
        elif task["kind"] == "age":
            age = images["age"][first]
            assert item.answer == age_options(*bands)[(age >= bands[0]) + int(age >= bands[1])]
        elif task["kind"] == "finding":
            shown = labels.loc[first, task["terms"]].any()
            assert item.answer == ("yes" if shown else "no")
            assert item.about.lower() in item.question
        elif task["kind"] == "named_findings":
            assert item.answer.split(" and ") == present
            assert all(option in item.question for option in item.options)
        elif task["kind"] == "temporal":
            (second,) = rest
            was, is_now = labels[item.about][first], labels[item.about][second]
            assert (was, is_now) == ((0, 1) if item.answer == "appear" else (1, 0))
            assert images["patient"][first] == images["patient"][second]
        else:
            # Drawn boxes are 100 wide; the patient's right is on the left of the image.
            side = "right" if placed["x"][first] + 50 < 512 else "left"
            half = "upper" if placed["y"][first] + 50 < 512 else "lower"
            assert item.answer == (side if task["kind"] == "side" else f"{half} {side}")


def assert_no_patient_on_both_sides(image_set: ImageSet, items) -> None:
    held_out = dict(zip(image_set.images.index, held_out_images(image_set), strict=True))
    sides = defaultdict(set)
    for item in items:
        assert {held_out[image] for image in item.images} == {item.split == "held_out"}
        sides[item.group].add(item.split)
    assert all(len(own) == 1 for own in sides.values())


def assert_nothing_is_asked_twice(items) -> None:
    assert max(Counter((item.task, item.images) for item in items).values()) == 1


def assert_answers_are_balanced(image_set: ImageSet, items) -> None:
    view_of = image_set.images["view"].to_dict()
    for name, own in by_task(items).items():
        matched = TASKS[name].get("matched_by", [])
        if TASKS[name]["kind"] == "named_findings":
            continue
        cells = defaultdict(Counter)
        for item in own:
            views = "".join(view_of[image] for image in item.images)
            keys = {"view": views, "views": views, "about": item.about}
            cells[item.split, *(keys[key] for key in matched)][item.answer] += 1
        for counts in cells.values():
            assert set(counts) == set(own[0].options)
            assert len(set(counts.values())) == 1


def assert_caps_hold(items) -> None:
    counts = item_counts(items)
    caps = pd.DataFrame({name: task["cap"] for name, task in TASKS.items()}).T
    assert (counts["training"] <= caps["training"]).all()
    assert (counts["held_out"] <= caps["held_out"]).all()


def test_drawn_items_keep_every_rule(small, items):
    assert_no_patient_on_both_sides(small, items)
    assert_nothing_is_asked_twice(items)
    assert_answers_are_balanced(small, items)
    assert_caps_hold(items)


def test_only_matched_tasks_are_equal_within_views(draw_image_set):
    """More of the images from AP are opaque, so without matching the view tells."""
    image_set = draw_image_set(1200)
    items = by_task(image_items(image_set, 0, draw_boxes(pd.Index([]))))
    views = image_set.images["view"]
    share = {}
    for name in ("lung_opacity_matched", "lung_opacity_unmatched"):
        ap = [
            item.answer for item in items[name]
            if item.split == "held_out" and views[item.images[0]] == "AP"
        ]  # fmt: skip
        share[name] = ap.count("yes") / len(ap)
    assert share["lung_opacity_matched"] == 0.5
    assert share["lung_opacity_unmatched"] > 0.55


def test_the_same_seed_draws_the_same_items_and_another_one_others(small, boxes, items):
    assert image_items(small, 3, boxes) == items
    assert image_items(small, 4, boxes) != items


def test_the_order_of_the_images_changes_nothing(small, boxes, items):
    reordered = small.subset(small.images.index[::-1])
    assert image_items(reordered, 3, boxes) == items


def test_guessing_by_frequency_does_not_find_the_drawn_answer(rng):
    """Frequencies are skewed, and whoever guesses the most, or the least, frequent gets 1 in 4."""
    sizes = {"a": 900, "b": 500, "c": 300, "d": 200, "e": 120, "f": 80, "g": 60, "h": 40}
    answers = [name for name, size in sizes.items() for _ in range(size)]
    cases = pd.DataFrame({"answer": answers, "image": range(len(answers))})
    drawn = draw_choices(cases, 4, 1200, rng)
    assert len(drawn) == 1200
    tolerance = 3.5 * np.sqrt(0.25 * 0.75 / len(drawn))
    for guess in (max, min):
        right = np.mean([guess(row["options"], key=sizes.get) == row["answer"] for row in drawn])
        assert right == pytest.approx(0.25, abs=tolerance)
    for place in range(4):
        right = np.mean([row["options"][place] == row["answer"] for row in drawn])
        assert right == pytest.approx(0.25, abs=tolerance)
    assert len({row["image"] for row in drawn}) == len(drawn)
    # Frequent findings are still asked more often.
    asked = Counter(row["answer"] for row in drawn)
    assert asked["a"] > asked["d"] > asked["h"]


def test_no_option_is_part_of_another(rng):
    sets = ["effusion and mass", "effusion and mass and nodule", "edema and mass", "a and b"]
    cases = pd.DataFrame({"answer": sets * 20, "image": range(80)})
    drawn = draw_choices(cases, 3, 100, rng)
    assert drawn
    for row in drawn:
        assert len({"effusion and mass", "effusion and mass and nodule"} & set(row["options"])) == 1
    assert draw_choices(cases, 4, 100, rng) == []


def test_choices_end_when_too_few_answers_are_left(rng):
    cases = pd.DataFrame({"answer": list("aaaaab"), "image": range(6)})
    drawn = draw_choices(cases, 2, 100, rng)
    assert sum(row["answer"] == "b" for row in drawn) == 1
    assert drawn[-1]["answer"] == "b"


def test_balanced_drawing_by_hand(rng):
    cases = pd.DataFrame(
        [("yes", "AP"), ("yes", "AP"), ("no", "AP"), ("no", "PA"), ("no", "PA"), ("yes", None)],
        columns=["answer", "view"],
    ).assign(image=range(6))
    matched = draw_balanced(cases, ("yes", "no"), ["view"], 100, rng)
    # One pair in AP; PA has no positive, and a missing view matches nothing.
    assert sorted((row["answer"], row["view"]) for row in matched) == [("no", "AP"), ("yes", "AP")]
    unmatched = draw_balanced(cases, ("yes", "no"), [], 100, rng)
    assert Counter(row["answer"] for row in unmatched) == {"yes": 3, "no": 3}
    assert len(draw_balanced(cases, ("yes", "no"), [], 5, rng)) == 4
    assert draw_balanced(cases, ("yes", "no"), [], 0, rng) == []


def test_questions_are_short_and_say_what_the_answers_are(items):
    for item in items:
        words = item.question
        for option in item.options:
            words = words.replace(option, "")
        assert len(words.split()) <= 15, item.question
        assert item.question.endswith("?")
        assert "{" not in item.question


def test_the_book_s_terms_of_lung_opacity_are_asked_for():
    assert set(TASKS["lung_opacity_matched"]["terms"]) == set(NIH_TERMS[LUNG_OPACITY])
    known = {*NIH_FINDINGS, NO_FINDING}
    assert all(set(task.get("terms", [])) <= known for task in TASKS.values())


def test_every_task_of_the_paper_is_covered_or_says_why_not():
    table = chexinstruct_table()
    assert len(table) == paper("chexagent")["facts"]["tasks_in_figure"]["value"]
    assert table["task"].is_unique
    categories = table["category"].value_counts(sort=False).to_dict()
    assert categories == {
        "coarse-grained": 4,
        "fine-grained": 10,
        "text generation": 9,
        "question answering": 4,
        "misc": 6,
    }
    covered = table["covered_by"] != ""
    assert (covered ^ (table["why_not"] != "")).all()
    assert ((table["data"] != "") == covered).all()
    named = [name for row in table["covered_by"][covered] for name in row.split(", ")]
    assert sorted(named) == sorted([*TASKS, *instructions()["text_tasks"]])
    # A task of ours is of the category that it covers a task of.
    places = {
        name: row.category for row in table.itertuples() for name in row.covered_by.split(", ")
    }
    assert all(places[name] == task["category"] for name, task in TASKS.items())


def test_the_block_keeps_every_rule(block, block_items):
    assert_no_patient_on_both_sides(block, block_items)
    assert_nothing_is_asked_twice(block_items)
    assert_answers_are_balanced(block, block_items)
    assert_caps_hold(block_items)


def test_the_block_has_enough_held_out_items_for_what_is_claimed(block_items):
    counts = item_counts(block_items)
    claimed = pd.Series({name: task.get("claim", True) for name, task in TASKS.items()})
    assert (counts.loc[FINDING_TASKS, "held_out"] >= 60).all()
    assert (counts.loc[claimed, "held_out"] >= 100).all()
    assert set(claimed.index[~claimed]) == {"side", "quadrant"}


def test_frequency_tells_nothing_on_the_block(block_items):
    """Learned from the training items: how often an option was right, of how often it was shown."""
    for task in ("single", "multi"):
        own = by_task(block_items)[task]
        shown, was_right = Counter(), Counter()
        for item in own:
            if item.split == "training":
                shown.update(item.options)
                was_right[item.answer] += 1
        scored = [item for item in own if item.split == "held_out"]
        tolerance = 3.5 * np.sqrt(0.25 * 0.75 / len(scored))
        for worth in (was_right, shown, {name: was_right[name] / shown[name] for name in shown}):
            guesses = [max(item.options, key=lambda o: worth.get(o, 0)) for item in scored]
            right = np.mean([g == item.answer for g, item in zip(guesses, scored, strict=True)])
            assert right == pytest.approx(0.25, abs=tolerance), task
