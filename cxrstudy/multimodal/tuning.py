"""One stage after the other, with the trainer of transformers."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    LlavaForConditionalGeneration,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from cxrstudy.multimodal.answering import learned_labels, model_inputs
from cxrstudy.multimodal.assembly import let_learn
from cxrstudy.multimodal.config import Stage
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import Sequenced, Writer


@dataclass(frozen=True)
class Caption:
    """A sentence that is paired with an image, and the label set that they share."""

    image: str
    sentence: str
    labels: str


@dataclass(frozen=True, eq=False)
class Lessons:
    """What the stages learn from."""

    texts: Sequence[str] = ()
    captions: Sequence[Caption] = ()
    items: Sequence[Item] = field(default_factory=tuple)


class Learner(nn.Module):
    """A model with its loss: over the tokens that are learned, and of pairs if they are told apart.

    Paired, image and sentence are drawn together in a batch: the right partners of an image are the
    sentences of its label set (van den Oord et al. 2018; Khosla et al. 2020 for several partners).
    """

    def __init__(self, model: LlavaForConditionalGeneration, contrasts: bool) -> None:
        super().__init__()
        self.model, self.contrasts = model, contrasts
        if contrasts:
            width = model.config.text_config.hidden_size
            seen = model.config.vision_config.hidden_size
            self.of_image, self.of_text = nn.Linear(seen, 64), nn.Linear(width, 64)
            self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, labels: Tensor, label_sets: Tensor | None = None, **inputs) -> dict:
        """Return the mean loss over a batch."""
        states = self.model.model(**inputs).last_hidden_state[:, :-1]
        labels = labels[:, 1:]
        learned = labels >= 0
        loss = functional.cross_entropy(self.model.lm_head(states[learned]), labels[learned])
        if self.contrasts:
            loss = loss + self._contrast(inputs, labels, label_sets)
        return {"loss": loss}

    def _contrast(self, inputs: dict, labels: Tensor, label_sets: Tensor) -> Tensor:
        seen = self.model.model.vision_tower(inputs["pixel_values"]).last_hidden_state.mean(1)
        sentence = labels.clamp(min=0)
        weights = (labels >= 0).float()[..., None]
        read = self.model.model.language_model(
            input_ids=sentence, attention_mask=(labels >= 0).long()
        ).last_hidden_state
        read = (read * weights).sum(1) / weights.sum(1)
        images = functional.normalize(self.of_image(seen), dim=-1)
        texts = functional.normalize(self.of_text(read), dim=-1)
        logits = images @ texts.T * self.log_scale.exp()
        partners = (label_sets[:, None] == label_sets[None, :]).float()
        partners = partners / partners.sum(1, keepdim=True)
        return (
            functional.cross_entropy(logits, partners)
            + functional.cross_entropy(logits.T, partners)
        ) / 2


def learn_stage(
    model: LlavaForConditionalGeneration,
    stage: Stage,
    writer: Writer,
    lessons: Lessons,
    grid: np.ndarray,
    batch_size: int,
    seed: int,
    shows_images: bool = True,
) -> float:
    """Train the parts of one stage in place; return the mean loss over its steps."""
    examples = _examples(stage, writer, lessons, shows_images)
    if not examples or stage.epochs == 0:
        raise ValueError(f"stage {stage.name} has nothing to learn from")
    let_learn(model, stage.trains)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=Learner(model, stage.objective == "contrast_and_caption"),
            args=_arguments(stage, batch_size, seed, folder),
            train_dataset=examples,
            data_collator=lambda batch: _collate(batch, grid),
        )
        trainer.remove_callback(PrinterCallback)
        loss = trainer.train().training_loss
    model.cpu().eval()
    return loss


def _examples(stage: Stage, writer: Writer, lessons: Lessons, shows_images: bool) -> list[dict]:
    """Write what a stage learns as the trainer's examples."""
    if stage.objective == "next_token":
        return [_example(writer.plain(text)) for text in lessons.texts]
    if stage.objective == "answer":
        return [_example(writer.answered(i, i.answer, shows_images)) for i in lessons.items]
    places = {name: n for n, name in enumerate(sorted({c.labels for c in lessons.captions}))}
    return [
        _example(writer.answered(_captioned(each), each.sentence), places[each.labels])
        for each in lessons.captions
    ]


def _captioned(caption: Caption) -> Item:
    """Return a caption as an open question without words."""
    return Item("caption", "", caption.sentence, images=(caption.image,))


def _example(sequence: Sequenced, label_set: int = -1) -> dict:
    return {"sequence": sequence, "label_set": label_set, "input_ids": sequence.tokens}


def _collate(batch: list[dict], grid: np.ndarray) -> dict[str, Tensor]:
    sequences = [each["sequence"] for each in batch]
    inputs = model_inputs(grid, sequences)
    label_sets = torch.tensor([each["label_set"] for each in batch])
    return inputs | {"labels": learned_labels(sequences), "label_sets": label_sets}


def _arguments(stage: Stage, batch_size: int, seed: int, folder: str) -> TrainingArguments:
    use_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        weight_decay=0.01,
        seed=seed,
        use_cpu=use_cpu,
        bf16=not use_cpu and torch.cuda.is_bf16_supported(),
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
