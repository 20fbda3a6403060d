"""Trainings as jobs: repeatable, blind where they should be, and able to learn."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from cxrstudy.multimodal.assembly import build_model
from cxrstudy.multimodal.config import Branch, Stage
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.job import BEFORE, WITH_IMAGES, TuningJob
from cxrstudy.multimodal.language import as_texts
from cxrstudy.multimodal.tuning import Caption, Lessons

PARTS = ("encoder", "bridger", "language_model")
BOTH = (Branch("full"), Branch("blind", shows_images=False, asked_with_images=True))
YES_NO = ("yes", "no")
IMAGES = [f"{row}.png" for row in range(12)]
TEXTS = ["there is no effusion .", "clear left lung .", "effusion is seen ."]
CAPTIONS = [Caption(f"{n}.png", f"{'no ' * (n % 2)}effusion", "ab"[n % 2]) for n in range(8)]


def item(row: int, answer: str, split: str = "training", **others) -> Item:
    given = {"options": YES_NO, "images": (f"{row}.png",), "group": str(row)} | others
    return Item("effusion", "is there effusion ?", answer, split=split, **given)


TRAINING = [item(row, YES_NO[row % 2]) for row in range(8)]
HELD_OUT = [
    *(item(row, YES_NO[row % 2], "held_out") for row in range(8, 12)),
    item(8, "left", "held_out", options=("left", "right", "none"), images=("8.png", "9.png")),
    item(9, "no effusion", "held_out", options=(), images=(), context="clear lung ."),
]
STAGES = (
    Stage("language", ("language_model",), "next_token", 2, 3e-3),
    Stage("encoder", ("encoder", "bridger"), "contrast_and_caption", 2, 3e-3),
    Stage("bridger", ("bridger",), "caption", 2, 3e-3),
)


@pytest.fixture(scope="module")
def make(grid, tiny_config):
    """Lay out a job: all stages and both branches, unless something is changed."""

    def make(config=(), **changes) -> TuningJob:
        settings = {"stages": STAGES, "branches": BOTH, "asks_before": True, "n_composed": 3}
        given = {
            "config": tiny_config(**(settings | dict(config))),
            "lessons": Lessons(TEXTS * 8, CAPTIONS, TRAINING),
            "questions": {"held_out": HELD_OUT},
            "more_questions": {"permuted": HELD_OUT[3::-1]},
            "generates": ["held_out"],
            "held_out_texts": ["no effusion is seen .", "left lung ."],
            "images": IMAGES,
            "grid": grid,
        }
        return TuningJob(**(given | changes))

    return make


@pytest.fixture(scope="module")
def short(make):
    """Lay out a job without stages before the last."""

    def short(config=(), **changes) -> TuningJob:
        return make({"stages": (), "n_composed": 0} | dict(config), **changes)

    return short


@pytest.fixture(scope="module")
def trained(make, tmp_path_factory):
    return make().train(tmp_path_factory.mktemp("job"))


def assert_equal_arrays(first, second) -> None:
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_what_a_training_keeps(trained):
    arrays = trained.arrays
    states = ("full", "blind", "blind" + WITH_IMAGES, BEFORE)
    assert set(arrays) == {
        *(f"likelihood.{state}.held_out" for state in states),
        "likelihood.full.permuted",
        "said.full.held_out",
        "said.blind.held_out",
        "perplexity",
        "composed",
    }
    for state in states:
        scores = arrays[f"likelihood.{state}.held_out"]
        assert scores.dtype == np.float32 and scores.shape == (6, 3)
        n_options = [len(each.options) for each in HELD_OUT]
        assert (~np.isnan(scores)).sum(1).tolist() == n_options
        assert np.nanmax(scores) < 0
    assert arrays["likelihood.full.permuted"].shape == (4, 2)
    np.testing.assert_allclose(
        arrays["likelihood.full.permuted"],
        arrays["likelihood.full.held_out"][3::-1, :2],
        rtol=1e-4,
    )
    assert len(as_texts(arrays["said.full.held_out"])) == 6
    assert len(as_texts(arrays["composed"])) == 3


def test_branches_move_away_from_the_state_before_and_from_each_other(trained):
    states = [trained.arrays[f"likelihood.{name}.held_out"] for name in ("before", "full", "blind")]
    for first, second in combinations(states, 2):
        assert np.nanmin(np.abs(first - second)) > 1e-4


def test_what_a_training_says_of_itself(trained):
    about = trained.about
    moved = {name.removeprefix("moved."): value for name, value in about.items() if "moved" in name}
    assert moved == {
        f"{stage.name}.{part}": float(part in stage.trains) for stage in STAGES for part in PARTS
    }
    losses = {name.removeprefix("loss.") for name in about if name.startswith("loss.")}
    assert losses == {"language", "encoder", "bridger", "full", "blind"}
    assert all(np.isfinite(value) for value in about.values())
    assert 0 < about["seconds"] < 600


def test_parameters_are_those_of_the_model(trained, make, grid):
    job = make()
    writer = job._writer()
    model = build_model(job.config, len(writer.tokenizer), writer.image_token, grid)
    assert trained.about["n_parameters"] == sum(weight.numel() for weight in model.parameters())


def test_perplexity_is_measured_first_and_after_each_stage(trained):
    perplexity = trained.arrays["perplexity"]
    assert perplexity.shape == (4,) and perplexity.dtype == np.float32
    assert perplexity[1] < 0.9 * perplexity[0]
    # Later stages do not move the decoder, which reads no image here.
    assert perplexity[1] == perplexity[2] == perplexity[3]


def test_an_untrained_uniform_model_is_as_perplexed_as_it_has_tokens(make, tmp_path, monkeypatch):
    from cxrstudy.multimodal import job as module

    def flat(*given):
        model = build_model(*given)
        model.lm_head.weight.data.zero_()
        return model

    monkeypatch.setattr(module, "build_model", flat)
    none = {"stages": (), "branches": (), "asks_before": False, "n_composed": 0}
    job = make(none)
    n_tokens = len(job._writer().tokenizer)
    assert job.train(tmp_path).arrays["perplexity"] == pytest.approx([n_tokens], rel=1e-4)
    without = make(none, held_out_texts=[]).train(tmp_path).arrays["perplexity"]
    assert np.isnan(without).all() and without.shape == (1,)


def test_a_job_trained_twice_gives_the_same_whatever_the_held_out_answers(trained, make, tmp_path):
    turned = [
        replace(each, answer=each.options[(each.options.index(each.answer) + 1) % 2])
        if each.options else replace(each, answer="edema")
        for each in HELD_OUT
    ]  # fmt: skip
    assert all(new.answer != old.answer for new, old in zip(turned, HELD_OUT, strict=True))
    np.random.seed(5)  # noqa: NPY002  what others drew before changes nothing
    again = make(questions={"held_out": turned}, more_questions={"permuted": turned[3::-1]})
    assert_equal_arrays(again.train(tmp_path).arrays, trained.arrays)


def test_another_seed_gives_another_model(trained, make, tmp_path):
    job = make({"seed": 1, "stages": STAGES[:1], "branches": ()}, more_questions={}, generates=[])
    other = job.train(tmp_path).arrays
    assert (other["perplexity"] != trained.arrays["perplexity"][:2]).all()
    first, second = (each["likelihood.before.held_out"] for each in (other, trained.arrays))
    assert not np.array_equal(first, second, equal_nan=True)


def test_features_of_held_out_images_change_no_weight(short, grid, tmp_path):
    """Images 8 to 11 are held out; an answer about a text shows none."""
    about_text = [replace(TRAINING[0], images=(), split="held_out"), *TRAINING[:3]]
    others = grid.copy()
    others[8:] = 7
    questions = {"questions": {"held_out": about_text}, "more_questions": {}}
    first, second = (
        short({"stages": STAGES[1:2], "branches": BOTH[:1]}, grid=each, **questions).train(tmp_path)
        for each in (grid, others)
    )
    assert_equal_arrays(first.arrays, second.arrays)


def test_what_is_asked_does_not_change_what_is_learned(trained, make, tmp_path):
    """A branch has the same weights whatever other branches learn and are asked."""
    config = {"branches": BOTH[1:], "asks_before": False}
    job = make(config, more_questions={}, generates=[], held_out_texts=["edema edema edema"])
    arrays = job.train(tmp_path).arrays
    assert (arrays["perplexity"] != trained.arrays["perplexity"]).all()
    for name in ("likelihood.blind.held_out", "likelihood.blind+image.held_out"):
        np.testing.assert_array_equal(arrays[name], trained.arrays[name])
    assert "likelihood.full.held_out" not in arrays and "said.blind.held_out" not in arrays


def test_without_images_a_branch_answers_whatever_is_shown(short, tmp_path):
    asked = [item(8, "yes", "held_out", images=images) for images in
             [("8.png",), ("11.png",), ("3.png", "4.png"), ()]]  # fmt: skip
    arrays = short(questions={"held_out": asked}, more_questions={}).train(tmp_path).arrays
    blind = arrays["likelihood.blind.held_out"]
    np.testing.assert_allclose(blind, np.tile(blind[3], (4, 1)), rtol=1e-5)
    assert len(set(as_texts(arrays["said.blind.held_out"]))) == 1
    for state in ("full", "blind+image", "before"):
        seen = arrays[f"likelihood.{state}.held_out"]
        for row in range(3):
            assert np.abs(seen[row] - np.delete(seen, row, axis=0)).min() > 1e-4, state


def test_a_branch_without_images_learns_the_same_whatever_they_are(short, grid, tmp_path):
    turned = [replace(each, images=(f"{7 - n}.png",)) for n, each in enumerate(TRAINING)]
    branch = {"branches": (Branch("blind", shows_images=False),), "asks_before": False}
    first, second = (
        short(branch, lessons=Lessons(items=items), more_questions={}).train(tmp_path).arrays
        for items in (TRAINING, turned)
    )
    assert_equal_arrays(first, second)


def test_the_state_before_is_the_model_as_it_was(short, tmp_path):
    """It does not depend on the last stage, which moves a copy."""
    longer = Stage("instructions", PARTS, "answer", 5, 1e-2)
    one, more = (
        short({"branches": BOTH[:1]} | config, generates=[]).train(tmp_path).arrays
        for config in ({}, {"last": longer})
    )
    name = "likelihood.before.held_out"
    np.testing.assert_array_equal(one[name], more[name])
    assert not np.array_equal(
        one["likelihood.full.held_out"], more["likelihood.full.held_out"], equal_nan=True
    )


def test_a_key_would_change_with_all_that_is_given(make, grid):
    def parts(job: TuningJob) -> str:
        return repr([np.asarray(part).tolist() for part in job.data()])

    changed = [
        make(lessons=Lessons(TEXTS, CAPTIONS, TRAINING)),
        make(lessons=Lessons(TEXTS * 8, CAPTIONS[1:], TRAINING)),
        make(lessons=Lessons(TEXTS * 8, CAPTIONS, TRAINING[::-1])),
        make(questions={"held_out": HELD_OUT[1:]}),
        make(questions={"other": HELD_OUT}),
        make(more_questions={}),
        make(generates=[]),
        make(held_out_texts=[]),
        make(images=IMAGES[::-1]),
        make(grid=-grid),
    ]
    assert len({parts(job) for job in [make(), make(), *changed]}) == len(changed) + 1


def test_longer_trainings_cost_more(make, short):
    last = Stage("instructions", PARTS, "answer", 5, 3e-3)
    assert short().cost < make().cost < make({"last": last}).cost
    assert make({"branches": BOTH[:1]}).cost < make().cost


@pytest.fixture(scope="module")
def task(tiny_config):
    """Make a task: the upper left place decides between yes and no, all else is noise."""
    rng = np.random.default_rng(0)
    n, n_held_out = 360, 120
    grid = rng.normal(size=(n, 5, 8))
    truth = rng.random(n) < 0.5
    grid[:, 1, 2] = np.where(truth, 3, -3) + rng.normal(0, 0.4, n)
    images = [f"{row}.png" for row in range(n)]
    items = [item(row, YES_NO[int(not is_yes)]) for row, is_yes in enumerate(truth)]
    learned, held_out = items[:-n_held_out], items[-n_held_out:]
    turned = [
        replace(each, images=other.images)
        for each, other in zip(held_out, np.roll(np.array(held_out, object), 31), strict=True)
    ]
    last = Stage("instructions", PARTS, "answer", 12, 3e-3)
    config = tiny_config(last=last, batch_size=24)
    job = TuningJob(
        config, Lessons(items=learned), {"held_out": held_out}, {"permuted": turned},
        ["held_out"], [], images, grid.astype(np.float16),
    )  # fmt: skip
    return job, held_out


def test_a_model_learns_what_decides_and_only_from_the_image(task, tmp_path):
    job, held_out = task
    arrays = job.train(tmp_path).arrays
    answers = np.array([each.answer == "no" for each in held_out])

    def accuracy(state: str, asked: str = "held_out") -> float:
        return float((arrays[f"likelihood.{state}.{asked}"].argmax(1) == answers).mean())

    assert accuracy("full") > 0.95
    said = as_texts(arrays["said.full.held_out"])
    assert np.mean([text == each.answer for text, each in zip(said, held_out, strict=True)]) > 0.95
    chance = 3.5 * (0.25 / len(held_out)) ** 0.5
    assert accuracy("full", "permuted") == pytest.approx(0.5, abs=chance)


def test_a_pretrained_decoder_is_trained_as_a_job(short, pretrained_folder, tmp_path):
    job = short({"pretrained": "tiny", "stages": STAGES[:2], "branches": BOTH[:1], "n_composed": 1})
    trained = job.train(tmp_path)
    assert trained.about["moved.language.language_model"] == 1
    assert trained.about["moved.encoder.language_model"] == 0
    assert trained.arrays["likelihood.full.held_out"].shape == (6, 3)
    assert len(as_texts(trained.arrays["said.full.held_out"])) == 6
