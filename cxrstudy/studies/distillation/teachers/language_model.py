"""A causal language model on this machine as a teacher."""

import copy
import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from cxrstudy.studies.distillation.teachers.answers import (
    WORDS,
    Reply,
    TeacherLabels,
    check_texts,
    collect_replies,
    messages,
)
from cxrstudy.text.reports import CLASSES, FINDINGS


class LanguageModelTeacher:
    """A causal language model in a folder chooses among the three words; its labels are soft.

    For each finding the answer is begun, ``{"Edema": "``, and the three words are compared as its
    continuations, by the sum of their tokens' log-probabilities. Each finding is asked by itself;
    no answer depends on another or is malformed. Tokens that all reports share are computed once.
    Weights must be safetensors, nothing is downloaded, and a model's own code is not run.
    """

    def __init__(self, folder: str | Path, batch_size: int = 13) -> None:
        if not Path(folder, "config.json").is_file():
            raise ValueError(f"{str(folder)!r} is no folder of a model: it holds no config.json")
        source = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **source)
            self._model = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype="auto", **source
            )
        except OSError as error:
            raise ValueError(
                f"{str(folder)!r} holds no complete model: it needs the tokenizer and "
                f"model.safetensors. {error}"
            ) from error
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._batch_size = batch_size  # continuations computed together; a report has 39
        self._replies: dict[str, Reply] = {}
        if len(set(map(tuple, self._continuations("")))) < len(FINDINGS) * len(WORDS):
            raise ValueError(
                f"{folder}: its tokenizer writes two of the answers alike, so they cannot be "
                "compared. Use a model with a vocabulary for English."
            )

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Score the three words for each finding of each text.

        A report that is too long for the model, or for which it gives no finite probabilities, has
        failed; no report is cut.
        """
        check_texts(texts)
        with torch.inference_mode():
            instruction = _common_prefix([self._continuations("")[0], self._continuations("a")[0]])
            cache = DynamicCache(config=self._model.config)
            if instruction:
                self._model(self._tensor([instruction]), past_key_values=cache, use_cache=True)
            for text in dict.fromkeys(texts):
                if text not in self._replies:
                    self._replies[text] = self._reply(text, instruction, cache)
        return collect_replies(texts, self._replies)

    def _reply(self, text: str, instruction: list[int], cache: DynamicCache) -> Reply:
        sequences = self._continuations(text)
        longest, limit = max(map(len, sequences)), self._max_tokens()
        if longest > limit:
            return Reply("failed", f"{longest} tokens are needed, the model reads {limit}")
        scores = self._log_probabilities(sequences, instruction, cache)
        probabilities = scores.view(len(FINDINGS), len(CLASSES)).softmax(dim=-1)
        if not probabilities.isfinite().all():
            return Reply("failed", "the model gave no finite probabilities")
        return Reply("answered", "", probabilities.numpy().astype(np.float32))

    def _continuations(self, text: str) -> list[list[int]]:
        """Tokenize the prompt with each begun answer and word, whole, as the model would read it.

        Tokenized apart, the pieces could be cut otherwise than a text that runs on.
        """
        prompt, has_special_tokens = self._prompt(text)
        answers = [f"{{{json.dumps(name)}: {json.dumps(w)[:-1]}" for name, w in _cells()]
        return self._tokenizer(
            [prompt + answer for answer in answers], add_special_tokens=not has_special_tokens
        )["input_ids"]

    def _prompt(self, text: str) -> tuple[str, bool]:
        """Write the prompt in the model's chat format, or as plain text if it has none."""
        if self._tokenizer.chat_template is None:
            contents = [message["content"] for message in messages(text)]
            return "\n\n".join(contents) + "\n\n", False
        chat = self._tokenizer.apply_chat_template(
            messages(text), add_generation_prompt=True, tokenize=False
        )
        return chat, True

    def _log_probabilities(
        self, sequences: list[list[int]], instruction: list[int], cache: DynamicCache
    ) -> torch.Tensor:
        """Sum the log-probabilities of each sequence's tokens after those that all share.

        Rows are padded on the right only, and a token never sees what follows it: no mask is
        needed.
        """
        shared = _common_prefix(sequences)
        if shared[: len(instruction)] == instruction and len(shared) > len(instruction):
            read, cache = len(instruction), copy.deepcopy(cache)
        else:
            read, cache = 0, DynamicCache(config=self._model.config)
        head = self._model(self._tensor([shared[read:]]), past_key_values=cache, use_cache=True)
        first = head.logits[:, -1:]
        rests = [sequence[len(shared) :] for sequence in sequences]
        sums = []
        for start in range(0, len(rests), self._batch_size):
            batch = rests[start : start + self._batch_size]
            width = max(map(len, batch))
            tokens = self._tensor([rest + [0] * (width - len(rest)) for rest in batch])
            copies = copy.deepcopy(cache)
            copies.batch_repeat_interleave(len(batch))
            tail = self._model(tokens, past_key_values=copies, use_cache=True).logits[:, :-1]
            logits = torch.cat([first.expand(len(batch), -1, -1), tail], dim=1).float()
            chosen = logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(dim=-1)
            lengths = self._tensor([[len(rest)] for rest in batch])
            scored = torch.arange(width, device=lengths.device) < lengths
            sums.append(chosen.where(scored, 0.0).sum(dim=-1).cpu())
        return torch.cat(sums)

    def _max_tokens(self) -> int:
        config = self._model.config.get_text_config()
        return getattr(config, "max_position_embeddings", None) or 1 << 30

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self._model.device)


def _cells() -> Iterator[tuple[str, str]]:
    return ((finding, word) for finding in FINDINGS for word in WORDS)


def _common_prefix(sequences: list[list[int]]) -> list[int]:
    columns = zip(*sequences, strict=False)
    return [column[0] for column in takewhile(lambda tokens: len(set(tokens)) == 1, columns)]
