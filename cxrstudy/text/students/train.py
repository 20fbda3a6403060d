"""Train one student with the Hugging Face trainer, and label reports with it."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments

from cxrstudy.kernels.distill import distillation_loss
from cxrstudy.text.students.config import StudentConfig
from cxrstudy.text.students.model import ReportClassifier, build_classifier, tokenizer_for
from cxrstudy.trainings.job import limited_threads, own_randomness


@dataclass(frozen=True)
class TrainedStudent:
    """A student that is ready to predict."""

    tokenizer: PreTrainedTokenizerBase
    model: ReportClassifier  # on the CPU, in evaluation mode
    training_loss: float  # mean over all steps
    seconds: float  # wall time of the training, the tokenizer's included


def train_student(
    texts: Sequence[str], targets: np.ndarray, config: StudentConfig, device: str = "auto"
) -> TrainedStudent:
    """Train a student on a teacher's labels, (n_reports, n_findings, 3).

    Targets are probabilities of absent, present and uncertain, NaN where the teacher gave no
    answer. With the device "cpu", or without an accelerator, it computes in float32 on one
    thread, and equal arguments give equal weights; on a GPU it computes in bfloat16 where the
    GPU can.
    """
    # A copy: targets that another process shares may not be written to, and torch wants it so.
    targets = np.array(targets, dtype=np.float32)
    check_training_data(texts, targets)
    start = time.perf_counter()
    with limited_threads(1), own_randomness(config.seed):
        tokenizer = tokenizer_for(config, texts)
        model = build_classifier(
            config, targets.shape[1], len(tokenizer), padding_id=tokenizer.pad_token_id
        )
        frequencies = class_frequencies(targets)
        # Starting from the frequencies spares the first epoch, which would learn nothing else.
        model.bias.data = torch.from_numpy(np.log(frequencies)).float()
        loss = _fit(model, tokenizer, texts, targets, frequencies, config, device == "cpu")
    return TrainedStudent(tokenizer, model.cpu().eval(), loss, time.perf_counter() - start)


def predict(student: TrainedStudent, texts: Sequence[str], batch_size: int = 16) -> np.ndarray:
    """Return class probabilities, (n_reports, n_findings, 3); similar lengths go together."""
    probabilities = np.empty((len(texts), student.model.n_findings, 3), dtype=np.float32)
    if len(texts) == 0:
        return probabilities
    tokens = student.tokenizer(list(texts), truncation=True, return_attention_mask=False)
    order = sorted(range(len(texts)), key=lambda row: len(tokens["input_ids"][row]))
    with limited_threads(1), torch.inference_mode():
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch = student.tokenizer.pad(
                {"input_ids": [tokens["input_ids"][row] for row in rows]}, return_tensors="pt"
            )
            logits = student.model(batch["input_ids"], batch["attention_mask"])
            probabilities[rows] = logits.softmax(dim=-1).numpy()
    return probabilities


def check_training_data(texts: Sequence[str], targets: np.ndarray) -> None:
    """Refuse data from which no student can be trained; name the first row at fault."""
    if len(texts) == 0:
        raise ValueError("no training reports: pass at least one")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"report {row} is {text!r}: pass text, and '' for an empty report")
    if targets.ndim != 3 or targets.shape[0] != len(texts) or targets.shape[2] != 3:
        raise ValueError(
            f"targets have shape {targets.shape}: need ({len(texts)}, findings, 3), the "
            "probabilities of absent, present and uncertain"
        )
    answered = ~np.isnan(targets).any(axis=-1)
    sums_to_one = np.isclose(targets.sum(axis=-1), 1, atol=1e-3)
    wrong = answered & ~(sums_to_one & (targets >= 0).all(axis=-1))
    if wrong.any():
        row, finding = np.argwhere(wrong)[0]
        raise ValueError(
            f"targets of report {row}, finding {finding} are {targets[row, finding]}: need "
            "probabilities that sum to 1, or NaN for no answer"
        )
    if not answered.any():
        raise ValueError("no target is an answer: every row holds NaN")


def class_frequencies(targets: np.ndarray) -> np.ndarray:
    """Return class frequencies, (n_findings, 3), counts one higher so that none is impossible."""
    answered = ~np.isnan(targets).any(axis=-1)
    hard = np.where(answered, np.nan_to_num(targets).argmax(axis=-1), -1)
    counts = 1.0 + (hard[..., None] == np.arange(targets.shape[-1])).sum(axis=0)
    return counts / counts.sum(axis=-1, keepdims=True)


def square_root_weights(frequencies: np.ndarray) -> np.ndarray:
    """Weigh classes by one over the square root of their frequency; a finding's mean weight is 1.

    A finding of one report in a hundred would otherwise hardly move the student; weights of one
    over the frequency itself would let a handful of reports decide.
    """
    weights = frequencies**-0.5
    scale = (frequencies * weights).sum(axis=-1, keepdims=True)
    return (weights / scale).astype(np.float32)


def _fit(
    model: ReportClassifier,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    targets: np.ndarray,
    frequencies: np.ndarray,
    config: StudentConfig,
    use_cpu: bool,
) -> float:
    """Train the model in place and return its mean loss."""
    tokens = tokenizer(list(texts), truncation=True, return_attention_mask=False)["input_ids"]
    samples = [
        {"input_ids": torch.tensor(ids), "labels": target}
        for ids, target in zip(tokens, torch.from_numpy(targets), strict=True)
    ]
    weights = torch.from_numpy(square_root_weights(frequencies))

    def loss(logits, labels, num_items_in_batch=None):
        of_classes = weights.to(logits.device)
        return distillation_loss(logits, labels, config.alpha, config.temperature, of_classes)

    with tempfile.TemporaryDirectory() as folder:
        arguments = _training_arguments(config, folder, use_cpu)
        if arguments.world_size > 1:
            # The trainer would give each of them a batch of its own, and change the numbers.
            raise RuntimeError("a student trains in one process: start without accelerate launch")
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=samples,
            data_collator=partial(_collate, padding_id=tokenizer.pad_token_id),
            processing_class=tokenizer,
            compute_loss_func=loss,
        )
        trainer.remove_callback(PrinterCallback)
        return trainer.train().training_loss


def _training_arguments(config: StudentConfig, folder: str, use_cpu: bool) -> TrainingArguments:
    use_cpu = use_cpu or not torch.accelerator.is_available()
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_fraction,
        weight_decay=config.weight_decay,
        train_sampling_strategy="group_by_length",
        seed=config.seed,
        use_cpu=use_cpu,
        bf16=not use_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        # The loss is a mean over reports, not over tokens.
        average_tokens_across_devices=False,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _collate(samples: list[dict[str, Tensor]], padding_id: int) -> dict[str, Tensor]:
    """Pad reports to the longest of their batch."""
    ids = [sample["input_ids"] for sample in samples]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": torch.stack([sample["labels"] for sample in samples]),
    }
