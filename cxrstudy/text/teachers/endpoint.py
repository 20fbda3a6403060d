"""A teacher behind an OpenAI-compatible address."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import diskcache
import numpy as np
import openai
from pydantic import ValidationError
from tqdm import tqdm

from cxrstudy.text.teachers.answers import ANSWER_SCHEMA, MalformedAnswerError, parse_answer
from cxrstudy.text.teachers.completion import Completion, Usage
from cxrstudy.text.teachers.prompt import messages
from cxrstudy.text.teachers.protocol import TeacherLabels, check_encodable, check_texts
from cxrstudy.text.teachers.replies import Reply, collect_replies
from cxrstudy.text.teachers.word_probabilities import word_probabilities

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable that holds the API key."""


class EndpointError(RuntimeError):
    """No report can be labeled at this address; the message says what to change."""


class EndpointTeacher:
    """A language model behind an OpenAI-compatible address labels reports.

    This is the first stage of DeBERTa-RAD: one prompt, 13 findings, three words. The model must
    answer a JSON object of a fixed schema at temperature 0. Where the server reports the
    probabilities of tokens the labels are soft; see `word_probabilities`.

    Whatever a server answered is kept in the cache, also an answer that is malformed or a
    refusal: at temperature 0 the same question brings the same answer, so a second run makes no
    request and costs nothing. A report whose request failed is not kept, and is asked again.

    .. warning::
       This sends the text of reports to another party. The terms of credentialed data sets
       (MIMIC-CXR, CheXpert) and the law on patient data can forbid that, whoever runs the
       service. There is no default address: name one that your data may go to, such as a server
       on your own machine.

    Parameters
    ----------
    base_url : str
        Address of the service, ``http`` or ``https``, such as ``http://localhost:8000/v1``. The
        API key comes from the environment variable ``OPENAI_API_KEY`` and is kept nowhere else.
    model : str
        The service's name of the model.
    cache_folder : str or Path
        Folder of the replies; made if missing, and never emptied by itself. A reply is found by
        all that was asked (model, prompt, schema, seed, report), and not by the address, so that
        the cache follows a model to another server. Another model of the same name needs another
        folder.
    prompt_price, completion_price : float
        For a million tokens, in any one currency.
    top_logprobs : int
        Tokens to list with their probabilities at each place of the answer, at most 20; 0 for a
        server that refuses them.
    seed : int
        Sent to the server.
    max_completion_tokens : int
        Sent to the server; an answer takes about 200.
    max_workers : int
        Requests at the same time.
    max_retries : int
        How often a request is repeated after no connection, a time-out, 408, 409, 429 or 5xx.
    timeout : float
        Seconds to wait for the server.

    Raises
    ------
    ValueError
        If the address is no web address or holds a password, or there is no API key.

    References
    ----------
    Wong and Tanaka 2025 (DeBERTa-RAD), stage 1.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        cache_folder: str | Path,
        *,
        prompt_price: float = 0.0,
        completion_price: float = 0.0,
        top_logprobs: int = 5,
        seed: int = 0,
        max_completion_tokens: int = 1024,
        max_workers: int = 8,
        max_retries: int = 5,
        timeout: float = 60.0,
    ) -> None:
        _check_address(base_url)
        if not os.environ.get(KEY_VARIABLE):
            raise ValueError(
                f"no API key: set {KEY_VARIABLE}; any word does for a server that asks for none"
            )
        self.name = model
        self.base_url = base_url
        self._cache_folder = Path(cache_folder)
        self._prices = np.array([prompt_price, completion_price]) / 1e6
        self._max_workers = max_workers
        self._client_options = {"max_retries": max_retries, "timeout": timeout}
        self._request = {
            "model": model,
            "temperature": 0,
            "seed": seed,
            "max_completion_tokens": max_completion_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "findings", "strict": True, "schema": ANSWER_SCHEMA},
            },
        }
        if top_logprobs:
            self._request |= {"logprobs": True, "top_logprobs": top_logprobs}

    def label(self, texts: Sequence[str]) -> TeacherLabels:
        """Ask for the labels of reports; each distinct text once.

        A run that is stopped keeps the replies that it has.

        Parameters
        ----------
        texts : sequence of str, length n_reports

        Returns
        -------
        TeacherLabels
            Where a request failed for good, the answer is malformed or the model refused, the
            row holds NaN and the log says which.

        Raises
        ------
        ValueError
            If a text is none, or is no valid Unicode.
        EndpointError
            If the server does not accept the API key (401) or does not know the address or the
            model (404): then no request can succeed.
        """
        check_texts(texts)
        check_encodable(texts)
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
            completion = Completion.model_validate(kept["completion"])
            return self._read(completion, kept["seconds"], cached=True)
        started = time.perf_counter()
        try:
            response = client.chat.completions.with_raw_response.create(**request)
            completion = Completion.model_validate_json(response.content)
        except (openai.AuthenticationError, openai.NotFoundError) as error:
            # Not chained: a server may repeat the key or the report in its error.
            raise EndpointError(
                f"{self.base_url}: HTTP {error.status_code}. Check {KEY_VARIABLE}, the address "
                f"and the model's name, {self.name!r}."
            ) from None
        except (openai.OpenAIError, ValidationError) as error:
            seconds = time.perf_counter() - started
            return Reply("failed", _why_failed(error), seconds=seconds)
        seconds = time.perf_counter() - started
        cache.set(key, {"completion": completion.model_dump(), "seconds": seconds})
        return self._read(completion, seconds, cached=False)

    def _read(self, completion: Completion, seconds: float, *, cached: bool) -> Reply:
        """Read what a server said, now or earlier."""
        spent = {"seconds": seconds, "cached": cached, **self._usage(completion.usage)}
        choice = completion.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return Reply("refused", **spent)
        content = choice.message.content or ""
        try:
            classes = parse_answer(content)
        except MalformedAnswerError as error:
            return Reply("malformed", str(error), **spent)
        tokens = (choice.logprobs and choice.logprobs.content) or []
        probabilities, soft = word_probabilities(content, classes, tokens)
        return Reply("answered", "", probabilities, int(soft.sum()), **spent)

    def _usage(self, usage: Usage | None) -> dict[str, float]:
        if usage is None:
            return {}
        tokens = [usage.prompt_tokens, usage.completion_tokens]
        names = ["prompt_tokens", "completion_tokens"]
        return {**dict(zip(names, tokens, strict=True)), "cost": float(self._prices @ tokens)}


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
        return "the reply is no chat completion"
    return "time-out" if isinstance(error, openai.APITimeoutError) else type(error).__name__
