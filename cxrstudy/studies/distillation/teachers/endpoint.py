"""A language model behind an OpenAI-compatible address as a teacher."""

import hashlib
import json
import math
import os
import re
import time
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import diskcache
import numpy as np
import openai
from openai.types.chat import ChatCompletion, ChatCompletionTokenLogprob
from pydantic import ValidationError
from tqdm import tqdm

from cxrstudy.paths import in_project
from cxrstudy.studies.distillation.teachers.answers import (
    ANSWER_SCHEMA,
    WORDS,
    MalformedAnswerError,
    Reply,
    TeacherLabels,
    check_texts,
    collect_replies,
    messages,
    parse_answer,
)
from cxrstudy.text.reports import FINDINGS, one_hot

KEY_VARIABLE = "OPENAI_API_KEY"  # environment variable that holds the API key
LEAST_MASS = 0.95  # the three words must hold so much of a token's probability to be believed
_NO_COMPLETION = "the reply is no chat completion"


class EndpointError(RuntimeError):
    """No report can be labeled at this address; the message says what to change."""


class EndpointTeacher:
    """A language model behind an OpenAI-compatible address labels reports.

    This is the first stage of DeBERTa-RAD (Wong and Tanaka 2025): one prompt, 13 findings, three
    words, at temperature 0; soft where the server reports the probabilities of tokens. Whatever a
    server answered is kept in the cache, a refusal too, by all that was asked but the address, so
    another model of the same name needs another folder. A failed request is asked again.

    .. warning::
       This sends the text of reports to another party. The terms of credentialed data sets
       (MIMIC-CXR, CheXpert) and the law on patient data can forbid that, whoever runs the service.
       Name an address that your data may go to, such as a server on your own machine.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        cache_folder: str | Path,
        *,
        top_logprobs: int = 5,  # tokens listed at each place of the answer; 0 where refused
        max_workers: int = 8,  # requests at the same time
        max_retries: int = 5,  # after no connection, a time-out, 408, 409, 429 or 5xx
        timeout: float = 60.0,  # seconds
    ) -> None:
        _check_address(base_url)
        if not os.environ.get(KEY_VARIABLE):
            raise ValueError(
                f"no API key: set {KEY_VARIABLE}; any word does for a server that asks for none"
            )
        self.name = model
        self.base_url = base_url
        self._cache_folder = in_project(cache_folder)
        self._max_workers = max_workers
        self._client_options = {"max_retries": max_retries, "timeout": timeout}
        self._request = {
            "model": model,
            "temperature": 0,
            "seed": 0,
            "max_completion_tokens": 1024,  # an answer takes about 200
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "findings", "strict": True, "schema": ANSWER_SCHEMA},
            },
        }
        if top_logprobs:
            self._request |= {"logprobs": True, "top_logprobs": top_logprobs}

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Ask for the labels of reports, each distinct text once.

        A run that is stopped keeps its replies. Where a request failed, the row holds NaN and the
        log says why. A wrong key (401), address or model (404) ends the run at once.
        """
        check_texts(texts)
        distinct = list(dict.fromkeys(texts))
        with (
            diskcache.Cache(
                self._cache_folder, disk=diskcache.JSONDisk, eviction_policy="none"
            ) as cache,
            openai.OpenAI(base_url=self.base_url, **self._client_options) as client,
            ThreadPoolExecutor(self._max_workers) as executor,
        ):
            replies = executor.map(partial(self._reply, client, cache), distinct)
            replies = tqdm(replies, total=len(distinct), desc=self.name, disable=None)
            return collect_replies(texts, dict(zip(distinct, replies, strict=True)))

    def _reply(self, client: openai.OpenAI, cache: diskcache.Cache, text: str) -> Reply:
        request = {**self._request, "messages": messages(text)}
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode("ascii")).hexdigest()
        kept = cache.get(key)
        if kept is not None:
            return _read(ChatCompletion.model_validate(kept["completion"]), kept["seconds"])
        start = time.perf_counter()
        try:
            response = client.chat.completions.with_raw_response.create(**request)
            completion = ChatCompletion.model_validate_json(response.content)
        except (openai.AuthenticationError, openai.NotFoundError) as error:
            # Not chained: a server may repeat the key or the report in its error.
            raise EndpointError(
                f"{self.base_url}: HTTP {error.status_code}. Check {KEY_VARIABLE}, the address "
                f"and the model's name, {self.name!r}."
            ) from None
        except (openai.OpenAIError, ValidationError) as error:
            return Reply("failed", _why_failed(error))
        if not completion.choices:
            return Reply("failed", _NO_COMPLETION)
        seconds = round(time.perf_counter() - start, 3)
        cache.set(key, {"completion": completion.model_dump(mode="json"), "seconds": seconds})
        return _read(completion, seconds)


