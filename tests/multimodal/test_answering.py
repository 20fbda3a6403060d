"""Answers of a small model: equal to plain forward passes, whatever stands beside an item."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxrstudy.multimodal import answering
from cxrstudy.multimodal.answering import (
    composed,
    generated,
    learned_labels,
    model_inputs,
    option_likelihoods,
    sequence_likelihoods,
)
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import Sequenced
from cxrstudy.trainings.job import own_randomness

VIEW = Item("view", "which image ?", "AP", ("AP", "PA"), ("2.png",))
PAIR = Item("temporal", "which ?", "appear", ("appear", "resolve"), ("5.png", "1.png"))
CHOICE = Item("single", "which of these ?", "mass", ("mass", "edema", "no finding"), ("7.png",))
LONG = Item("text", "is there effusion ?", "no", ("yes", "no"), (), "no effusion is seen . " * 6)
OPEN = Item("summary", "which ?", "clear lung .", context="there is no effusion .")
ITEMS = [CHOICE, LONG, OPEN, VIEW, PAIR]


@pytest.fixture(scope="module", params=["mlp", "qformer"])
def bridger(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def writer(tiny_writer, bridger):
    return tiny_writer(bridger)


@pytest.fixture(scope="module")
def model(tiny_model, bridger):
    return tiny_model(bridger)


def logits(model, grid, tokens: list[int], images: tuple[str, ...]) -> torch.Tensor:
    """Pass one sequence through the model, without padding and without the code under test."""
    rows = [int(name.removesuffix(".png")) for name in images]
    pixels = torch.from_numpy(grid[rows].astype(np.float32)) if rows else None
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), pixel_values=pixels).logits[0].double()


def likelihood(model, writer, grid, item: Item, option: str) -> float:
    prompt = writer.prompt(item).tokens
    answer = writer.tokenizer(option, add_special_tokens=False)["input_ids"] + [writer.end]
    found = logits(model, grid, prompt + answer, item.images).log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return sum(found[place, token].item() for place, token in zip(places, answer, strict=True))


def test_likelihoods_are_those_of_one_forward_pass_each(model, writer, grid):
    found = option_likelihoods(model, writer, grid, ITEMS)
    assert found.dtype == np.float32 and found.shape == (5, 3)
    for item, row in zip(ITEMS, found, strict=True):
        expected = [likelihood(model, writer, grid, item, option) for option in item.options]
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=1e-5)
        assert np.isnan(row[len(expected) :]).all()


def test_likelihoods_do_not_depend_on_what_stands_beside(model, writer, grid, monkeypatch):
    together = option_likelihoods(model, writer, grid, ITEMS)
    turned = option_likelihoods(model, writer, grid, ITEMS[::-1])[::-1]
    np.testing.assert_allclose(turned, together, rtol=1e-5)
    monkeypatch.setattr(answering, "_BATCH", 2)
    np.testing.assert_allclose(option_likelihoods(model, writer, grid, ITEMS), together, rtol=1e-5)
    for item, row in zip(ITEMS, together, strict=True):
        alone = option_likelihoods(model, writer, grid, [item])[0]
        np.testing.assert_allclose(alone, row[: len(alone)], rtol=1e-5)


def test_without_items_or_options_there_is_nothing(model, writer, grid):
    assert option_likelihoods(model, writer, grid, []).shape == (0, 0)
    assert option_likelihoods(model, writer, grid, [OPEN, OPEN]).shape == (2, 0)
    assert generated(model, writer, grid, []) == []


def test_images_and_their_order_matter(model, writer, grid):
    items = [PAIR, replace(PAIR, images=PAIR.images[::-1]), replace(PAIR, images=("5.png",) * 2)]
    found = option_likelihoods(model, writer, grid, items)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[first] - found[second]).min() > 1e-4


def test_images_that_are_not_shown_do_not_matter(model, writer, grid):
    others = [replace(VIEW, images=images) for images in (("3.png",), ("1.png", "4.png"), ())]
    found = option_likelihoods(model, writer, grid, [VIEW, *others], shows_images=False)
    np.testing.assert_allclose(found, np.tile(found[3], (4, 1)), rtol=1e-6)
    shown = option_likelihoods(model, writer, grid, [VIEW])
    assert np.abs(shown[0] - found[0]).min() > 1e-3
    texts = generated(model, writer, grid, [VIEW, *others], shows_images=False)
    assert len(set(texts)) == 1


def test_a_sequence_counts_its_learned_tokens_alone(model, writer, grid):
    text = writer.plain("there is no effusion .")
    found = logits(model, grid, text.tokens, ()).log_softmax(-1)
    each = [found[place, token].item() for place, token in enumerate(text.tokens[1:])]
    with torch.no_grad():
        sums = sequence_likelihoods(
            model, grid, [text, Sequenced(text.tokens, len(text.tokens) - 2)]
        )
    np.testing.assert_allclose(sums, [sum(each), sum(each[-2:])], rtol=1e-5)


def greedy(model, writer, grid, item: Item, longest: int) -> list[int]:
    """Take the likeliest token that is no image, one after the other."""
    tokens = list(writer.prompt(item).tokens)
    n_given = len(tokens)
    while len(tokens) - n_given < longest:
        following = logits(model, grid, tokens, item.images)[-1]
        following[writer.image_token] = -torch.inf
        tokens.append(int(following.argmax()))
        if tokens[-1] == writer.end:
            break
    return tokens[n_given:]


def test_generated_texts_are_those_of_a_loop(model, writer, grid, monkeypatch):
    expected = [greedy(model, writer, grid, item, 6) for item in ITEMS]
    texts = [writer.tokenizer.decode(each, skip_special_tokens=True).strip() for each in expected]
    assert len(set(texts)) > 2
    assert generated(model, writer, grid, ITEMS, longest=6) == texts
    # Prompts of one batch differ in length, so that short ones are padded; here none is.
    monkeypatch.setattr(answering, "_BATCH", 1)
    assert generated(model, writer, grid, ITEMS, longest=6) == texts


@pytest.fixture
def prefers(model):
    """Make one token by far the likeliest everywhere."""
    hooks = []

    def prefer(token: int) -> None:
        def bump(module, given, made):
            made[..., token] += 1e4
            return made

        hooks.append(model.lm_head.register_forward_hook(bump))

    yield prefer
    for hook in hooks:
        hook.remove()


def test_an_image_token_is_never_generated(model, writer, grid, prefers):
    prefers(writer.image_token)
    for item in ITEMS:
        assert logits(model, grid, writer.prompt(item).tokens, item.images)[-1].argmax() == 3
    expected = [greedy(model, writer, grid, item, 4) for item in ITEMS]
    texts = [writer.tokenizer.decode(each, skip_special_tokens=True).strip() for each in expected]
    assert generated(model, writer, grid, ITEMS, longest=4) == texts and any(texts)


def test_a_text_stops_at_its_end_or_at_the_longest(model, writer, grid, prefers):
    (letter,) = writer.tokenizer("A", add_special_tokens=False)["input_ids"]
    prefers(letter)
    assert generated(model, writer, grid, [VIEW], longest=3) == ["AAA"]
    prefers(writer.end)
    prefers(writer.end)
    assert generated(model, writer, grid, [VIEW, LONG]) == ["", ""]
    assert composed(model, writer, 2) == ["", ""]


def test_composed_texts_are_drawn_and_the_same_for_one_seed(model, writer, grid):
    texts = []
    for seed in (0, 0, 1):
        with own_randomness(seed):
            texts.append(composed(model, writer, 8, longest=6))
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) > 4


def test_texts_are_composed_as_likely_as_the_model_holds_them(model, writer, grid):
    """Of many texts of one token, tokens are as frequent as their likelihood."""
    n = 4000
    with own_randomness(3):
        texts = composed(model, writer, n, longest=1)
    expected = logits(model, grid, [writer.start], ()).clone()[0]
    expected[writer.image_token] = -torch.inf
    shares = expected.softmax(-1)
    for token in shares.argsort(descending=True)[:40].tolist():
        text = writer.tokenizer.decode([token], skip_special_tokens=True).strip()
        same = [
            shares[other].item() for other in range(len(shares))
            if writer.tokenizer.decode([other], skip_special_tokens=True).strip() == text
        ]  # fmt: skip
        share = sum(same)
        assert texts.count(text) / n == pytest.approx(share, abs=4.5 * (share / n) ** 0.5)


def test_inputs_are_padded_on_the_side_that_is_asked_for(grid):
    sequences = [Sequenced([1, 3, 9, 2], 3, (4,)), Sequenced([1, 2], 1), Sequenced([1], 1, (0, 4))]
    right, left = model_inputs(grid, sequences), model_inputs(grid, sequences, on_the_left=True)
    assert right["input_ids"].tolist() == [[1, 3, 9, 2], [1, 2, 0, 0], [1, 0, 0, 0]]
    assert right["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert left["input_ids"].tolist() == [[1, 3, 9, 2], [0, 0, 1, 2], [0, 0, 0, 1]]
    assert left["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    np.testing.assert_array_equal(right["pixel_values"], grid[[4, 0, 4]].astype(np.float32))
    assert "pixel_values" not in model_inputs(grid, sequences[1:2])
    assert learned_labels(sequences).tolist() == [
        [-100, -100, -100, 2],
        [-100, 2, -100, -100],
        [-100, -100, -100, -100],
    ]
