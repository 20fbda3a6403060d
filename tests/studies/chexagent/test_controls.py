"""Controls on drawn items: hand-made answers, scikit-learn's fits, and no look at held-out ones."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from cxrstudy.multimodal.benchmark import answers_table
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent import controls
from cxrstudy.studies.chexagent.controls import Majority, Metadata, Probe

N = 90
IMAGES = [f"{row:03}.png" for row in range(2 * N)]
BANDS = ("young", "middle", "old")


def _item(row, answer, options=("yes", "no"), task="edema_matched", **given):
    own = {"images": (IMAGES[row],), "group": str(row // 2), "about": "edema", **given}
    return Item(task, "?", answer, options, **own)


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(3.0, 2.0, (2 * N, 8))


@pytest.fixture(scope="module")
def items(features):
    """Two options, three, and two images; noisy functions of the first features."""
    noise = np.random.default_rng(1).normal(size=(2 * N, 2))
    signal = features[:, :2] + noise - 3
    found = []
    for row in range(N):
        yes, band = signal[row, 0] > 0.4, int(np.digitize(signal[row, 1], [-1, 1]))
        found.append(_item(row, "yes" if yes else "no"))
        found.append(_item(row, BANDS[band], BANDS, "age", about=""))
        grows = signal[row + N, 0] > signal[row, 0]
        pair = (IMAGES[row], IMAGES[row + N])
        options = ("appear", "resolve")
        found.append(_item(row, options[1 - grows], options, "temporal", images=pair))
    return found


def _held_out(items):
    return [replace(item, split="held_out") for item in items]


def _of(task, items):
    return [item for item in items if item.task == task]


def _likeliest(control, items):
    return [i.options[s.argmax()] for i, s in zip(items, control.likelihoods(items), strict=True)]


# --- majority


def test_majority_says_the_commonest_answer_and_of_equal_ones_the_first():
    training = [_item(row, answer) for row, answer in enumerate(["no", "no", "yes"])]
    even = [_item(row, answer, task="even") for row, answer in enumerate(["no", "yes"])]
    control = Majority().fit(training + even)
    scores = control.likelihoods(_held_out([training[2], even[0]]))
    assert np.exp(scores[0]) == pytest.approx([2 / 5, 3 / 5])
    assert control.generate(_held_out([training[2], even[0]])) == ["no", "yes"]


def test_majority_of_drawn_options_is_the_one_most_often_right():
    offered = [("mass", "edema"), ("mass", "hernia"), ("hernia", "edema")]
    training = [
        _item(row, answer, options, "single", about="")
        for row, (options, answer) in enumerate(
            zip(offered, ["mass", "mass", "edema"], strict=True)
        )
    ]
    control = Majority().fit(training)
    asked = _item(9, "hernia", ("hernia", "edema", "fibrosis"), "single", split="held_out")
    # Shares with one added: mass 3, edema 2, hernia 1 of 6; fibrosis was never offered.
    assert np.exp(control.likelihoods([asked])[0]) == pytest.approx([1 / 6, 2 / 6, 1 / 6])


def test_majority_leaves_open_questions_out():
    asked = Item("summary", "?", "no disease", context="clear lungs")
    assert Majority().fit([asked]).likelihoods([asked]) == [None]


def test_a_task_only_held_out_is_answered_as_the_one_with_the_same_question(items, features):
    training = _of("edema_matched", items)
    unmatched = [replace(i, task="edema_unmatched", split="held_out") for i in training]
    # The same words, about a text: another question.
    about_text = replace(training[0], task="text_question", images=(), context="edema")
    for control in (Majority(), Probe(features, IMAGES)):
        control.fit([*training, about_text])
        same = control.likelihoods(_held_out(training))
        np.testing.assert_array_equal(control.likelihoods(unmatched), same)
        other = replace(unmatched[0], about="mass")
        with pytest.raises(ValueError, match=r"ask the same are \[\]: need one"):
            control.likelihoods([other])


# --- regressions; what needs no item is in ``test_choice_regression.py``


def test_three_options_are_scikit_learns_multinomial_regression(items, features):
    own = _of("age", items)
    control = Probe(features, IMAGES, inverse_penalties=(0.01,)).fit(own)
    rows = StandardScaler().fit(features[:N])
    model = LogisticRegression(C=0.01, tol=1e-8, max_iter=1000)
    model.fit(rows.transform(features[:N]), [item.answer for item in own])
    # Other images than those learned from.
    asked = [replace(i, images=(IMAGES[N + r],), split="held_out") for r, i in enumerate(own)]
    found = np.exp(control.likelihoods(asked))
    expected = model.predict_proba(rows.transform(features[N:]))
    order = [list(model.classes_).index(band) for band in BANDS]
    np.testing.assert_allclose(found, expected[:, order], atol=2e-4)


def test_the_penalty_is_the_one_with_least_loss_over_folds_of_patients(items, features):
    own = _of("age", items)
    penalties = (1e-5, 1e-3, 1e-1)
    chosen = Probe(features, IMAGES, inverse_penalties=penalties).fit(own).chosen["age"]
    rows = StandardScaler().fit_transform(features[:N])
    answers, groups = np.array([i.answer for i in own]), [i.group for i in own]
    losses = dict.fromkeys(penalties, 0.0)
    for penalty, (learned, judged) in itertools.product(
        penalties, GroupKFold(3).split(rows, groups=groups)
    ):
        model = LogisticRegression(C=penalty, tol=1e-8, max_iter=1000)
        model.fit(rows[learned], answers[learned])
        columns = np.searchsorted(model.classes_, answers[judged])
        losses[penalty] -= model.predict_log_proba(rows[judged])[range(len(judged)), columns].sum()
    assert chosen == min(losses, key=losses.get)


def test_two_images_are_told_by_their_difference(items, features):
    own = _of("temporal", items)
    control = Probe(features, IMAGES).fit(own)
    right = np.mean([s == i.answer for s, i in zip(_likeliest(control, own), own, strict=True)])
    assert right > 0.75
    exchanged = [replace(item, images=item.images[::-1]) for item in own]
    now = _likeliest(control, exchanged)
    assert np.mean([s != i.answer for s, i in zip(now, own, strict=True)]) > 0.7


def test_drawn_findings_are_compared_by_their_log_odds(features):
    """Three findings follow three features; sets are drawn, and one of the two is right."""
    names = np.array(["edema", "mass", "pleural thickening"])
    rng = np.random.default_rng(5)
    made = []
    for row in range(2 * N):
        order = np.argsort(features[row, :3])[::-1]
        high, low = " and ".join(names[order[:2]]), " and ".join(names[order[1:]])
        options = tuple(rng.permutation([high, low]).tolist())
        made.append(_item(row, high, options, "multi", about=high))
    control = Probe(features, IMAGES).fit(made[:N])
    asked = _held_out(made[N:])
    said = _likeliest(control, asked)
    assert np.mean([s == i.answer for s, i in zip(said, asked, strict=True)]) > 0.9
    assert control._heads["multi"].labels == sorted(names)
    # The member that both sets share says nothing.
    single = _held_out([_item(0, "edema", ("edema", "mass"), "multi")])
    pair = _held_out(
        [_item(0, "edema and hernia", ("edema and hernia", "mass and hernia"), "multi")]
    )
    np.testing.assert_allclose(control.likelihoods(single), control.likelihoods(pair))


def test_metadata_alone_never_sees_what_is_asked():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(
        {
            "view": rng.choice(["AP", "PA"], 2 * N),
            "sex": rng.choice(["F", "M"], 2 * N),
            "age": rng.integers(20, 80, 2 * N).astype(float),
        },
        index=IMAGES,
    )
    table.loc[IMAGES[0], ["view", "sex", "age"]] = [None, None, np.nan]
    made = [_item(row, "yes" if table["view"].iloc[row] == "AP" else "no") for row in range(N)]
    asked = [replace(item, task="view") for item in made]
    control = Metadata(table).fit(made + asked)
    right = [s == i.answer for s, i in zip(_likeliest(control, made), made, strict=True)]
    assert np.mean(right) == 1
    for task, column in controls.ASKED.items():
        changed = table.assign(**{column: rng.permutation(table[column])})
        same = [replace(item, task=task) for item in made]
        found = [Metadata(of).fit(same).likelihoods(same) for of in (table, changed)]
        np.testing.assert_array_equal(*found)
    assert control.chosen["view"] == 1.0


def test_quadrants_are_seen_where_a_place_is_asked_for(features):
    quadrants = np.random.default_rng(8).normal(size=(2 * N, 5, 8))
    places = ("left", "right")
    made = [
        _item(row, places[int(quadrants[row, 3, 0] > 0)], places, task)
        for task in ("side", "other")
        for row in range(N)
    ]
    control = Probe(features, IMAGES, quadrants).fit(made)
    said = _likeliest(control, made)
    right = [s == i.answer for s, i in zip(said, made, strict=True)]
    assert np.mean(right[:N]) > 0.9 > np.mean(right[N:])
    pooled = Probe(features, IMAGES).fit(made)
    assert (
        np.mean([s == i.answer for s, i in zip(_likeliest(pooled, made), made, strict=True)]) < 0.9
    )


def test_texts_are_left_out_and_count_as_not_scored(items, features):
    about_text = _item(0, "yes", task="matching", context="Edema.")
    no_image = _item(0, "yes", task="text", images=(), context="Edema.")
    sentences = [("Clear.", "No edema."), ("Clear.", "A mass.")]
    selection = [_item(r, s[0], s, "selection") for r, s in enumerate(sentences)]
    left_out = [about_text, no_image, *selection]
    control = Probe(features, IMAGES).fit(items + left_out)
    assert control.likelihoods(_held_out(left_out)) == [None] * 4
    table = answers_table(_held_out(left_out + items), control)
    assert table["right_likelihood"].isna().tolist() == [True] * 4 + [False] * len(items)
    # What the scoring finds likeliest is what the control says.
    told = table.iloc[4:]
    assert (told["right_likelihood"] == told["right_generation"]).all()


@pytest.mark.parametrize("make", [Majority, None])
def test_held_out_answers_change_nothing_and_are_refused_in_training(items, features, make):
    control = make() if make else Probe(features, IMAGES)
    half = len(items) // 2
    control.fit(items[:half])
    asked = _held_out(items[half:])
    other = [replace(item, answer=item.options[item.options[0] == item.answer]) for item in asked]
    assert [item.answer for item in asked] != [item.answer for item in other]
    for one, two in zip(control.likelihoods(asked), control.likelihoods(other), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="held-out item is not to be learned from"):
        control.fit(asked)


def test_what_does_not_fit_is_named(items, features):
    with pytest.raises(ValueError, match="180 rows of 2 images"):
        Probe(features, IMAGES[:2])
    control = Probe(features, IMAGES).fit(_of("edema_matched", items))
    with pytest.raises(KeyError, match="unknown.png"):
        control.likelihoods([_item(0, "yes", images=("unknown.png",))])
    with pytest.raises(ValueError, match="a task needs one number"):
        control.likelihoods([_item(0, "yes"), _item(0, "yes", images=tuple(IMAGES[:2]))])


@pytest.mark.parametrize(
    ("option", "findings"),
    [
        ("Edema, Mass and Hernia", ("edema", "mass", "hernia")),
        ("Pleural_Thickening", ("pleural thickening",)),
        ("edema, and mass", ("edema", "mass")),
        ("No Finding", ("no finding",)),
        ("The heart is large and edema", ()),
        ("A", ()),
    ],
)
def test_findings_named(option, findings):
    assert controls.findings_named(option) == findings
