"""What a task's scores can tell: by hand, and as properties of drawn items."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent import checks


def _item(row, answer, options=("yes", "no"), task="edema_matched", **given):
    own = {"images": (f"{row}.png",), "group": str(row // 2), "about": "edema", **given}
    return Item(task, "?", answer, options, **own)


def _answers(task, n_right, n, options=4, answer="{}"):
    return pd.DataFrame(
        {
            "task": task,
            "answer": [answer.format(row) for row in range(n)],
            "n_options": options,
            "right_likelihood": [1.0] * n_right + [0.0] * (n - n_right),
        }
    )


def test_holm_drops_what_it_should_by_hand():
    """Of three tasks of chance 1/4: 3, 5 and 4 right of 5."""
    table = pd.concat([_answers(str(right), right, 5) for right in (3, 5, 4)], ignore_index=True)
    found = checks.blind_above_chance(table, level=0.05)
    assert found["task"].tolist() == ["3", "5", "4"]
    # P(5) = 1/1024, P(4) = 15/1024, P(3) = 90/1024. The smallest times 3, the next times 2.
    assert found["p"].tolist() == pytest.approx([106 / 1024, 1 / 1024, 16 / 1024])
    assert found["p_holm"].tolist() == pytest.approx([106 / 1024, 3 / 1024, 32 / 1024])
    assert found["dropped"].tolist() == [False, True, True]
    strict = checks.blind_above_chance(table, level=0.03)
    assert strict["dropped"].tolist() == [False, True, False]


def test_chance_of_equal_options_is_the_commonest_answer():
    always = _answers("view", 60, 90, options=2, answer="PA")
    always.loc[60:, "answer"] = "AP"
    found = checks.blind_above_chance(always).iloc[0]
    assert found["chance"] == pytest.approx(2 / 3)
    assert not found["dropped"]
    # The same share of right answers, where options differ: far above 1/2.
    drawn = _answers("single", 60, 90, options=2)
    assert checks.blind_above_chance(drawn).iloc[0][["chance", "dropped"]].tolist() == [0.5, True]


def test_the_drop_rule_wants_every_item_answered():
    table = _answers("view", 2, 4)
    open_question = table.iloc[:1].assign(n_options=0, right_likelihood=np.nan, task="summary")
    found = checks.blind_above_chance(pd.concat([table, open_question]))
    assert found["task"].tolist() == ["view"]
    with pytest.raises(ValueError, match="answered all of them"):
        checks.blind_above_chance(open_question)
    table.loc[0, "right_likelihood"] = np.nan
    with pytest.raises(ValueError, match="answered all of them"):
        checks.blind_above_chance(table)


def test_training_halves_share_no_patient_and_judge_each_item_once():
    tasks = ("edema_matched", "age", "temporal")
    items = [_item(row, "yes", task=task) for row in range(90) for task in tasks]
    halves = checks.training_halves(items)
    judged = [item for _, part in halves for item in part]
    assert sorted(map(repr, judged)) == sorted(map(repr, items))
    for learned, part in halves:
        assert not {item.group for item in learned} & {item.group for item in part}
    with pytest.raises(ValueError, match="age: a held-out item is not to be learned from"):
        checks.training_halves([*items, _item(0, "yes", task="age", split="held_out")])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_permuted_images_are_another_patients(patients, seed):
    parts = [("side", "training", 1), ("side", "held_out", 1), ("side", "training", 2)]
    parts += [("view", "training", 1), ("view", "training", 0)]
    made = [
        Item(
            task, "?", "yes", ("yes", "no"), tuple(f"{row}-{part}-{k}" for k in range(n_images)),
            group=str(patient), split=split,
        )
        for row, patient in enumerate(patients)
        for part, (task, split, n_images) in enumerate(parts)
    ]  # fmt: skip
    owner = {image: item for item in made for image in item.images}
    if 2 * max(map(patients.count, patients)) > len(patients):
        with pytest.raises(ValueError, match="are one patient's"):
            checks.permuted(made, np.random.default_rng(seed))
        return
    changed = checks.permuted(made, np.random.default_rng(seed))
    assert changed == checks.permuted(made, np.random.default_rng(seed))
    assert sorted(i.images for i in changed) == sorted(i.images for i in made)
    for before, after in zip(made, changed, strict=True):
        assert replace(after, images=before.images) == before
        for image in after.images:
            source = owner[image]
            assert (source.task, source.split) == (before.task, before.split)
            assert source.group != before.group


def test_permutations_reach_every_other_patient():
    made = [_item(row, "yes", group=str(row)) for row in range(4)]
    rng = np.random.default_rng(0)
    seen = {checks.permuted(made, rng)[0].images[0] for _ in range(60)}
    assert seen == {f"{row}.png" for row in range(1, 4)}
