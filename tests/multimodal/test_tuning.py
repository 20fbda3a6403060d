"""Stages: which parts move, what they learn from, and the loss by hand."""

import copy
import math
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from cxrstudy.multimodal import tuning
from cxrstudy.multimodal.answering import learned_labels, model_inputs, sequence_likelihoods
from cxrstudy.multimodal.assembly import build_model, part_hashes, parts_of
from cxrstudy.multimodal.config import Branch, Stage, TuningConfig
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import PRETRAINED_MARKS, Writer, pretrained_tokenizer
from cxrstudy.multimodal.tuning import Caption, Learner, Lessons, learn_stage
from cxrstudy.trainings.job import own_randomness

PARTS = ("encoder", "bridger", "language_model")
TEXT = files("cxrstudy.studies.chexagent").joinpath("stages.yaml").read_text("utf-8")
ROWS = [*yaml.safe_load(TEXT)["before"], yaml.safe_load(TEXT)["last"]]
MOVES = {
    "language": {"language_model"},
    "encoder": {"encoder", "bridger"},
    "bridger": {"bridger"},
    "instructions": set(PARTS),
}
LESSONS = Lessons(
    ["there is no effusion .", "clear lung .", "left lung is clear ."] * 4,
    [Caption(f"{n}.png", "no effusion" + " seen" * (n % 4), "abc"[n % 3]) for n in range(12)],
    [Item("view", "which image ?", ("AP", "PA")[n % 2], ("AP", "PA"), (f"{n}.png",))
     for n in range(12)],
)  # fmt: skip


def stage(objective: str, trains=PARTS, epochs: float = 2, rate: float = 1e-3) -> Stage:
    return Stage("some", trains, objective, epochs, rate)


def learn(model, writer, grid, of: Stage, lessons=LESSONS, **others) -> float:
    with own_randomness(0):
        return learn_stage(model, of, writer, lessons, grid, 4, 0, **others)


def moved(before: dict, model) -> set[str]:
    return {part for part, hashed in part_hashes(model).items() if hashed != before[part]}


