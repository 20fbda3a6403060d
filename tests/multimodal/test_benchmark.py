"""Scores of answers: cases by hand, models that cannot answer, and properties of the intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.agreement import Resampling
from cxrstudy.multimodal.benchmark import (
    BenchmarkError,
    accuracies,
    accuracy_table,
    answers_table,
    check_folder,
    chosen_items,
    write_tables,
)
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.parsing import parse

FEW = Resampling(400)
SIDES = ("left", "right", "upper right")
LETTERS = ("A", "B", "C")


class Told:
    """Gives the scores, texts and numbers of tokens that it was told."""

    name = "told"

    def __init__(self, scores, texts, counts=None, letters=False):
        self._scores, self._texts = scores, texts
        self.lists_letters = letters
        if counts:
            self.token_counts = lambda items: counts

    def likelihoods(self, items):
        return self._scores

    def generate(self, items):
        return self._texts


class AlwaysFirst:
    name = "always A"
    lists_letters = True

    def likelihoods(self, items):
        return [-np.arange(1.0, len(item.options) + 1) for item in items]

    def generate(self, items):
        return ["A)"] * len(items)


def _items(n, n_options=2, n_groups=None):
    """Ask n questions; the answer goes round the options: 0, 1, 0, 1 ..."""
    options = tuple(f"option {name}" for name in "abcd"[:n_options])
    groups = n_groups or n
    return [
        Item("task", f"{k}?", options[k % n_options], options, group=f"p{k % groups}")
        for k in range(n)
    ]


@pytest.mark.parametrize(
    ("text", "options", "letters", "named"),
    [
        ("PA", ("AP", "PA"), False, "PA"),
        ("It is a pa image.", ("AP", "PA"), False, "PA"),
        ("PAs", ("AP", "PA"), False, None),
        ("AP or PA", ("AP", "PA"), False, None),
        ("PA. Yes, PA!", ("AP", "PA"), False, "PA"),
        ("", ("AP", "PA"), False, None),
        ("In the UPPER  right.", SIDES, False, "upper right"),
        ("upper right, right", SIDES, False, None),
        ("female", ("female", "male"), False, "female"),
        ("over 55", ("under 43", "over 55"), False, "over 55"),
        ("b)", ("Edema", "Mass"), True, "Mass"),
        ("B", ("Edema", "Mass"), True, "Mass"),
        ("(B)", ("Edema", "Mass"), True, "Mass"),
        ("(B)", ("Edema", "Mass"), False, None),
        ("The answer is B.", ("Edema", "Mass"), True, "Mass"),
        ("A) Edema", ("Edema", "Mass"), True, "Edema"),
        ("A) Mass", ("Edema", "Mass"), True, None),
        ("A) Edema B) Mass", ("Edema", "Mass"), True, None),
        ("A chest image", ("Edema", "Mass"), True, None),
        ("A mass is seen.", ("Edema", "Mass"), True, "Mass"),
        ("D", ("Edema", "Mass"), True, None),
        ("C: there is a mass", LETTERS, False, "C"),
        ("a mass", LETTERS, False, None),
        ("A", LETTERS, True, "A"),
    ],
)
def test_an_answer_counts_if_it_names_one_option(text, options, letters, named):
    assert parse(text, options, letters) == named


@given(st.permutations([*SIDES, "no", "no finding", "mass", "(odd) option+"]), st.booleans())
def test_an_option_said_alone_is_that_option(options, letters):
    for said in options:
        assert parse(f" {said.upper()}. ", options, letters) == said


def test_scores_by_hand():
    items = [
        Item("t", "1?", "b", ("a", "b"), group="p", about="Mass", split="held_out"),
        Item("t", "2?", "b", ("a", "b")),
        Item("t", "3?", "option c", ("option a", "option b", "option c")),
        Item("t", "4?", "yes", ("yes", "no")),
        Item("t", "5?", "any text"),
    ]
    scores = [[-2, -1], [-1, -1], [-np.inf, -3, -4], None, None]
    counts = [[1, 1], [1, 2], [2, 2, 4], None, None]
    said = ["b", "a", "Option c.", "maybe", "some text"]
    table = answers_table(items, Told(scores, said, counts))
    # A tie is wrong; -1/1 < -1/2, -3/2 < -4/4: per token both last options win.
    assert table["right_likelihood"].tolist()[:3] == [1, 0, 0]
    assert table["right_per_token"].tolist()[:3] == [1, 1, 1]
    assert table["right_generation"].tolist()[:4] == [1, 0, 1, 0]
    assert table["likeliest"].tolist()[0] == "b" and table["likeliest"].isna().tolist()[1]
    assert table["parsed"].isna().tolist() == [False, False, False, True, True]
    assert table["margin"].tolist()[:2] == [-1, 0] and table["margin"][2] == -np.inf
    right = table.filter(like="right_")
    assert (
        right.loc[4].isna().all()
        and right.loc[3, "right_likelihood":"right_per_token"].isna().all()
    )
    assert table["n_options"].tolist() == [2, 2, 3, 2, 0]
    assert table["chance"].tolist()[:4] == [1 / 2, 1 / 2, 1 / 3, 1 / 2]
    assert table.loc[0, ["about", "group", "split", "answer", "said"]].tolist() == [
        "Mass", "p", "held_out", "b", "b",
    ]  # fmt: skip


def test_the_margin_is_the_log_odds_of_the_first_option():
    item = Item("t", "?", "a", ("a", "b", "c"))
    table = answers_table([item], Told([np.log([0.5, 0.2, 0.1])], ["a"]))
    assert table["margin"][0] == pytest.approx(np.log(0.5 / 0.3))


def test_always_the_first_option_is_right_as_often_as_it_is_the_answer():
    items = _items(40, n_options=4)
    found = accuracy_table(answers_table(items, AlwaysFirst()), FEW)
    assert found["scoring"].tolist() == ["likelihood", "generation", "generation, official"]
    assert found["estimate"].tolist() == [0.25] * 3 == found["chance"].tolist()
    assert (found["low"] < 0.25).all() and (found["high"] > 0.25).all()
    assert found["same_answer"].tolist() == [1, 1, 1] and found["unparsable"].tolist() == [0] * 3


def test_nonsense_is_wrong_and_officially_a_guess():
    items = _items(3000, n_options=4)
    scores = [np.zeros(4)] * len(items)
    answers = answers_table(items, Told(scores, ["xyz"] * len(items)))
    found = accuracy_table(answers, Resampling(10)).set_index("scoring")["estimate"]
    assert found["likelihood"] == found["generation"] == 0
    assert found["generation, official"] == pytest.approx(0.25, abs=0.04)  # 5 standard errors
    assert answers.equals(answers_table(items, Told(scores, ["xyz"] * len(items))))
    other = answers_table(items, Told(scores, ["xyz"] * len(items)), seed=1)
    assert not answers["right_official"].equals(other["right_official"])


def test_a_guess_depends_on_no_other_answer():
    items = _items(50)
    scores = [None] * 50
    nonsense = answers_table(items, Told(scores, ["xyz"] * 50))
    half = answers_table(items, Told(scores, ["option a"] * 25 + ["xyz"] * 25))
    assert half["right_official"].tolist()[25:] == nonsense["right_official"].tolist()[25:]
    assert half["right_official"].equals(half["right_generation"]) is False
    assert half["right_official"][:25].equals(half["right_generation"][:25])


@pytest.mark.parametrize(
    ("scores", "texts", "counts", "complaint"),
    [
        ([[0, 0]], ["a", "a"], None, "log-likelihoods of 1 items for 2"),
        ([[0, 0], [0, 0, 0]], ["a", "a"], None, "item 1 .task. has 2 options"),
        ([[0, 0], [0, np.nan]], ["a", "a"], None, "item 1 .task.*nan"),
        ([[0, 0], [0, 0]], ["a"], None, "one text for each of 2"),
        ([[0, 0], [0, 0]], ["a", None], None, "one text for each of 2"),
        ([[0, 0], [0, 0]], ["a", "a"], [[1, 1], [1]], "these numbers of tokens"),
    ],
)
def test_answers_that_do_not_fit_are_refused(scores, texts, counts, complaint):
    with pytest.raises(BenchmarkError, match=complaint):
        answers_table(_items(2), Told(scores, texts, counts))


def _noisy(items, seed=0):
    scores = np.random.default_rng(seed).normal(size=(len(items), 2))
    said = [item.options[int(row.argmax())] for item, row in zip(items, scores, strict=True)]
    return answers_table(items, Told(list(scores), said))


def test_an_accuracy_is_the_share_of_right_answers_task_by_task():
    items = _items(60)
    # The second task comes first in the alphabet, and has some open questions.
    items += [Item("a task", f"{k}?", "x", ("x", "y")) for k in range(12)]
    items += [Item("open", f"{k}?", "text") for k in range(3)]
    table = answers_table(items, Told([None] * 75, ["option a", "x", "q"] * 25))
    found = accuracy_table(table, FEW)
    assert found["task"].unique().tolist() == ["task", "a task"]
    by_hand = table.groupby("task")["right_generation"].mean()
    only = found[found["scoring"] == "generation"].set_index("task")
    assert only["estimate"].to_dict() == pytest.approx(by_hand.dropna().to_dict())
    assert only["n"].to_dict() == {"task": 60, "a task": 12}
    assert only["unparsable"].to_dict() == pytest.approx({"task": 2 / 3, "a task": 2 / 3})
    assert only["same_answer"].isna().all()  # there was no likelihood


def test_a_patient_is_drawn_whole():
    """Ten copies of a patient's question tell no more than one."""
    once = _items(40)
    ten = [item for item in once for _ in range(10)]
    table = _noisy(once)
    copies = table.loc[table.index.repeat(10)].reset_index(drop=True)
    apart = copies.assign(group=[f"q{k}" for k in range(len(ten))])
    limits = ["estimate", "low", "high"]
    one, of_copies = (accuracy_table(t, FEW)[limits].to_numpy() for t in (table, copies))
    assert of_copies == pytest.approx(one)
    narrower = accuracy_table(apart, FEW)
    assert ((narrower["high"] - narrower["low"]) < 0.5 * (one[:, 2] - one[:, 1])).all()


