"""Texts and items as tokens: all is read back, and no text passes for a mark."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import (
    OWN_MARKS,
    PRETRAINED_MARKS,
    Writer,
    as_bytes,
    as_texts,
    pretrained_tokenizer,
    train_tokenizer,
)

VIEW = Item("view", "which image ?", "AP", ("AP", "PA"), ("2.png",))
PAIR = Item("temporal", "which image ?", "left", ("left", "right"), ("5.png", "1.png"))


@pytest.fixture(scope="module")
def writer(tiny_writer) -> Writer:
    return tiny_writer(longest=4000)


def holds_no_mark(text: str) -> bool:
    return not any(mark in text for mark in OWN_MARKS.all)


@given(st.text(max_size=60).filter(holds_no_mark))
def test_any_text_is_written_and_read_back(writer, text):
    tokens = writer.plain(text).tokens
    assert tokens[0] == writer.start and tokens[-1] == writer.end
    for read in (tokens, tokens[1:-1]):
        assert writer.tokenizer.batch_decode([read], skip_special_tokens=True) == [text]


@pytest.mark.parametrize(
    "text", ["Clear lungs .", "it 's not here , n't it ?", " two  spaces ", "\n\t5² ½ é"]
)
def test_spaces_stay_as_they_are(writer, text):
    assert writer.tokenizer.decode(writer.plain(text).tokens, skip_special_tokens=True) == text


@pytest.mark.parametrize("mark", OWN_MARKS.all)
def test_a_text_that_names_a_mark_is_refused(writer, mark):
    text = f"no {mark} effusion"
    with pytest.raises(ValueError, match="name of a mark.*no <"):
        writer.plain(text)
    for item in (
        Item("view", text, "AP", images=("2.png",)),
        Item("view", "which ?", "AP", context=text),
    ):
        with pytest.raises(ValueError, match="name of a mark"):
            writer.prompt(item)
    with pytest.raises(ValueError, match="name of a mark"):
        writer.answered(VIEW, text)


def test_a_prompt_is_start_images_question_and_answer_mark(writer):
    question = writer.tokenizer(VIEW.question, add_special_tokens=False)["input_ids"]
    answer_mark = writer.tokenizer.convert_tokens_to_ids(OWN_MARKS.answer)
    prompt = writer.prompt(VIEW)
    assert prompt.tokens == [1, *[writer.image_token] * 5, *question, answer_mark]
    assert prompt.n_given == len(prompt.tokens) and prompt.rows == (2,)
    unseen = writer.prompt(VIEW, shows_images=False)
    assert unseen.tokens == [1, *question, answer_mark] and unseen.rows == ()


def test_two_images_are_shown_in_their_order(writer):
    prompt = writer.prompt(PAIR)
    assert prompt.tokens[:12] == [1, *[writer.image_token] * 10, prompt.tokens[11]]
    assert prompt.tokens.count(writer.image_token) == 10
    assert prompt.rows == (5, 1)


def test_a_context_stands_before_the_question(writer):
    item = Item("matching", "does it ?", "yes", ("yes", "no"), ("0.png",), "clear lung .")
    read = writer.tokenizer.decode(writer.prompt(item).tokens, skip_special_tokens=True)
    assert read == "clear lung .\ndoes it ?"


def test_only_the_answer_and_the_end_are_learned(writer):
    prompt, written = writer.prompt(VIEW), writer.answered(VIEW, "PA")
    assert written.tokens[: written.n_given] == prompt.tokens
    assert written.tokens[-1] == writer.end and written.rows == (2,)
    assert writer.tokenizer.decode(written.tokens[written.n_given : -1]) == "PA"


def test_a_caption_is_asked_for_without_words(writer):
    caption = writer.answered(Item("caption", "", "clear", images=("3.png",)), "clear")
    assert len(writer.prompt(Item("caption", "", "clear", images=("3.png",))).tokens) == 7
    assert caption.n_given == 7


def test_a_long_text_is_cut_and_a_long_item_refused(tiny_writer):
    short = tiny_writer(longest=20)
    text = short.plain("no effusion " * 20)
    assert len(text.tokens) == 20 and text.n_given == 1
    with pytest.raises(ValueError, match="an item of view has .* tokens, at most 20"):
        short.prompt(Item("view", "which image ? " * 10, "AP"))


def test_a_prompt_leaves_room_for_one_token_at_least(tiny_writer):
    n_tokens = len(tiny_writer().prompt(VIEW).tokens)
    assert len(tiny_writer(longest=n_tokens + 1).prompt(VIEW).tokens) == n_tokens
    with pytest.raises(ValueError, match="at most"):
        tiny_writer(longest=n_tokens).prompt(VIEW)


def test_an_image_without_features_is_an_error(writer):
    with pytest.raises(KeyError, match=r"elsewhere\.png"):
        writer.prompt(Item("view", "which ?", "AP", images=("elsewhere.png",)))
    assert writer.prompt(Item("view", "?", "AP", images=("elsewhere.png",)), False).rows == ()


def test_a_tokenizer_keeps_to_its_size_and_is_the_same_in_every_run():
    texts = [f"there is {word} effusion number {n}" for n in range(40) for word in ("no", "left")]
    first, again = train_tokenizer(texts, 320), train_tokenizer(iter(texts), 320)
    assert first.get_vocab() == again.get_vocab()
    assert len(first) == 320
    assert first.convert_tokens_to_ids(OWN_MARKS.all) == [0, 1, 2, 3, 4]
    # Common words become one token.
    assert len(first(" effusion", add_special_tokens=False)["input_ids"]) == 1


@given(st.lists(st.text(max_size=20).filter(lambda text: not text.endswith("\0")), max_size=6))
def test_texts_are_packed_as_bytes_and_unpacked(texts):
    packed = as_bytes(texts)
    assert packed.dtype == np.uint8 and packed.ndim == 2
    assert as_texts(packed) == texts


def test_bytes_by_hand():
    assert as_bytes(["é", "a"]).tolist() == [[0xC3, 0xA9], [ord("a"), 0]]
    assert as_bytes(["", ""]).shape == (2, 1)


def test_a_pretrained_tokenizer_needs_no_new_tokens(pretrained_folder):
    tokenizer = pretrained_tokenizer("tiny")
    writer = Writer(tokenizer, 5, {"2.png": 2}, PRETRAINED_MARKS)
    assert [writer.padding, writer.start, writer.end, writer.image_token] == [0, 1, 2, 3]
    written = writer.answered(VIEW, "AP")
    assert tokenizer.decode(written.tokens, skip_special_tokens=True) == "which image ?AP"
    with pytest.raises(ValueError, match="name of a mark"):
        writer.plain("clear <|im_end|>")


def test_the_marks_are_tokens_of_the_registry_s_model(mirror):
    tokenizer = pretrained_tokenizer("smollm2_135m_instruct")
    ids = tokenizer.convert_tokens_to_ids(PRETRAINED_MARKS.all)
    assert ids[0] == 0  # with which sequences are padded
    assert len(set(ids)) == 5 and tokenizer.convert_ids_to_tokens(ids) == PRETRAINED_MARKS.all
    writer = Writer(tokenizer, 5, {}, PRETRAINED_MARKS)
    for mark in PRETRAINED_MARKS.all:
        with pytest.raises(ValueError, match="name of a mark"):
            writer.plain(f"clear {mark}")
    text = "1. Clear lungs , no effusion .\nIt 's normal."
    assert tokenizer.decode(writer.plain(text).tokens, skip_special_tokens=True) == text
