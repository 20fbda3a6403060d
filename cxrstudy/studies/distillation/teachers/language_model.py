"""A causal language model on this machine as a teacher."""

import copy
import hashlib
import json
import time
from collections.abc import Sequence
from functools import cached_property
from itertools import chain, takewhile
from pathlib import Path

import diskcache
import numpy as np
import torch
from tqdm import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from cxrstudy.data.registry import dataset, datasets
from cxrstudy.paths import in_project
from cxrstudy.studies.distillation.teachers.answers import (
    Reply,
    TeacherLabels,
    check_texts,
    collect_replies,
)
from cxrstudy.studies.distillation.teachers.boxed import boxed_answer
from cxrstudy.studies.distillation.teachers.few_shot import (
    Prompt,
    class_probabilities,
    default_prompt,
    written,
)
from cxrstudy.text.language_models import _RECIPE, language_model_folder
from cxrstudy.text.reports import FINDINGS

_SOURCE = {"local_files_only": True, "trust_remote_code": False}
_HIDDEN = -1e9  # added to the attention to tokens that are not to be seen


class LanguageModelTeacher:
    """A causal language model chooses among the words of an answer; its labels are soft.

    After examples and the report it is asked for each finding, and the words of the answer are
    compared by the sum of their tokens' log-probabilities. Each finding is asked by itself; no
    answer depends on another or is malformed. The examples are computed once, a report once for
    its 13 questions. Weights must be safetensors, nothing is downloaded, and a model's own code
    is not run.
    """

    def __init__(
        self, model: str | Path, cache_folder: str | Path, prompt: Prompt | None = None
    ) -> None:
        """Name a folder, or a language model of the registry; it is read when it is asked."""
        self._model_name = str(model)
        if not (is_registered(self._model_name) or Path(model, "config.json").is_file()):
            raise ValueError(f"{str(model)!r} is no folder of a model: it holds no config.json")
        self._cache_folder = in_project(cache_folder)
        self._prompt = prompt or default_prompt()
        asked = json.dumps(vars(self._prompt), sort_keys=True)
        self._name = hashlib.sha256(f"{identity(self._model_name)} {asked}".encode()).hexdigest()

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Score the words for each finding of each text.

        A report that is too long for the model, or for which it gives no finite probabilities, has
        failed; no report is cut. Each answer is kept as soon as it is given, by model, prompt and
        text, so that a run that was stopped goes on, and a text is never asked twice. Answers that
        ship with the book are not asked for at all.
        """
        check_texts(texts)
        replies = {}
        with diskcache.Cache(
            self._cache_folder, disk=diskcache.JSONDisk, eviction_policy="none"
        ) as cache:
            asked = tqdm(dict.fromkeys(texts), desc="asked", disable=None, mininterval=5)
            for text in asked:
                key = hashlib.sha256(f"{self._name} {text}".encode()).hexdigest()
                kept = cache.get(key) or boxed_answer(key)
                if kept is None:
                    examples = self._examples  # computed once, in no report's time
                    start = time.process_time()
                    kept = self._ask(text, *examples)
                    kept["seconds"] = round(time.process_time() - start, 3)
                    cache.set(key, kept)
                replies[text] = _read(kept)
        return collect_replies(texts, replies)

    def _ask(self, text: str, known_tokens: list[int], known: DynamicCache) -> dict:
        """Give the words' log-shares in thousandths, 13 lists, or the reason of a failure.

        Rounded, so that an answer is the same whether it was just given or kept.
        """
        sequences = self._sequences(text)
        config = self._model.config.get_text_config()
        longest, limit = max(map(len, sequences)), config.max_position_embeddings
        if longest > limit:
            return {"failed": f"{longest} tokens are needed, the model reads {limit}"}
        with torch.inference_mode():
            sums = self._log_probabilities(sequences, known_tokens, known)
        scores = sums.view(len(FINDINGS), -1).log_softmax(dim=-1)
        if not scores.isfinite().all():
            return {"failed": "the model gave no finite probabilities"}
        return {"thousandths": (scores * 1000).round().int().tolist()}

    def _sequences(self, text: str) -> list[list[int]]:
        """Tokenize the messages with each question and word, whole, as the model would read them.

        Tokenized apart, the pieces could be cut otherwise than a text that runs on.
        """
        messages = self._prompt.messages(text)
        has_chat = self._tokenizer.chat_template is not None
        wholes = []
        for finding in FINDINGS:
            last = messages[-1] | {"content": messages[-1]["content"] + self._prompt.ask(finding)}
            asked = [*messages[:-1], last]
            begun = (
                self._tokenizer.apply_chat_template(
                    asked, add_generation_prompt=True, tokenize=False
                )
                if has_chat
                else written(asked)
            )
            wholes += [begun + word for word in self._prompt.words]
        return self._tokenizer(wholes, add_special_tokens=not has_chat)["input_ids"]

    def _log_probabilities(
        self, sequences: list[list[int]], known_tokens: list[int], known: DynamicCache
    ) -> torch.Tensor:
        """Sum the log-probabilities of each sequence's tokens after those that all share.

        One pass: the tokens that all share, then each question with what else decides its words
        as a branch of its own, which sees what all share and itself.
        """
        shared = _common_prefix(sequences)
        if shared[: len(known_tokens)] != known_tokens or len(shared) == len(known_tokens):
            known_tokens, known = [], DynamicCache(config=self._model.config)
        rests = [sequence[len(shared) :] for sequence in sequences]
        branches = _longest([tuple(rest[:-1]) for rest in rests])
        read = shared[len(known_tokens) :]
        # A token's branch, -1 for what all share, and its place in the text.
        branch = torch.tensor([-1] * len(read) + [k for k, b in enumerate(branches) for _ in b])
        steps = [len(shared) + step for each in branches for step in range(len(each))]
        place = torch.tensor([*range(len(known_tokens), len(shared)), *steps])
        sees = ((branch == -1) | (branch == branch[:, None])) & (place <= place[:, None])
        sees = torch.cat([torch.ones(len(place), len(known_tokens), dtype=torch.bool), sees], dim=1)
        logits = self._model(
            self._tensor([*read, *chain.from_iterable(branches)]),
            past_key_values=copy.deepcopy(known),
            position_ids=place[None].to(self._model.device),
            attention_mask=torch.where(sees, 0.0, _HIDDEN)[None, None].to(
                self._model.device, self._model.dtype
            ),
            logits_to_keep=len(steps) + 1,  # from the last token that all share
        ).logits[0]
        logs = logits.float().log_softmax(dim=-1).cpu()
        starts = np.cumsum([1, *map(len, branches)])
        sums = []
        for rest in rests:
            begun = tuple(rest[:-1])
            own = next(k for k, each in enumerate(branches) if each[: len(begun)] == begun)
            rows = [0, *range(starts[own], starts[own] + len(begun))]
            sums.append(logs[rows, rest].sum())
        return torch.stack(sums)

    @cached_property
    def _examples(self) -> tuple[list[int], DynamicCache]:
        """Tokens that all reports share, and what the model computed of them."""
        shared = _common_prefix([self._sequences("")[0], self._sequences("a")[0]])
        cache = DynamicCache(config=self._model.config)
        if shared:
            with torch.inference_mode():
                self._model(self._tensor(shared), past_key_values=cache, logits_to_keep=1)
        return shared, cache

    @cached_property
    def _folder(self) -> str:
        name = self._model_name
        return str(language_model_folder(name)) if is_registered(name) else name

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return AutoTokenizer.from_pretrained(self._folder, **_SOURCE)

    @cached_property
    def _model(self) -> PreTrainedModel:
        try:
            model = AutoModelForCausalLM.from_pretrained(
                self._folder, use_safetensors=True, dtype="auto", **_SOURCE
            )
        except OSError as error:
            raise ValueError(
                f"{self._folder!r} holds no complete model: it needs the tokenizer and "
                f"model.safetensors. {error}"
            ) from error
        if len(set(map(tuple, self._sequences("")))) < len(FINDINGS) * len(self._prompt.words):
            raise ValueError(
                f"{self._folder}: its tokenizer writes two of the answers alike, so they cannot "
                "be compared. Use a model with a vocabulary for English."
            )
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def _tensor(self, tokens: list[int]) -> torch.Tensor:
        return torch.tensor([tokens], device=self._model.device)


def is_registered(name: str) -> bool:
    """Whether a name is that of a language model of the registry."""
    return name in datasets() and all(file.endswith(".gguf") for file in dataset(name).files)


def identity(name: str) -> str:
    """Say which model a name means, without reading one of the registry; a folder's by its files.

    What was computed with a model is kept under it.
    """
    if is_registered(name):
        return f"{name} {' '.join(dataset(name).files.values())} {_RECIPE}"
    files = [Path(name, file) for file in ("config.json", "tokenizer.json", "model.safetensors")]
    known = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return " ".join(known)


def _read(kept: dict) -> Reply:
    if "failed" in kept:
        return Reply("failed", kept["failed"], seconds=kept["seconds"])
    probabilities = class_probabilities(np.array(kept["thousandths"]) / 1000)
    return Reply("answered", "", probabilities, kept["seconds"])


def _longest(begun: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Drop repeats, and what another one begins with: (1,), (1, 2), (3,) gives (1, 2), (3,)."""
    distinct = list(dict.fromkeys(begun))
    return [
        one
        for one in distinct
        if not any(other != one and other[: len(one)] == one for other in distinct)
    ]


def _common_prefix(sequences: list[list[int]]) -> list[int]:
    columns = zip(*sequences, strict=False)
    return [column[0] for column in takewhile(lambda tokens: len(set(tokens)) == 1, columns)]
