"""A causal language model on this machine as a teacher."""

import copy
import json
import time
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from cxrstudy.text.findings import CLASSES, FINDINGS
from cxrstudy.text.teachers.answers import WORDS
from cxrstudy.text.teachers.prompt import messages
from cxrstudy.text.teachers.protocol import TeacherLabels, check_encodable, check_texts
from cxrstudy.text.teachers.replies import Reply, collect_replies


class LanguageModelTeacher:
    """A causal language model chooses among the three words; its labels are soft.

    Nothing is generated. For each finding the answer is begun, ``{"Edema": "``, and the three
    words are compared as its continuations: the log-probabilities of a word's tokens are summed,
    and the three sums become probabilities that add up to 1. Each finding is asked by itself, so
    an answer does not depend on those before it, and none can be malformed.

    The tokens that all reports share (the instruction) are computed once, those that all findings
    of a report share once for each report.

    Parameters
    ----------
    model_name_or_path : str or Path
        A folder, or a name on the Hugging Face hub. Weights must be safetensors, and code that
        comes with a model is not run.
    allow_download : bool
        Whether the hub may be asked for what is not on this machine.
    revision : str, optional
        Commit, tag or branch on the hub; a commit makes a run repeatable.
    device : str
        Any of torch's.
    dtype : str
        Type of the weights, such as ``"bfloat16"``; ``"auto"`` as they are stored.
    batch_size : int
        Continuations computed together; a report has 39.

    Raises
    ------
    OSError
        If the model is not on this machine and may not be downloaded, or has no safetensors.
    ValueError
        If the model's tokenizer cannot tell the findings and words apart.
    """

    def __init__(
        self,
        model_name_or_path: str | Path,
        *,
        allow_download: bool = False,
        revision: str | None = None,
        device: str = "cpu",
        dtype: str = "auto",
        batch_size: int = 13,
    ) -> None:
        self.name = Path(model_name_or_path).name
        source = {"local_files_only": not allow_download, "trust_remote_code": False}
        if revision is not None:
            source["revision"] = revision
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(model_name_or_path, **source)
            self._model = AutoModelForCausalLM.from_pretrained(
                model_name_or_path, use_safetensors=True, dtype=dtype, **source
            )
        except OSError as error:
            raise OSError(
                f"{model_name_or_path}: no complete model. Name a folder with its tokenizer and "
                f"model.safetensors, or pass allow_download=True. {error}"
            ) from error
        self._model.to(device).eval()
        self._batch_size = batch_size
        if len(set(map(tuple, self._continuations("")))) < len(FINDINGS) * len(WORDS):
            raise ValueError(
                f"{model_name_or_path}: its tokenizer writes two of the answers alike, so they "
                "cannot be compared. Use a model with a vocabulary for English."
            )

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Score the three words for each finding of each distinct text.

        Parameters
        ----------
        texts : sequence of str, length n_reports

        Returns
        -------
        TeacherLabels
            Prompt tokens of the log are those that a report's findings share, completion tokens
            those that were scored. A report that is too long for the model, or for which it gives
            no finite probabilities, has failed; no report is cut.

        Raises
        ------
        ValueError
            If a text is none, or is no valid Unicode.
        """
        check_texts(texts)
        check_encodable(texts)
        with torch.inference_mode():
            instruction = _common_prefix([self._continuations("")[0], self._continuations("a")[0]])
            cache = DynamicCache(config=self._model.config)
            if instruction:
                self._model(self._tensor([instruction]), past_key_values=cache, use_cache=True)
            replies = {text: self._reply(text, instruction, cache) for text in dict.fromkeys(texts)}
        return collect_replies(texts, replies)

    def _reply(self, text: str, instruction: list[int], cache: DynamicCache) -> Reply:
        started = time.perf_counter()
        sequences = self._continuations(text)
        longest, limit = max(map(len, sequences)), self._max_tokens()
        if longest > limit:
            return Reply("failed", f"{longest} tokens are needed, the model reads {limit}")
        scores, n_shared = self._log_probabilities(sequences, instruction, cache)
        probabilities = scores.view(len(FINDINGS), len(CLASSES)).softmax(dim=-1)
        spent = {
            "seconds": time.perf_counter() - started,
            "prompt_tokens": n_shared,
            "completion_tokens": sum(map(len, sequences)) - n_shared * len(sequences),
            "cost": 0.0,
        }
        if not probabilities.isfinite().all():
            return Reply("failed", "the model gave no finite probabilities", **spent)
        values = probabilities.numpy().astype(np.float32)
        return Reply("answered", "", values, len(FINDINGS), **spent)

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
    ) -> tuple[torch.Tensor, int]:
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
        return torch.cat(sums), len(shared)

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
