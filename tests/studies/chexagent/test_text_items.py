"""Items about texts: balanced so that no part answers alone, and right by the labels."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from cxrstudy.observations import NEGATIVE, POSITIVE
from cxrstudy.studies.chexagent import exchange, text_items, texts

SETS = ["Edema", "Cardiomegaly", "Pneumothorax", "Pleural Effusion", "No Finding"]
WORDS = ("edema", "pneumothorax", "pleural effusion", "cardiomegaly", "pneumonia")
FINDINGS = ["Edema", "Pneumothorax", "Pleural Effusion", "Cardiomegaly", "Pneumonia"]


@pytest.fixture(scope="module")
def captions():
    """Twelve images of each set, two to a patient, and four sentences for each set."""
    rows = [
        (f"{name}{n}.png", f"{name}{n // 2}", "training", name, f"{name} is seen {n % 4}")
        for name in SETS
        for n in range(12)
    ]
    return pd.DataFrame(rows, columns=["image", "patient", "split", "label_set", "sentence"])


@pytest.fixture(scope="module")
def reports():
    """Reports of invented sentences, each saying that a finding is there, or that it is not."""
    places = ["left", "right", "upper", "lower", "basilar", "apical", "minor", "major"]
    sentences = [
        text
        for word in WORDS
        for place in places
        for text in (f"There is {place} {word}.", f"No {place} {word} is seen.")
    ]
    normal = ["No acute disease.", "Normal chest.", "No active disease.", "Unremarkable exam."]
    pairs = [
        (" ".join(pair), normal[n % 4] if n % 2 else pair[0])
        for n, pair in enumerate(pairwise(sentences))
    ]
    return pd.DataFrame(pairs, columns=["findings", "impression"])


@pytest.fixture(scope="module")
def said(reports):
    return texts.sentences(reports).assign(split="training")


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_matching_asks_of_each_sentence_and_each_image_once_yes_once_no(captions):
    items = text_items.matching_items(captions, "training", 80, _rng())
    assert len(items) == 80
    uses = Counter((item.context, item.answer) for item in items)
    assert all(uses[text, "yes"] == uses[text, "no"] for text, _ in uses)
    shown = Counter((item.images, item.answer) for item in items)
    assert set(shown.values()) == {1} and len(shown) == 80
    rows = captions.set_index("image")
    for item in items:
        right = item.context.startswith(rows.loc[item.images[0], "label_set"])
        assert right == (item.answer == "yes")
        assert item.group == rows.loc[item.images[0], "patient"]


def test_selection_offers_each_sentence_once_right_and_three_times_wrong(captions):
    items = text_items.selection_items(captions, "training", 40, _rng())
    assert len(items) >= 20
    rows = captions.set_index("image")
    right, wrong = Counter(), Counter()
    for item in items:
        offered = dict(line.split(": ") for line in item.context.split("\n"))
        assert tuple(offered) == item.options == text_items.LETTERS
        sets = {letter: text.split(" is seen")[0] for letter, text in offered.items()}
        assert len(set(sets.values())) == 4
        assert sets[item.answer] == rows.loc[item.images[0], "label_set"]
        right[offered.pop(item.answer)] += 1
        wrong.update(offered.values())
    assert {text: 3 * n for text, n in right.items()} == wrong
    letters = Counter(item.answer for item in items)
    assert max(letters.values()) - min(letters.values()) <= 1


def test_sets_without_a_place_are_left_out_and_the_rest_stays_balanced(captions):
    few = pd.concat([captions[captions["label_set"] == "Edema"], captions.iloc[12:17]])
    items = text_items.matching_items(few, "training", 200, _rng())
    uses = Counter((item.context, item.answer) for item in items)
    assert items and all(uses[text, "yes"] == uses[text, "no"] for text, _ in uses)
    assert text_items.matching_items(captions[:12], "training", 200, _rng()) == []
    assert text_items.selection_items(captions[:24], "training", 200, _rng()) == []


def test_more_special_findings_make_a_general_sentence_right():
    assert not exchange.unlike("Lung Opacity", "Pneumonia, Pleural Effusion")
    assert not exchange.unlike("Pneumonia, Pleural Effusion", "Lung Opacity")
    assert exchange.unlike("Edema, Pneumonia", "Edema, Pleural Effusion")
    assert exchange.unlike("No Finding", "Pneumothorax")
    assert not exchange.unlike("No Finding", "No Finding")


def test_summaries_are_short_and_at_most_half_normal():
    table = pd.DataFrame(
        [(f"Clear lungs {n}.", "Normal chest.") for n in range(9)]
        + [(f"Wet lungs {n}.", f"Pulmonary edema {n}.") for n in range(4)]
        + [("word " * 91, "Edema."), ("Edema.", "word " * 31)],
        columns=["findings", "impression"],
    )
    items = text_items.summary_items(table, "held_out", 100, _rng())
    assert Counter(item.answer == "Normal chest." for item in items) == {True: 4, False: 4}
    assert all(item.options == () and item.split == "held_out" for item in items)
    pairs = {(item.context, item.answer) for item in items}
    assert pairs <= set(table.itertuples(index=False, name=None)) and len(pairs) == 8
    assert len(text_items.summary_items(table, "held_out", 5, _rng())) == 5


def test_a_finding_is_asked_for_as_often_with_yes_as_with_no(said):
    items = text_items.question_items(said, "training", 60, _rng())
    answers = Counter((item.question, item.answer) for item in items)
    assert len(items) > 40
    assert all(answers[question, "yes"] == answers[question, "no"] for question, _ in answers)
    codes = said.set_index("sentence")
    found = {item.answer: set() for item in items}
    for item in items:
        code = codes.loc[item.context, item.about]
        found[item.answer].add("blank" if np.isnan(code) else code)
    assert found == {"yes": {POSITIVE}, "no": {NEGATIVE, "blank"}}


def test_no_sentence_of_a_special_finding_denies_the_general_one(said):
    opaque = texts.sentences(
        pd.DataFrame([("Opacity in the left lung. Opacity at right base.", "")],
                     columns=["findings", "impression"])
    )  # fmt: skip
    both = pd.concat([opaque, said[said["Pneumonia"] == POSITIVE]], ignore_index=True)
    items = text_items.question_items(both, "training", 60, _rng())
    assert {item.about for item in items} == {"Pneumonia"}  # nothing says no to opacity


def test_every_second_sentence_stands_in_all_three_relations(said):
    items = text_items.inference_items(said, "training", 60, _rng())
    codes = said.set_index("sentence")
    seconds = {relation: Counter() for relation in text_items.RELATIONS}
    polarity = {relation: Counter() for relation in text_items.RELATIONS}
    for item in items:
        first, second = (line.split(": ")[1] for line in item.context.split("\n"))
        one, other = codes.loc[first, item.about], codes.loc[second, item.about]
        relation = "neutral" if np.isnan(one) else "entailment" if one == other else "contradiction"
        assert item.answer == relation and first != second and not np.isnan(other)
        seconds[relation][second] += 1
        polarity[relation][bool((codes.loc[first, FINDINGS] == POSITIVE).any())] += 1
    assert len(items) >= 45
    assert seconds["entailment"] == seconds["contradiction"] == seconds["neutral"]
    assert set(seconds["neutral"].values()) == {1}
    # First sentences deny as often in one relation as in another.
    assert polarity["entailment"] == polarity["contradiction"]
    assert polarity["entailment"][True] == polarity["entailment"][False]


def test_items_are_the_same_in_every_run_and_keep_to_their_side(draw_image_set, reports):
    image_set = draw_image_set(300)
    items = text_items.text_items(image_set, 5, reports)
    assert items == text_items.text_items(image_set, 5, reports)
    assert items != text_items.text_items(image_set, 6, reports)
    sides = texts.image_split(image_set)
    table = texts.sentences(reports).set_index("sentence")["split"]
    assert {item.split for item in items} == {"training", "held_out"}
    for item in items:
        assert all(sides[image] == item.split for image in item.images)
        if item.task in (text_items.MATCHING, text_items.TEXT_QUESTION):
            assert table[item.context] == item.split
    assert not set.intersection(
        *({item.group for item in items if item.split == side} for side in set(sides))
    )


def test_real_items_are_many_balanced_and_free_of_removed_words(mirror, draw_image_set):
    items = text_items.text_items(draw_image_set(2000), 0)
    counts = Counter((item.split, item.task) for item in items)
    for split, most in text_items.MOST_ITEMS.items():
        for task in (text_items.SUMMARIES, text_items.TEXT_QUESTION, text_items.INFERENCE):
            assert 0.75 * most[task] < counts[split, task] <= most[task] + 5
    assert not any("xxxx" in (item.prompt + item.answer).casefold() for item in items)
    assert set(text_items.JUDGE) == {task for _, task in counts}
