"""Tables and sentences of the page, from answers of which it is known which are right."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling
from cxrstudy.display import in_words
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.job import BEFORE
from cxrstudy.studies.chexagent.arms import BLIND, FEW_TASKS, FULL, HELD_OUT, PERMUTED, VARIANTS
from cxrstudy.studies.chexagent.reporting import (
    WORDS,
    answer_in_words,
    beside,
    contrasts_table,
    few_items_table,
    gallery_table,
    means_in_words,
    seconds_in_words,
    trainings_in_words,
    variants_in_words,
    variants_table,
)
from cxrstudy.studies.chexagent.scores import (
    CLAIMS,
    CONTROLS,
    FORMAT,
    MODEL_STATES,
    Benchmark,
    Stored,
)
from cxrstudy.trainings.job import Kept

FEW = Resampling(20)
TASKS = ("view", "sex")


def questions(task: str, n: int = 4, **fields) -> list[Item]:
    """Ask about so many patients of one image each."""
    return [
        Item(
            task, f"{task} of {number}?", ("yes", "no")[number % 2], ("yes", "no"),
            images=(f"{number}.png",), group=f"{number}", split="held_out", **fields,
        )
        for number in range(n)
    ]  # fmt: skip


ITEMS = [item for task in TASKS for item in questions(task)]


def answered(items, right: str, state: str = FULL, asked: str = HELD_OUT, **about) -> Stored:
    """Answer items rightly where the pattern has a "+", wrongly at "-", and not at "0"."""
    assert len(right) == len(items)
    scores = np.zeros((len(items), 2), np.float32)
    for row, (item, mark) in enumerate(zip(items, right, strict=True)):
        if mark != "0":
            place = item.options.index(item.answer)
            scores[row, place if mark == "+" else 1 - place] = 1
    return Stored(Kept(Path(), {f"likelihood.{state}.{asked}": scores}, about), state, asked)


def benchmark_of(**patterns: str) -> Benchmark:
    benchmark = Benchmark(ITEMS, FEW)
    for name, marks in patterns.items():
        benchmark.add(name, *(answered(ITEMS, each) for each in marks.split()))
    return benchmark


def estimate(value: float, low: float, high: float) -> Estimate:
    """Give an estimate whose replicates lie evenly from one limit to the other."""
    return Estimate(value, np.linspace(low, high, 101), n=8)


def values(table: pd.DataFrame, *keys: str) -> dict:
    return table.set_index(list(keys))["estimate"].to_dict()


@pytest.mark.parametrize(
    ("seeds", "words"),
    [([0], "1 training"), ([3, 5], "2 trainings"), ([], "0 trainings")],
)
def test_trainings_are_counted_in_words(seeds, words):
    assert trainings_in_words(seeds) == words


def test_every_method_has_words():
    methods = [*MODEL_STATES, *CONTROLS, *VARIANTS, "one_epoch", PERMUTED, "pretrained", "scratch"]
    methods += [" - ".join(pair) for pair in CLAIMS.values()]
    assert len({WORDS[method] for method in methods}) == len(methods)
    assert WORDS["full - blind"] == "model, minus model without images"


def test_means_are_those_of_the_table():
    benchmark = benchmark_of(full="++++++--", probe="+---+++-")
    table = benchmark.table([FULL, "probe"], TASKS)
    assert means_in_words(table) == "model 0.750, linear probe 0.500"


def test_exchanged_images_stand_between_the_model_and_the_blind_one():
    exchanged = Benchmark(ITEMS, FEW)
    exchanged.add(PERMUTED, answered(ITEMS, "+-------", asked=PERMUTED))
    table = beside(exchanged, benchmark_of(full="++++++++", blind="++------"), TASKS)
    assert table["method"].drop_duplicates().tolist() == [FULL, PERMUTED, BLIND]
    assert table["task"].tolist() == [*TASKS, MACRO_AVERAGE] * 3
    assert values(table[table["task"] == MACRO_AVERAGE], "method") == {
        FULL: 1, PERMUTED: 1 / 8, BLIND: 1 / 4,
    }  # fmt: skip


def test_contrasts_are_the_claims_in_their_order_over_all_tasks_and_findings():
    benchmark = benchmark_of(
        **{FULL: "++++++++", FORMAT: "++++----", "probe": "++++++--", BLIND: "--------"}
    )
    table = contrasts_table(benchmark, TASKS)
    assert table["method"].drop_duplicates().tolist() == [
        f"{FULL} - {FORMAT}",
        f"{FULL} - probe",
        f"{FULL} - {BLIND}",
    ]
    of_all = table[table["tasks"] == f"all {len(TASKS)} tasks"]
    assert of_all["estimate"].tolist() == pytest.approx([0.5, 0.25, 1])
    findings = sum(task.endswith("_matched") for task in TASKS)
    assert set(table["tasks"]) - set(of_all["tasks"]) == (
        {f"{findings} matched findings"} if findings else set()
    )
    assert in_words(table, WORDS)["method"].drop_duplicates().tolist()[1] == (
        "model, minus linear probe"
    )


def test_variants_are_compared_with_all_stages():
    # Means of two seeds: 4 and 6 of 8, 8 and 6, none. Two variants were not trained.
    variants = benchmark_of(
        one_epoch="++++---- ++++++--",
        qformer="++++++++ +-+-++++",
        without_bridger="-------- --------",
    )
    table = variants_table(variants, TASKS)
    assert table[["method", "quantity"]].apply(tuple, axis=1).tolist() == [
        ("one_epoch", "mean accuracy"),
        ("qformer", "mean accuracy"),
        ("qformer", "minus all stages"),
        ("without_bridger", "mean accuracy"),
        ("without_bridger", "minus all stages"),
    ]
    assert table["estimate"].tolist() == pytest.approx([5 / 8, 7 / 8, 2 / 8, 0, -5 / 8])
    words = variants_in_words(table)
    assert words.startswith("below all stages: without stage 2, bridger (-0.625)")


def test_decoders_of_few_items_stand_beside_the_one_of_all():
    few = [item for task in FEW_TASKS for item in questions(task, 2)]
    others = questions("age", 2)
    jobs = {name: SimpleNamespace(questions={HELD_OUT: few}) for name in ("scratch", "pretrained")}
    trainings = {
        "scratch": answered(few, "+-----").kept,
        "pretrained": answered(few, "++++--").kept,
    }
    benchmark = Benchmark([*others, *few], FEW)
    benchmark.add(FULL, answered([*others, *few], "--++++++"))
    table = few_items_table(jobs, trainings, benchmark, FEW)
    assert set(table["task"]) == {*FEW_TASKS, MACRO_AVERAGE}
    means = values(table[table["task"] == MACRO_AVERAGE], "method")
    assert means == pytest.approx({"scratch": 1 / 6, "pretrained": 4 / 6, FULL: 1})
    by_task = values(table, "method", "task")
    assert by_task["pretrained", FEW_TASKS[2]] == 0 and by_task["scratch", FEW_TASKS[0]] == 0.5


def test_seconds_are_minutes_and_perplexity_is_before_and_after():
    def took(seconds, **arrays):
        return Kept(Path(), {name: np.array(each) for name, each in arrays.items()}, {
            "seconds": seconds,
        })  # fmt: skip

    few = {"scratch": took(120, perplexity=[7.0]), "pretrained": took(1800, perplexity=[30.0, 8.0])}
    assert seconds_in_words(few, [took(600), took(1200)]) == (
        "Wall time with all questions: decoder from random weights, same items 2 min; pretrained "
        "decoder, adapters 30 min; model 15 min. Perplexity of held-out reports to the pretrained "
        "decoder, before and after it read some, in its own word pieces: 30.0, 8.0."
    )


@pytest.fixture
def asked() -> Benchmark:
    """Three tasks on images, one that reads a report, and one without images."""
    report = questions("matching", context="A report's own sentence.")
    text = [
        Item("text", "Is it stated?", "yes", ("yes", "no"), context="Text.", split="held_out")
    ] * 4
    items = [*report, *text, *questions("view"), *questions("sex"), *questions("age")]
    benchmark = Benchmark(items, FEW)
    # The first training answers all rightly, the second all wrongly; the probe ties.
    benchmark.add(FULL, answered(items, "+" * 20), answered(items, "-" * 20))
    benchmark.add("probe", answered(items, "0" * 20))
    benchmark.add("majority", answered(items, "-" * 20))
    return benchmark


def test_the_gallery_has_one_question_of_each_task_on_images(asked):
    gallery = gallery_table(asked, 10, seed=1)
    assert gallery["task"].tolist() == ["view", "sex", "age"]
    known = {item.question: item for item in asked.items}
    for row in gallery.to_dict("records"):
        item = known[row["question"]]
        assert (row["task"], row["image"], row["label"]) == (
            item.task, item.images[0], item.answer,
        )  # fmt: skip
        assert row["model"] == item.answer and row["linear probe"] == "none"
        assert {row["label"], row["most frequent answer"]} == {"yes", "no"}
    assert (
        not gallery.astype(str)
        .apply(lambda column: column.str.contains("report's own"))
        .any(axis=None)
    )


def test_the_gallery_is_drawn_by_the_seed(asked):
    pd.testing.assert_frame_equal(gallery_table(asked, 3, 1), gallery_table(asked, 3, 1))
    drawn = {tuple(gallery_table(asked, 3, seed)["question"]) for seed in range(12)}
    assert len(drawn) > 6
    tasks = {tuple(gallery_table(asked, 2, seed)["task"]) for seed in range(12)}
    assert tasks == {("view", "sex"), ("view", "age"), ("sex", "age")}


BETTER, WORSE, OPEN = (0.1, 0.05, 0.15), (-0.05, -0.08, -0.02), (0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("tuning", "probe", "image", "said"),
    [
        (
            BETTER, WORSE, OPEN,
            "Over 2 tasks the model answers 75.0 % right, 10.0 points better than one that learned "
            "the same questions without images, and not shown to differ (+1.0 points) from "
            "one that never sees them. A linear probe on the same features answers 50.0 %: the "
            "model is 5.0 points worse than it.",
        ),
        (
            OPEN, BETTER, WORSE,
            "Over 2 tasks the model answers 75.0 % right, not shown to differ (+1.0 points) from "
            "one that learned the same questions without images, and 5.0 points worse than "
            "one that never sees them. A linear probe on the same features answers 50.0 %: the "
            "model is 10.0 points better than it.",
        ),
        (
            WORSE, OPEN, BETTER,
            "Over 2 tasks the model answers 75.0 % right, 5.0 points worse than one that learned "
            "the same questions without images, and 10.0 points better than one that never "
            "sees them. A linear probe on the same features answers 50.0 %: the model is not "
            "shown to differ (+1.0 points) from it.",
        ),
    ],
)  # fmt: skip
def test_the_answer_says_what_the_intervals_do(tuning, probe, image, said):
    benchmark = benchmark_of(full="++++++--", probe="++--++--", before="--------")
    table = benchmark.table([FULL, BEFORE, "probe"], TASKS)
    decided = {
        claim: estimate(*each) for claim, each in zip(CLAIMS, (tuning, probe, image), strict=True)
    }
    assert answer_in_words(decided, table) == said


def test_an_interval_that_touches_zero_shows_no_difference():
    table = benchmark_of(full="++++++++", probe="++++++++").table([FULL, "probe"], TASKS)
    touching = Estimate(0.02, np.array([0.0] * 20 + [0.04] * 80), n=8)
    decided = dict.fromkeys(CLAIMS, touching)
    assert answer_in_words(decided, table).count("not shown to differ (+2.0 points) from") == 3
