"""Trainings of small vision-language models as jobs."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlavaForConditionalGeneration

from cxrstudy.multimodal.answering import (
    composed,
    generated,
    option_likelihoods,
    sequence_likelihoods,
)
from cxrstudy.multimodal.assembly import build_model, part_hashes, tokens_per_image
from cxrstudy.multimodal.config import TuningConfig
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import (
    OWN_MARKS,
    PRETRAINED_MARKS,
    Writer,
    as_bytes,
    pretrained_tokenizer,
    train_tokenizer,
)
from cxrstudy.multimodal.tuning import Lessons, learn_stage
from cxrstudy.trainings.job import Trained, own_randomness

BEFORE = "before"
"""Name of the state before the last stage."""

WITH_IMAGES = "+image"
"""What is added to the name of a branch without images where it is asked with them."""


@dataclass(frozen=True, eq=False)
class TuningJob:
    """One training through its stages, and what the model is asked after them.

    It keeps the likelihood of every option, ``likelihood.<state>.<set>``, of each set of questions,
    and of the sets in ``generates`` the generated answers, ``said.<state>.<set>``, as `as_bytes`
    packs them. States are the branches, `BEFORE`, and a branch without images when it is asked with
    them; the last two are asked ``questions`` alone and generate nothing. Branches that show images
    are asked ``more_questions`` too. ``perplexity`` is that of the held-out texts, at first and
    after each stage; ``composed`` are the texts that the model writes.
    """

    config: TuningConfig
    lessons: Lessons
    questions: Mapping[str, Sequence[Item]]
    more_questions: Mapping[str, Sequence[Item]]
    generates: Sequence[str]
    held_out_texts: Sequence[str]
    images: Sequence[str]  # ids, in the order of the features
    grid: np.ndarray  # (n_images, n_places, n_channels)

    @property
    def cost(self) -> float:
        """Tokens that pass through the model, roughly."""
        config, lessons = self.config, self.lessons
        n_of = {
            "next_token": 4 * len(lessons.texts),
            "answer": len(lessons.items),
            "caption": len(lessons.captions),
            "contrast_and_caption": 2 * len(lessons.captions),
        }
        learned = sum(n_of[stage.objective] * stage.epochs for stage in config.stages)
        last = n_of[config.last.objective] * config.last.epochs
        asked = sum(map(len, self.questions.values())) + sum(map(len, self.more_questions.values()))
        return learned + len(config.branches) * (last + asked)

    def data(self) -> Sequence[np.ndarray | Sequence[str]]:
        """Return everything that it learns from or is asked."""
        lessons = self.lessons
        named = [*self.questions.items(), *self.more_questions.items()]
        asked = [repr((name, item)) for name, items in named for item in items]
        return (
            list(lessons.texts),
            [repr(each) for each in lessons.captions],
            [repr(item) for item in lessons.items],
            asked,
            list(self.generates),
            list(self.held_out_texts),
            list(self.images),
            self.grid,
        )

    def train(self, checkpoint: Path) -> Trained:
        """Learn stage after stage, then each branch from the same weights."""
        del checkpoint  # a training is short; an unfinished one begins again
        config, started = self.config, time.perf_counter()
        arrays: dict[str, np.ndarray] = {}
        about: dict[str, float] = {}
        with own_randomness(config.seed):
            writer = self._writer()
            model = build_model(
                config, len(writer.tokenizer), writer.image_token, self._learned_grid()
            )
            perplexities = [self._perplexity(model, writer)]
            for stage in config.stages:
                before = part_hashes(model)
                about[f"loss.{stage.name}"] = learn_stage(
                    model, stage, writer, self.lessons, self.grid, config.batch_size, config.seed
                )
                after = part_hashes(model)
                for part, hashed in after.items():
                    about[f"moved.{stage.name}.{part}"] = float(hashed != before[part])
                perplexities.append(self._perplexity(model, writer))
                if config.n_composed and stage is config.stages[0]:
                    arrays["composed"] = as_bytes(composed(model, writer, config.n_composed))
            arrays["perplexity"] = np.array(perplexities, np.float32)
            if config.asks_before:
                arrays |= self._likelihoods(BEFORE, model, writer, self.questions)
            for branch in config.branches:
                tuned = copy.deepcopy(model)
                about[f"loss.{branch.name}"] = learn_stage(
                    tuned,
                    config.last,
                    writer,
                    self.lessons,
                    self.grid,
                    config.batch_size,
                    config.seed,
                    branch.shows_images,
                )
                shown = branch.shows_images
                asked = {**self.questions, **(self.more_questions if shown else {})}
                arrays |= self._likelihoods(branch.name, tuned, writer, asked, shown)
                for name in set(self.generates) & set(asked):
                    # Options are a few words, an open answer is a sentence or two.
                    longest = 12 if all(item.options for item in asked[name]) else 60
                    said = generated(tuned, writer, self.grid, asked[name], shown, longest)
                    arrays[f"said.{branch.name}.{name}"] = as_bytes(said)
                if branch.asked_with_images:
                    arrays |= self._likelihoods(
                        branch.name + WITH_IMAGES, tuned, writer, self.questions
                    )
        about["n_parameters"] = float(sum(p.numel() for p in model.parameters()))
        about["seconds"] = time.perf_counter() - started
        return Trained(arrays, about)

    def _writer(self) -> Writer:
        lessons, config = self.lessons, self.config
        rows = {image: row for row, image in enumerate(self.images)}
        n_tokens = tokens_per_image(config, self.grid.shape[1])
        if config.pretrained:
            tokenizer = pretrained_tokenizer(config.pretrained)
            return Writer(tokenizer, n_tokens, rows, PRETRAINED_MARKS)
        spoken = [text for i in lessons.items for text in (i.prompt, i.answer)]
        written = [*lessons.texts, *(each.sentence for each in lessons.captions), *spoken]
        tokenizer = train_tokenizer(written, config.vocabulary_size)
        return Writer(tokenizer, n_tokens, rows, OWN_MARKS)

    def _learned_grid(self) -> np.ndarray:
        """Take the features of the images that are learned from; no held-out image is among them.

        A model that learns from no image starts from the directions of all.
        """
        rows = {image: row for row, image in enumerate(self.images)}
        named = {image for item in self.lessons.items for image in item.images}
        named |= {caption.image for caption in self.lessons.captions}
        return self.grid[sorted(rows[image] for image in named)] if named else self.grid

    def _perplexity(self, model: LlavaForConditionalGeneration, writer: Writer) -> float:
        """Return the perplexity of a token of the held-out texts; NaN without any."""
        if not self.held_out_texts:
            return float("nan")
        sequences = [writer.plain(text) for text in self.held_out_texts]
        model.eval()
        with torch.inference_mode():
            sums = [float(sequence_likelihoods(model, self.grid, [each])) for each in sequences]
        n_tokens = sum(len(each.tokens) - each.n_given for each in sequences)
        return float(np.exp(-sum(sums) / n_tokens))

    def _likelihoods(
        self,
        state: str,
        model: LlavaForConditionalGeneration,
        writer: Writer,
        asked: Mapping[str, Sequence[Item]],
        shows_images: bool = True,
    ) -> dict[str, np.ndarray]:
        model.eval()
        return {
            f"likelihood.{state}.{name}": option_likelihoods(
                model, writer, self.grid, items, shows_images
            )
            for name, items in asked.items()
            if any(item.options for item in items)
        }
