"""Soft labels from the probabilities of an answer's tokens."""

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from cxrstudy.text.findings import FINDINGS, one_hot
from cxrstudy.text.teachers.answers import WORDS
from cxrstudy.text.teachers.completion import AnswerToken

LEAST_MASS = 0.95
"""The three words must hold this much of the probability at an answer's token to be believed."""


def word_probabilities(
    content: str, classes: np.ndarray, tokens: Sequence[AnswerToken]
) -> tuple[np.ndarray, np.ndarray]:
    """Read the probabilities of the three words where the model chose between them.

    The words begin with different letters, so the token that holds a word's first letter decides.
    Every token listed at that place that begins the same way and goes on with the start of a word
    counts for that word; a word that is not listed has probability 0. The three are divided by
    their sum. A finding keeps probabilities of 0 and 1 if its place is ambiguous: the tokens do
    not spell the answer, the words hold less than `LEAST_MASS` of the probability (the token was
    as likely another spelling, or only a quotation mark with the word to come), or the word that
    was written is not the most probable.

    Parameters
    ----------
    content : str
        The model's answer; `parse_answer` accepted it.
    classes : ndarray of int8, shape (13,)
        What `parse_answer` read.
    tokens : sequence of AnswerToken
        The tokens of the answer, from the first.

    Returns
    -------
    probabilities : ndarray of float32, shape (13, 3)
    soft : ndarray of bool, shape (13,)
        Where the probabilities are the model's own.
    """
    probabilities, soft = one_hot(classes), np.zeros(len(FINDINGS), dtype=bool)
    if not "".join(token.token for token in tokens).startswith(content):
        return probabilities, soft
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
            soft[row] = True
    return probabilities, soft


def _shares(token: AnswerToken, head: str) -> np.ndarray:
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
