"""What an encoder makes of each token of a report, computed once and memory-mapped afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from cxrstudy.paths import in_project
from cxrstudy.text.students import StudentConfig
from cxrstudy.text.students.model import build_classifier, tokenizer_for
from cxrstudy.trainings.job import limited_threads, own_randomness
from cxrstudy.trainings.key import result_key
from cxrstudy.whole_files import written_whole

_BATCH = 32


@dataclass(frozen=True, eq=False)
class TokenFeatures:
    """Vectors of every token of n texts, one text after the other."""

    texts: tuple[str, ...]
    values: np.ndarray  # float16, (n_tokens, width), memory-mapped
    starts: np.ndarray  # (n_texts + 1,): where a text begins
    key: str  # known by what made them

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """Locate texts among those of these features."""
        places = {text: row for row, text in enumerate(self.texts)}
        return np.array([places[text] for text in texts], dtype=np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text."""
        return np.diff(self.starts)

    def batch(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Give texts as float32, (n, longest, width), and which of their tokens are real."""
        lengths = self.lengths[rows]
        tokens = torch.zeros(len(rows), int(lengths.max()), self.values.shape[1])
        for place, row in enumerate(rows):
            text = self.values[self.starts[row] : self.starts[row + 1]]
            tokens[place, : len(text)] = torch.from_numpy(text.astype(np.float32))
        return tokens, torch.arange(tokens.shape[1]) < torch.from_numpy(lengths)[:, None]


def token_features(
    texts: Sequence[str], config: StudentConfig, folder: str | Path
) -> TokenFeatures:
    """Let an encoder that is not trained read distinct texts, or open what an earlier call kept.

    The encoder is the one with which a student of this configuration starts. The folder is
    relative to the project.
    """
    key = result_key(__name__, config, list(texts))
    path = in_project(folder) / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            values, lengths = _compute(texts, config)
            with written_whole(path.with_suffix(".lengths.npy")) as unfinished:
                np.save(unfinished, lengths)
            with written_whole(path) as unfinished:
                np.save(unfinished, values)
    lengths = np.load(path.with_suffix(".lengths.npy"), allow_pickle=False)
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return TokenFeatures(tuple(texts), values, np.concatenate([[0], np.cumsum(lengths)]), key)


def _compute(texts: Sequence[str], config: StudentConfig) -> tuple[np.ndarray, np.ndarray]:
    with limited_threads(1), own_randomness(config.seed):
        tokenizer = tokenizer_for(config, texts)
        encoder = build_classifier(config, 1, len(tokenizer), tokenizer.pad_token_id).encoder.eval()
        ids = tokenizer(list(texts), truncation=True, return_attention_mask=False)["input_ids"]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        vectors: list[np.ndarray] = [np.empty(0)] * len(ids)
        steps = tqdm(range(0, len(order), _BATCH), desc="features", mininterval=5, disable=None)
        with torch.inference_mode():
            for first in steps:
                rows = order[first : first + _BATCH]
                batch = tokenizer.pad(
                    {"input_ids": [ids[row] for row in rows]}, return_tensors="pt"
                )
                states = encoder(**batch).last_hidden_state.half().numpy()
                for row, state in zip(rows, states, strict=True):
                    vectors[row] = state[: len(ids[row])]
    return np.concatenate(vectors), np.array([len(text) for text in ids])
