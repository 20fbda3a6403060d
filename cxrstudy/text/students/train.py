"""Train one student with the Hugging Face trainer."""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments

from cxrstudy.kernels.distill import distillation_loss
from cxrstudy.text.students.checks import check_training_data
from cxrstudy.text.students.config import StudentConfig
from cxrstudy.text.students.frequencies import class_frequencies, square_root_weights
from cxrstudy.text.students.isolation import own_randomness
from cxrstudy.text.students.model import ReportClassifier, build_classifier
from cxrstudy.text.students.tokenizer import tokenizer_for
from cxrstudy.torch_threads import limited_threads


@dataclass(frozen=True)
class TrainedStudent:
    """A student that is ready to predict.

    Attributes
    ----------
    config : StudentConfig
        How it was trained.
    tokenizer : PreTrainedTokenizerBase
    model : ReportClassifier
        On the CPU, in evaluation mode.
    training_loss : float
        Mean over all steps.
    seconds : float
        Wall time of the training, the tokenizer's included.
    """

    config: StudentConfig
    tokenizer: PreTrainedTokenizerBase
    model: ReportClassifier
    training_loss: float
    seconds: float


def train_student(
    texts: Sequence[str],
    targets: np.ndarray,
    config: StudentConfig,
    held_out_texts: Iterable[str] = (),
    device: str = "auto",
    n_threads: int = 1,
) -> TrainedStudent:
    """Train a student on a teacher's labels.

    On a CPU it computes in float32 and equal arguments give equal weights; on a GPU it computes
    in bfloat16 where the GPU can.

    Parameters
    ----------
    texts : sequence of str, length n_reports
        Training reports, possibly from `augment_reports`.
    targets : ndarray of float32, shape (n_reports, n_findings, 3)
        The teacher's probabilities of absent, present and uncertain; NaN where it gave no answer.
    config : StudentConfig
    held_out_texts : iterable of str
        Reports that are to measure the student; only checked to be no training reports.
    device : {"auto", "cpu"}
        The accelerator where there is one, or the CPU in any case.
    n_threads : int
        Threads of torch on the CPU.

    Returns
    -------
    TrainedStudent

    Raises
    ------
    ValueError
        If the data do not fit together; see `check_training_data`.
    """
    # A copy: targets that another process shares may not be written to, and torch wants it so.
    targets = np.array(targets, dtype=np.float32)
    check_training_data(texts, targets, held_out_texts)
    start = time.perf_counter()
    with limited_threads(n_threads), own_randomness(config.seed):
        tokenizer = tokenizer_for(config, texts)
        model = build_classifier(
            config, targets.shape[1], len(tokenizer), padding_id=tokenizer.pad_token_id
        )
        frequencies = class_frequencies(targets)
        # Starting from the frequencies spares the first epoch, which would learn nothing else.
        model.bias.data = torch.from_numpy(np.log(frequencies)).float()
        loss = _fit(model, tokenizer, texts, targets, frequencies, config, device == "cpu")
    return TrainedStudent(config, tokenizer, model.cpu().eval(), loss, time.perf_counter() - start)


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
    weights = None
    if config.class_weighting == "square root":
        weights = torch.from_numpy(square_root_weights(frequencies))

    def loss(logits, labels, num_items_in_batch=None):
        return distillation_loss(
            logits,
            labels,
            config.alpha,
            config.temperature,
            None if weights is None else weights.to(logits.device),
        )

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=_training_arguments(config, folder, use_cpu),
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


def _collate(samples: list[dict[str, torch.Tensor]], padding_id: int) -> dict[str, torch.Tensor]:
    """Pad reports to the longest of their batch."""
    ids = [sample["input_ids"] for sample in samples]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": torch.stack([sample["labels"] for sample in samples]),
    }
