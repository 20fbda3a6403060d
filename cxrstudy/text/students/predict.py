"""Probabilities for new reports."""

from collections.abc import Sequence

import numpy as np
import torch

from cxrstudy.text.students.train import TrainedStudent
from cxrstudy.torch_threads import limited_threads


def predict(
    student: TrainedStudent,
    texts: Sequence[str],
    batch_size: int = 16,
    device: str = "cpu",
    n_threads: int = 1,
) -> np.ndarray:
    """Return the student's probabilities of absent, present and uncertain.

    Reports of similar length are computed together, which spares padding.

    Parameters
    ----------
    student : TrainedStudent
    texts : sequence of str, length n_reports
        What may be labeled; beyond `max_tokens` it is not read.
    batch_size : int
        Reports computed together.
    device : str
        Any of torch's.
    n_threads : int
        Threads of torch on the CPU.

    Returns
    -------
    ndarray of float32, shape (n_reports, n_findings, 3)
        In the order of the texts.
    """
    model = student.model.to(device)
    if len(texts) == 0:
        return np.empty((0, model.n_findings, 3), dtype=np.float32)
    tokens = student.tokenizer(list(texts), truncation=True, return_attention_mask=False)
    order = sorted(range(len(texts)), key=lambda row: len(tokens["input_ids"][row]))
    probabilities = np.empty((len(texts), model.n_findings, 3), dtype=np.float32)
    with limited_threads(n_threads), torch.inference_mode():
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch = student.tokenizer.pad(
                {"input_ids": [tokens["input_ids"][row] for row in rows]}, return_tensors="pt"
            ).to(device)
            logits = model(batch["input_ids"], batch["attention_mask"])
            probabilities[rows] = logits.float().softmax(dim=-1).cpu().numpy()
    return probabilities
