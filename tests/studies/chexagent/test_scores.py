"""Accuracies by hand, differences paired by seed, and which tasks count."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.multimodal.benchmark import BenchmarkError
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import as_bytes
from cxrstudy.studies.chexagent.arms import BLIND, FULL, HELD_OUT, PERMUTED, VARIANTS
from cxrstudy.studies.chexagent.image_items import instructions
from cxrstudy.studies.chexagent.scores import (
    CLAIMS,
    CONTROLS,
    FORMAT,
    MODEL_STATES,
    Benchmark,
    Stored,
    blind_answers,
    dropped_tasks,
    permuted_scores,
    tasks_that_count,
    variant_scores,
)
from cxrstudy.trainings.job import Kept, Trained, keep, read_kept

FEW = Resampling(300)
VIEW = [
    Item("view", "Which view is this, AP or PA?", ("AP", "PA")[n % 2], ("AP", "PA"), (f"{n}.png",),
         group=str(n)) for n in range(10)
]  # fmt: skip
AGE = [
    Item("age", "How old?", "old", ("young", "old", "older"), (f"{n}.png",), group=str(n))
    for n in range(4)
]
TEXT = [Item("summary", "What is the impression?", "Clear.", context="No edema.", group="text")]
ITEMS = [*VIEW, *AGE, *TEXT]
TASKS = ["view", "age"]


def likelihoods(right: set[int], items=ITEMS) -> np.ndarray:
    """Prefer the answer of some items, and another option of all others; NaN where none is."""
    scores = np.full((len(items), 3), np.nan, np.float32)
    for row, item in enumerate(items):
        place = item.options.index(item.answer) if item.options else 0
        chosen = place if row in right else (place + 1) % max(1, len(item.options))
        scores[row, : len(item.options)] = -5
        if item.options:
            scores[row, chosen] = -1
    return scores


def kept(right: set[int], items=ITEMS, state: str = FULL, asked: str = HELD_OUT, **more) -> Kept:
    return Kept(Path(), {f"likelihood.{state}.{asked}": likelihoods(right, items)} | more, {})


def benchmark(**methods: list[set[int]]) -> Benchmark:
    made = Benchmark(ITEMS, FEW)
    for name, by_seed in methods.items():
        made.add(name, *(Stored(kept(right), FULL) for right in by_seed))
    return made


def test_what_is_kept_is_what_is_answered():
    said = as_bytes(["AP"] * 14 + ["The lungs are clear."])
    stored = Stored(kept({0, 3}, **{"said.full.held_out": said}), FULL)
    scores = stored.likelihoods(ITEMS)
    assert [None if own is None else len(own) for own in scores] == [2] * 10 + [3] * 4 + [None]
    assert scores[0].tolist() == [-1, -5] and scores[1].tolist() == [-1, -5]
    assert scores[3].tolist() == [-5, -1] and scores[10].tolist() == [-5, -5, -1]
    assert stored.generate(ITEMS)[-1] == "The lungs are clear."
    # A state that did not write, such as "before".
    assert Stored(kept(set()), FULL).generate(ITEMS) == [""] * 15


def test_a_wrong_number_of_items_is_refused():
    stored = Stored(kept(set()), FULL)
    for items in (ITEMS[1:], [*ITEMS, VIEW[0]]):
        with pytest.raises(ValueError, match=f"15 answers were kept for {len(items)} items"):
            stored.likelihoods(items)
    short = Stored(kept(set(), **{"said.full.held_out": as_bytes(["AP"] * 14)}), FULL)
    with pytest.raises(BenchmarkError, match="one text for each of 15"):
        Benchmark(ITEMS, FEW).add("full", short)
    with pytest.raises(KeyError):
        Stored(kept(set()), BLIND).likelihoods(ITEMS)


def test_accuracies_by_hand():
    made = benchmark(full=[{0, 1, 2, 3, 4, 5, 6, 10, 11}])
    assert made.accuracy("full", "view").value == pytest.approx(0.7)
    assert made.accuracy("full", "age").value == pytest.approx(0.5)
    assert made.accuracy("full", TASKS).value == pytest.approx(0.6)  # tasks count alike
    assert made.n_seeds("full") == 1
    low, high = made.accuracy("full", "view").interval()
    assert 0.3 < low < 0.7 < high <= 1


def test_seeds_are_averaged_and_resampled():
    made = benchmark(full=[set(range(8)), set(range(4)), set(range(6))], other=[set(range(6))])
    assert made.n_seeds("full") == 3
    assert made.accuracy("full", "view").value == pytest.approx(0.6)
    assert made.accuracy("full", "view").method == "percentile"
    assert made.accuracy("other", "view").method == "bca"
    spread = [made.accuracy(name, "view").replicates.std() for name in ("full", "other")]
    assert spread[0] > spread[1]


def test_differences_are_paired_by_item_and_by_seed():
    """In each seed the first is right in the same three items more: nothing varies but these."""
    first = [{*range(5), 5, 6, 7}, {*range(2), 5, 6, 7}]
    second = [set(range(5)), set(range(2))]
    made = benchmark(first=first, second=second, turned=second[::-1])
    paired = made.difference("first", "second", ["view"])
    assert paired.value == pytest.approx(0.3)
    by_hand = np.zeros(10)
    by_hand[5:8] = 1
    assert np.nanstd(paired.replicates) == pytest.approx(by_hand.std() / 10**0.5, rel=0.2)
    # Of the other seed's training, the difference varies by seed as well.
    crossed = made.difference("first", "turned", ["view"])
    assert crossed.value == pytest.approx(0.3)
    assert np.nanstd(crossed.replicates) > 1.3 * np.nanstd(paired.replicates)
    assert made.difference("first", "first", TASKS).interval() == (0, 0)
    assert made.difference("second", "first", ["view"]).value == pytest.approx(-0.3)


def test_a_method_that_was_trained_once_meets_every_seed():
    made = benchmark(full=[set(range(9)), set(range(5))], probe=[set(range(4))])
    assert made.difference("full", "probe", ["view"]).value == pytest.approx(0.3)
    assert made.difference("probe", "full", ["view"]).value == pytest.approx(-0.3)


def test_a_method_that_is_added_later_is_scored():
    made = benchmark(full=[set(range(8))])
    assert made.accuracy("full", "view").value == pytest.approx(0.8)
    made.add("probe", Stored(kept(set(range(2))), FULL))
    assert made.difference("full", "probe", ["view"]).value == pytest.approx(0.6)
    made.add("probe", Stored(kept(set(range(3))), FULL))
    assert made.accuracy("probe", "view").value == pytest.approx(0.3)


def test_patients_are_resampled_whole():
    """Ten items of two patients, of whom one is always right, vary as two do."""
    items = [Item("view", "Which?", "AP", ("AP", "PA"), group=str(n // 5)) for n in range(10)]
    made = Benchmark(items, FEW)
    made.add("full", Stored(kept(set(range(5)), items), FULL))
    assert set(made.accuracy("full", "view").replicates) == {0, 0.5, 1}


class Partly:
    """Leaves out the age."""

    name = "partly"

    def likelihoods(self, items):
        return [None if item.task != "view" else np.array([1.0, 0.0]) for item in items]

    def generate(self, items):
        return ["" for _ in items]


def test_a_table_has_no_rows_for_what_a_method_leaves_out():
    made = benchmark(full=[set(range(12))])
    made.add("partly", Partly())
    table = made.table(["full", "partly"], TASKS)
    rows = [tuple(row) for row in table[["method", "task"]].itertuples(index=False)]
    assert rows == [("full", "view"), ("full", "age"), ("full", "Average"), ("partly", "view")]
    assert table["estimate"].tolist() == pytest.approx([1, 0.5, 0.75, 0.5])
    assert table["n"].tolist() == [10, 4, 4, 10]
    assert made.table(["partly"], ["view"])["task"].tolist() == ["view", "Average"]


def test_ways_of_scoring_by_hand():
    """The texts of the views name the wrong view twice, and nothing twice."""
    texts = [item.answer for item in VIEW]
    texts[0], texts[1], texts[2], texts[3] = "PA", "AP", "who knows", ""
    said = as_bytes([*texts, *["old"] * 4, "Clear."])
    right = set(range(14)) - {4, 5, 6}
    made = Benchmark(ITEMS, FEW)
    made.add("full", Stored(kept(right, **{"said.full.held_out": said}), FULL))
    table = made.scorings_table("full")
    assert table.index.tolist() == TASKS
    view = table.loc["view"]
    assert view["likelihood"] == pytest.approx(0.7)
    assert view["generation"] == pytest.approx(0.6)
    assert view["unparsable"] == pytest.approx(0.2)
    assert 0.6 <= view["random if unparsable"] <= 0.8
    # Of eight parsable texts two are wrong where the likeliest is right, three the other way.
    assert view["same answer"] == pytest.approx(3 / 8)
    assert table.loc["age"].tolist() == pytest.approx([1, 1, 1, 0, 1])


def of_task(name: str, n: int) -> list[Item]:
    return [Item(name, "Which?", "a", ("a", "b"), ("0.png",)) for _ in range(n)]


def test_tasks_count_with_enough_items_that_need_the_image():
    items = [
        *of_task("view", 100),
        *of_task("sex", 99),
        *of_task("age", 120),
        *of_task("effusion_matched", 100),
        *of_task("effusion_unmatched", 300),
        *of_task("side", 200),
        *of_task("text_question", 200),
    ]
    assert instructions()["tasks"]["side"]["claim"] is False
    assert tasks_that_count(items, ["age"], 100) == ["view", "effusion_matched"]
    assert tasks_that_count(items, [], 99) == ["view", "sex", "age", "effusion_matched"]
    with pytest.raises(ValueError, match="no task on images has 500 held-out items"):
        tasks_that_count(items, [], 500)


def test_a_task_on_texts_is_not_dropped():
    rule = pd.DataFrame(
        {"task": ["view", "summary", "age"], "dropped": [True, True, False], "p": [0.0, 0.0, 0.5]}
    )
    assert dropped_tasks(rule, ITEMS) == ["view"]


def test_blind_answers_join_the_halves():
    halves = [VIEW[:4], [*VIEW[4:], *AGE]]
    trainings = [kept({0, 1}, halves[0], BLIND), kept({0}, halves[1], BLIND)]
    table = blind_answers(halves, trainings)
    assert table["right_likelihood"].tolist() == [1, 1, 0, 0, 1] + [0] * 9
    assert table["group"].tolist() == [item.group for item in (*VIEW, *AGE)]
    with pytest.raises(ValueError, match="2 items"):
        blind_answers([VIEW[:2]], trainings[:1])
    with pytest.raises(ValueError, match="shorter|longer"):
        blind_answers(halves, trainings[:1])


def test_variants_are_told_apart_by_their_place():
    jobs = [SimpleNamespace(questions={HELD_OUT: ITEMS})] * 10
    trainings = [kept(set(range(n))) for n in range(10)]  # two seeds of five arms
    made = variant_scores(jobs, trainings, FEW)
    assert list(made.answers) == ["one_epoch", *VARIANTS]
    found = [made.accuracy(name, "view").value for name in made.answers]
    assert found == pytest.approx([0.05, 0.25, 0.45, 0.65, 0.85])


def test_permuted_items_are_scored_by_what_was_answered_to_them():
    jobs = [SimpleNamespace(more_questions={PERMUTED: VIEW})] * 2
    trainings = [kept({0, 1, 2}, VIEW, asked=PERMUTED), kept({0}, VIEW, asked=PERMUTED)]
    made = permuted_scores(jobs, trainings, FEW)
    assert made.accuracy(PERMUTED, "view").value == pytest.approx(0.2)


def test_claims_compare_states_and_controls_that_there_are():
    known = {*MODEL_STATES, *CONTROLS}
    assert {name for pair in CLAIMS.values() for name in pair} <= known
    assert CLAIMS["chexagent.needs_image"] == (FULL, BLIND)
    assert CLAIMS["chexagent.instruction_tuning"] == (FULL, FORMAT) == ("full", "blind+image")


def test_what_a_training_leaves_is_read_back(tmp_path):
    """An open question has no option, so that its array has no column."""
    arrays = {
        "likelihood.full.held_out": likelihoods({1, 2}),
        "likelihood.full.open": np.zeros((3, 0), np.float32),
        "said.full.held_out": as_bytes(["AP"] * len(ITEMS)),
    }
    from cxrstudy.studies.chexagent.arms import tuning_config

    keep(tmp_path / "one.safetensors", tuning_config(3, 1), Trained(arrays, {"seconds": 1.5}))
    again = read_kept(tmp_path / "one.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    assert again.about["config"]["stages"][0]["trains"] == ["language_model"]
    assert Stored(again, FULL).generate(ITEMS) == ["AP"] * len(ITEMS)