@pytest.mark.parametrize("bridger", ["mlp", "qformer"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_each_stage_moves_what_it_names_and_no_other_bit(
    tiny_model, tiny_writer, grid, row, bridger
):
    model = tiny_model(bridger)
    before, weights = part_hashes(model), copy.deepcopy(model).state_dict()
    learn(model, tiny_writer(bridger), grid, stage(row["objective"], tuple(row["trains"])))
    assert moved(before, model) == set(row["trains"]) == MOVES[row["name"]]
    of_part = {id(w): part for part, each in parts_of(model).items()
               for module in each for w in module.parameters()}  # fmt: skip
    for name, weight in model.named_parameters():
        if of_part[id(weight)] not in row["trains"]:
            assert torch.equal(weight, weights[name]), name
    assert not model.training and all(weight.device.type == "cpu" for weight in model.parameters())


@pytest.mark.parametrize("bridger", ["mlp", "qformer"])
def test_all_of_a_part_learns(tiny_model, tiny_writer, grid, bridger):
    """Weights that no gradient reaches would only be counted."""
    model = tiny_model(bridger)
    before = copy.deepcopy(model).state_dict()
    learn(model, tiny_writer(bridger), grid, stage("answer"))
    now = model.state_dict()
    still = {name for name in now if torch.equal(now[name], before[name])}
    # A bias of keys moves all scores of a query alike.
    assert all(name.endswith("key.bias") for name in still), still


def test_a_branch_without_images_moves_the_decoder_alone(tiny_model, tiny_writer, grid):
    model = tiny_model()
    before = part_hashes(model)
    learn(model, tiny_writer(), grid, stage("answer"), shows_images=False)
    assert moved(before, model) == {"language_model"}
    other = tiny_model()
    learn(other, tiny_writer(), -2 * grid, stage("answer"), shows_images=False)
    assert part_hashes(other) == part_hashes(model)


def test_equal_seeds_learn_equal_weights(tiny_model, tiny_writer, grid):
    hashes = []
    for seed in (0, 0, 1):
        model = tiny_model()
        with own_randomness(0):
            learn_stage(model, stage("caption"), tiny_writer(), LESSONS, grid, 4, seed)
        hashes.append(part_hashes(model))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("objective", ["next_token", "contrast_and_caption", "caption", "answer"])
def test_a_stage_lowers_its_loss(tiny_model, tiny_writer, grid, objective):
    model, writer = tiny_model(), tiny_writer()
    examples = tuning._examples(stage(objective), writer, LESSONS, True)
    with own_randomness(0):
        learner = Learner(model, False)
    batch = tuning._collate(examples, grid)
    with torch.no_grad():
        before = learner(**batch)["loss"].item()
    mean = learn(model, writer, grid, stage(objective, epochs=8, rate=3e-3))
    with torch.no_grad():
        after = learner(**batch)["loss"].item()
    assert after < 0.8 * before
    if objective != "contrast_and_caption":  # which has a second part
        assert after < mean < before


@pytest.mark.parametrize(
    ("of", "lessons"),
    [
        (stage("next_token"), Lessons((), LESSONS.captions, LESSONS.items)),
        (stage("caption"), Lessons(LESSONS.texts, (), LESSONS.items)),
        (stage("contrast_and_caption"), Lessons(LESSONS.texts, (), LESSONS.items)),
        (stage("answer"), Lessons(LESSONS.texts, LESSONS.captions)),
        (stage("answer", epochs=0), LESSONS),
    ],
)
def test_a_stage_needs_something_to_learn(tiny_model, tiny_writer, grid, of, lessons):
    with pytest.raises(ValueError, match="stage some has nothing to learn from"):
        learn(tiny_model(), tiny_writer(), grid, of, lessons)


def test_the_loss_is_that_of_the_learned_tokens(tiny_model, tiny_writer, grid):
    model, writer = tiny_model(), tiny_writer()
    sequences = [writer.answered(item, item.answer) for item in LESSONS.items[:3]]
    sequences.append(writer.plain("there is no effusion ."))
    batch = model_inputs(grid, sequences) | {"labels": learned_labels(sequences)}
    n_learned = sum(len(each.tokens) - each.n_given for each in sequences)
    with torch.no_grad():
        loss = Learner(model, False)(**batch)["loss"].item()
        expected = -sequence_likelihoods(model, grid, sequences).sum().item() / n_learned
    assert loss == pytest.approx(expected, rel=1e-5)


def contrast(images, texts, label_sets, log_scale=0.0) -> float:
    """Give the contrastive loss of vectors, as the tower and the decoder would have made them."""
    images, texts = (torch.tensor(each, dtype=torch.float) for each in (images, texts))

    def tower(pixel_values):
        return SimpleNamespace(last_hidden_state=torch.stack([images, 3 * images], dim=1))

    def decoder(input_ids, attention_mask):
        # The second token is padding of the first text.
        assert attention_mask[:, 0].all() and not attention_mask[0, 1]
        states = torch.stack([texts, torch.full_like(texts, 9)], dim=1)
        states[1:, 1] = texts[1:]
        return SimpleNamespace(last_hidden_state=states)

    sizes = SimpleNamespace(hidden_size=2)
    learner = Learner(
        SimpleNamespace(
            config=SimpleNamespace(text_config=sizes, vision_config=sizes),
            model=SimpleNamespace(vision_tower=tower, language_model=decoder),
        ),
        True,
    )
    learner.of_image, learner.of_text = nn.Identity(), nn.Identity()
    learner.log_scale = nn.Parameter(torch.tensor(log_scale))
    labels = torch.full((len(images), 2), 7)
    labels[0, 1] = -100
    inputs = {"pixel_values": torch.zeros(len(images), 1)}
    return learner._contrast(inputs, labels, torch.tensor(label_sets)).item()


def test_the_contrast_of_two_pairs_by_hand():
    """Cosines are 1 on the diagonal and 0 beside it: of e and 1, the right one has e."""
    right = -math.log(math.e / (math.e + 1))
    wrong = -math.log(1 / (math.e + 1))
    images, texts = [[5, 0], [0, 1]], [[1, 0], [0, 2]]
    assert contrast(images, texts, [0, 1]) == pytest.approx(right)
    assert contrast(images, texts[::-1], [0, 1]) == pytest.approx(wrong)
    # Partners of one label set are both right, each by half.
    assert contrast(images, texts, [4, 4]) == pytest.approx((right + wrong) / 2)
    # At a scale of 2 the diagonal has e².
    two = -math.log(math.e**2 / (math.e**2 + 1))
    assert contrast(images, texts, [0, 1], math.log(2)) == pytest.approx(two)


def test_the_contrast_looks_both_ways():
    """All images are alike, so that texts cannot choose, and images choose the first text."""
    images, texts = [[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 1], [0, -1]]
    to_texts = [-math.log(math.exp(cosine) / (math.e + 2)) for cosine in (1, 0, 0)]
    expected = (sum(to_texts) / 3 + math.log(3)) / 2
    assert contrast(images, texts, [0, 1, 2]) == pytest.approx(expected)


def test_sentences_are_read_alone_for_the_contrast(tiny_model, tiny_writer, grid):
    """Neither image nor padding reaches what the decoder makes of a sentence."""
    model, writer, read = tiny_model(), tiny_writer(), []
    of = stage("contrast_and_caption")
    examples = tuning._examples(of, writer, LESSONS, True)[:5]
    assert len({len(each["input_ids"]) for each in examples}) > 1
    learner = Learner(model, True)
    learner.of_text.register_forward_hook(lambda module, given, made: read.append(given[0]))
    with torch.no_grad():
        for features in (grid, -grid):
            learner(**tuning._collate(examples, features))
        for n, example in enumerate(examples):
            sequence = example["sequence"]
            tokens = torch.tensor([sequence.tokens[sequence.n_given :]])
            states = model.model.language_model(input_ids=tokens).last_hidden_state.mean(1)[0]
            for found in read:
                torch.testing.assert_close(found[n], states, rtol=1e-5, atol=1e-5)


def test_captions_of_one_label_set_share_a_number(tiny_writer):
    examples = tuning._examples(stage("caption"), tiny_writer(), LESSONS, True)
    assert [each["label_set"] for each in examples] == [0, 1, 2] * 4
    assert {len(each["sequence"].rows) for each in examples} == {1}


def test_pairs_that_are_told_apart_come_closer(tiny_model, tiny_writer, grid):
    """Three label sets, each with its features and its sentence."""
    sentences = ("no effusion", "left lung clear", "there is")
    captions = [Caption(f"{n}.png", sentences[n % 3], "abc"[n % 3]) for n in range(12)]
    features = grid.copy()
    for n in range(12):
        features[n, :, n % 3] += 4
    model = tiny_model()
    of = stage("contrast_and_caption", ("encoder", "bridger"), 30, 1e-2)
    with own_randomness(0):
        loss = learn_stage(model, of, tiny_writer(), Lessons((), captions), features, 6, 0)
    assert np.isfinite(loss)
    with torch.no_grad():
        pixels = torch.from_numpy(features.astype(np.float32))
        seen = model.model.vision_tower(pixels).last_hidden_state.mean(1)
    seen = nn.functional.normalize(seen - seen.mean(0), dim=-1)
    same = torch.arange(12)[:, None] % 3 == torch.arange(12)[None] % 3
    cosines = seen @ seen.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.8


def test_a_pretrained_decoder_moves_through_adapters_alone(grid, tiny_config, pretrained_folder):
    tokenizer = pretrained_tokenizer("tiny")
    rows = {f"{row}.png": row for row in range(12)}
    writer = Writer(tokenizer, 5, rows, PRETRAINED_MARKS)
    with own_randomness(0):
        model = build_model(tiny_config(pretrained="tiny"), 0, writer.image_token, grid)
    weights = copy.deepcopy(model).state_dict()
    for objective in ("next_token", "answer"):
        learn(model, writer, grid, stage(objective))
    kept = {name for name, now in model.state_dict().items() if torch.equal(now, weights[name])}
    decoder = {name for name in weights if ".language_model." in name and "lora_" not in name}
    base = decoder | {"lm_head.weight"}
    assert kept == base


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 40}, "multiple of 32"),
        ({"layers": 0}, "layers"),
        ({"vocabulary_size": 200}, "vocabulary_size"),
        ({"bridger": "linear"}, "bridger"),
        ({"seed": -1}, "seed"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TuningConfig((), stage("answer"), (Branch("full"),), **changes)