def test_an_item_without_a_group_is_a_group_of_its_own():
    table = _noisy(_items(40))
    without = accuracy_table(table.assign(group=""), FEW)
    expected = accuracy_table(table, FEW)
    columns = ["estimate", "low", "high"]
    pd.testing.assert_frame_equal(without[columns], expected[columns])


def test_two_models_are_compared_on_the_same_patients():
    items = _items(80, n_groups=20)
    one, other = _noisy(items, 1), _noisy(items, 2)
    right = {"one": one["right_likelihood"], "other": other["right_likelihood"]}
    found = accuracies(right, one, FEW, contrasts=[("one", "other")])
    difference = found.estimate("one - other", "task", "accuracy")
    by_hand = one["right_likelihood"].mean() - other["right_likelihood"].mean()
    assert difference.value == pytest.approx(by_hand)
    same = accuracies({"one": right["one"], "two": right["one"]}, one, FEW, [("one", "two")])
    assert same.estimate("one - two", "task", "accuracy").replicates.tolist() == [0] * 400


def test_without_options_there_is_no_accuracy():
    items = [Item("open", "?", "text")]
    with pytest.raises(BenchmarkError, match="no item has options"):
        accuracy_table(answers_table(items, Told([None], ["text"])))


def test_items_are_held_out_and_at_most_so_many_of_a_task():
    items = [
        Item(task, f"{k}?", "x", ("x", "y"), split=split)
        for task in ("one", "two")
        for split in ("training", "held_out")
        for k in range(30)
    ]
    all_items = chosen_items(items)
    assert all_items == [item for item in items if item.split == "held_out"]
    few = chosen_items(items, limit=5)
    assert [item.task for item in few] == ["one"] * 5 + ["two"] * 5
    assert few == chosen_items(items, limit=5) != chosen_items(items, limit=5, seed=1)
    assert few != [*all_items[:5], *all_items[30:35]]  # drawn, not the first
    assert {item.task for item in chosen_items(items, ["two"])} == {"two"}
    with pytest.raises(BenchmarkError, match="no task six; there are: one, two"):
        chosen_items(items, ["one", "six"])


def test_tables_are_written_both_or_neither(tmp_path, monkeypatch):
    answers = _noisy(_items(12))
    accuracy = accuracy_table(answers, Resampling(10))
    folder = tmp_path / "out"
    monkeypatch.setattr(accuracy, "to_csv", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_tables(folder, answers, accuracy)
    assert not list(folder.iterdir())
    monkeypatch.undo()
    write_tables(folder, answers, accuracy)
    assert sorted(path.name for path in folder.iterdir()) == ["accuracy.csv", "answers.csv"]
    again = pd.read_csv(folder / "answers.csv", keep_default_na=False, na_values=[""])
    assert again["right_likelihood"].tolist() == answers["right_likelihood"].tolist()


def test_a_folder_is_checked_before_a_model_is_asked(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "no" / "new"):
        with pytest.raises(BenchmarkError, match="no such folder"):
            check_folder(wrong)
