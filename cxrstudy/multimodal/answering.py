"""A small model's answers: the likelihood of every option, and what it writes by itself."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlavaForConditionalGeneration

from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import Sequenced, Writer

_BATCH = 128


def option_likelihoods(
    model: LlavaForConditionalGeneration,
    writer: Writer,
    grid: np.ndarray,
    items: Sequence[Item],
    shows_images: bool = True,
) -> np.ndarray:
    """Sum the log-probabilities of each option's tokens and of the end.

    Returns float32, (n_items, most_options), NaN where an item has no further option. ``grid`` is
    the images' features, (n_images, n_places, n_channels).
    """
    scores = np.full((len(items), max((len(i.options) for i in items), default=0)), np.nan, "f4")
    places = [(row, k) for row, item in enumerate(items) for k in range(len(item.options))]
    written = [
        writer.answered(items[row], items[row].options[k], shows_images) for row, k in places
    ]
    order = sorted(range(len(written)), key=lambda n: len(written[n].tokens))
    with torch.inference_mode():
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            likelihoods = sequence_likelihoods(model, grid, [written[n] for n in batch])
            for n, likelihood in zip(batch, likelihoods.tolist(), strict=True):
                scores[places[n]] = likelihood
    return scores


def sequence_likelihoods(
    model: LlavaForConditionalGeneration, grid: np.ndarray, sequences: Sequence[Sequenced]
) -> Tensor:
    """Sum the log-probabilities of the tokens that are learned; (n_sequences,)."""
    given = model_inputs(grid, sequences)
    labels = learned_labels(sequences)[:, 1:]
    states = model.model(**given).last_hidden_state[:, :-1]
    learned = labels >= 0
    # The output layer is computed where it is read.
    logits = model.lm_head(states[learned]).float()
    chosen = logits.gather(-1, labels[learned][:, None])[:, 0] - logits.logsumexp(-1)
    sums = torch.zeros(labels.shape, dtype=chosen.dtype)
    sums[learned] = chosen
    return sums.sum(dim=1)


def generated(
    model: LlavaForConditionalGeneration,
    writer: Writer,
    grid: np.ndarray,
    items: Sequence[Item],
    shows_images: bool = True,
    longest: int = 12,
) -> list[str]:
    """Let the model answer greedily, with so many tokens at most."""
    prompts = [writer.prompt(item, shows_images) for item in items]
    order = sorted(range(len(prompts)), key=lambda n: len(prompts[n].tokens))
    texts = [""] * len(items)
    with torch.inference_mode():
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            inputs = model_inputs(grid, [prompts[n] for n in batch], on_the_left=True)
            made = model.generate(
                **inputs,
                max_new_tokens=longest,
                do_sample=False,
                # An image token without an image would stop Llava.
                suppress_tokens=[writer.image_token],
                pad_token_id=writer.padding,
                eos_token_id=writer.end,
            )[:, inputs["input_ids"].shape[1] :]
            answers = writer.tokenizer.batch_decode(made, skip_special_tokens=True)
            for n, text in zip(batch, answers, strict=True):
                texts[n] = text.strip()
    return texts


def composed(
    model: LlavaForConditionalGeneration, writer: Writer, n_texts: int, longest: int = 80
) -> list[str]:
    """Let the model write texts from nothing, drawn token by token as it holds them likely."""
    start = torch.full((n_texts, 1), writer.start)
    with torch.inference_mode():
        made = model.eval().generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            max_new_tokens=longest,
            do_sample=True,
            top_k=0,
            suppress_tokens=[writer.image_token],
            pad_token_id=writer.padding,
            eos_token_id=writer.end,
        )
    texts = writer.tokenizer.batch_decode(made[:, 1:], skip_special_tokens=True)
    return [text.strip() for text in texts]


def model_inputs(
    grid: np.ndarray, sequences: Sequence[Sequenced], on_the_left: bool = False
) -> dict[str, Tensor]:
    """Pad sequences to the longest, and gather the features of their images in order."""
    tokens = [torch.tensor(each.tokens) for each in sequences]
    side = "left" if on_the_left else "right"
    inputs = {
        "input_ids": pad_sequence(tokens, batch_first=True, padding_value=0, padding_side=side),
        "attention_mask": pad_sequence(
            [torch.ones_like(each) for each in tokens], batch_first=True, padding_side=side
        ),
    }
    rows = [row for each in sequences for row in each.rows]
    if rows:
        inputs["pixel_values"] = torch.from_numpy(grid[rows].astype(np.float32))
    return inputs


def learned_labels(sequences: Sequence[Sequenced]) -> Tensor:
    """Return the tokens with -100 wherever none is learned; padded on the right."""
    rows = []
    for each in sequences:
        row = torch.tensor(each.tokens)
        row[: each.n_given] = -100
        rows.append(row)
    return pad_sequence(rows, batch_first=True, padding_value=-100)