def _read(completion: ChatCompletion, seconds: float) -> Reply:
    """Read what a server said, now or earlier."""
    tokens = completion.usage.total_tokens if completion.usage else math.nan
    cost = {"seconds": seconds, "tokens": tokens}
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Reply("refused", **cost)
    content = choice.message.content or ""
    try:
        classes = parse_answer(content)
    except MalformedAnswerError as error:
        return Reply("malformed", str(error), **cost)
    listed = (choice.logprobs and choice.logprobs.content) or []
    return Reply("answered", "", word_probabilities(content, classes, listed), **cost)


def _check_address(base_url: str) -> None:
    address = urlsplit(base_url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError(
            f"{base_url!r} is no web address: give one such as http://localhost:8000/v1"
        )
    if address.username or address.password:
        raise ValueError(f"the address holds a user or password: set {KEY_VARIABLE} instead")


def _why_failed(error: Exception) -> str:
    """Name an error without the server's words, which may hold the key or the report."""
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}"
    if isinstance(error, ValidationError):
        return _NO_COMPLETION
    return "time-out" if isinstance(error, openai.APITimeoutError) else type(error).__name__


def word_probabilities(
    content: str, classes: np.ndarray, tokens: Sequence[ChatCompletionTokenLogprob]
) -> np.ndarray:
    """Read the probabilities of the three words where the model chose between them, (13, 3).

    The words begin with different letters, so the token that holds a word's first letter decides.
    Every token listed at that place that begins the same way and goes on with the start of a word
    counts for that word; a word that is not listed has probability 0. The three are divided by
    their sum. A finding keeps probabilities of 0 and 1 if its place is ambiguous: the tokens do
    not spell the answer, the words hold less than `LEAST_MASS` of the probability (the token was
    as likely another spelling, or only a quotation mark with the word to come), or the word that
    was written is not the most probable.
    """
    probabilities = one_hot(classes)
    if not "".join(token.token for token in tokens).startswith(content):
        return probabilities
    ends = list(accumulate(len(token.token) for token in tokens))
    for row, finding in enumerate(FINDINGS):
        place = re.search(rf'"{re.escape(finding)}"\s*:\s*"({"|".join(WORDS)})"', content)
        if place is None:  # the name was written with JSON escapes
            continue
        position = bisect_right(ends, place.start(1))
        start = ends[position] - len(tokens[position].token)
        shares = _shares(tokens[position], head=content[start : place.start(1)])
        if LEAST_MASS <= shares.sum() <= 1.01 and shares.argmax() == classes[row]:
            probabilities[row] = shares / shares.sum()
    return probabilities


def _shares(token: ChatCompletionTokenLogprob, head: str) -> np.ndarray:
    """Sum the probability of each word over the tokens that begin with `head` and then with it."""
    listed = {choice.token: choice.logprob for choice in [*token.top_logprobs, token]}
    shares = np.zeros(len(WORDS))
    for spelling, logprob in listed.items():
        rest = spelling.removeprefix(head)
        if not spelling.startswith(head) or not rest:
            continue
        for k, word in enumerate(WORDS):
            if word.startswith(rest) or rest.startswith(f'{word}"'):
                shares[k] += math.exp(min(logprob, 1.0))
    return shares
