"""Soft labels only where the tokens leave no doubt which words they stand for."""

import json
import math

import numpy as np
import pytest
from openai.types.chat import ChatCompletionTokenLogprob

from cxrstudy.studies.distillation.teachers.answers import WORDS, parse_answer
from cxrstudy.studies.distillation.teachers.endpoint import word_probabilities
from cxrstudy.text.reports import FINDINGS, one_hot

CONTENT = json.dumps({finding: WORDS[k % 3] for k, finding in enumerate(FINDINGS)})
CLASSES = parse_answer(CONTENT)
EDEMA = FINDINGS.index("Edema")  # Present
assert WORDS[CLASSES[EDEMA]] == "Present"


def _token(text, listed):
    top = [{"token": token, "logprob": math.log(share)} for token, share in listed.items()]
    own = math.log(listed.get(text, 1e-9))
    given = {"token": text, "logprob": own, "top_logprobs": top}
    return ChatCompletionTokenLogprob.model_validate(given)


def _tokens(listed, chosen, after=""):
    """Cut the answer into one token at Edema's word, and one before and one after."""
    start = CONTENT.index('"Present', CONTENT.index('"Edema"')) + 1
    start -= chosen.index("P")
    assert CONTENT[start:].startswith(chosen)
    rest = CONTENT[start + len(chosen) :] + after
    pieces = [_token(CONTENT[:start], {}), _token(chosen, listed), _token(rest, {})]
    return [piece for piece in pieces if piece.token]


@pytest.mark.parametrize(
    ("chosen", "listed", "expected"),
    [
        ("Present", {"Present": 0.5, "Absent": 0.3, "Uncertain": 0.2}, [0.3, 0.5, 0.2]),
        # Pieces of words, and several spellings of one, add up.
        ("Pres", {"Pres": 0.4, "P": 0.1, "Present": 0.1, "Ab": 0.3, "Un": 0.1}, [0.3, 0.6, 0.1]),
        # The quotation mark may be in the same token, before or after.
        ('"Present', {'"Present': 0.7, '"Absent': 0.2, '"Un': 0.1}, [0.2, 0.7, 0.1]),
        ('Present"', {'Present"': 0.7, 'Absent",': 0.2, "Uncertain": 0.1}, [0.2, 0.7, 0.1]),
        (' "P', {' "P': 0.7, ' "A': 0.2, ' "U': 0.1}, [0.2, 0.7, 0.1]),
        # A word that is not listed has probability 0, and the rest is divided by its sum.
        ("Present", {"Present": 0.72, "Absent": 0.24, "present": 0.03}, [0.25, 0.75, 0.0]),
    ],
)
def test_shares_of_the_three_words(chosen, listed, expected):
    probabilities = word_probabilities(CONTENT, CLASSES, _tokens(listed, chosen))
    np.testing.assert_allclose(probabilities[EDEMA], expected, atol=1e-6)
    others = np.delete(np.arange(13), EDEMA)
    assert np.array_equal(probabilities[others], one_hot(CLASSES)[others])


@pytest.mark.parametrize(
    ("chosen", "listed"),
    [
        # Other words of the same beginning are no words of ours.
        ("Present", {"Present": 0.5, "Pneumonia": 0.4, "Absent": 0.1}),
        ("Present", {"Present": 0.5, "Presently": 0.4, "Absent": 0.1}),
        # The quotation mark alone: the word would have come later.
        ('"Present', {'"Present': 0.5, '"': 0.4, '"Absent': 0.1}),
        # What was written is not what was most probable.
        ("Present", {"Present": 0.3, "Absent": 0.7}),
        ("Present", {"Absent": 1.0}),
        # Numbers that are no probabilities.
        ("Present", {"Present": 5.0, "Absent": 3.0}),
        ("Present", {"Present": math.nan, "Absent": 0.1}),
        ("Present", {"Present": 1e300, "Absent": 0.1}),
        ("Present", {}),
    ],
)
def test_ambiguous_places_stay_hard(chosen, listed):
    assert _stays_hard(_tokens(listed, chosen))


def _stays_hard(tokens):
    return np.array_equal(word_probabilities(CONTENT, CLASSES, tokens), one_hot(CLASSES))


def test_tokens_must_spell_the_answer_and_a_stop_token_may_follow():
    sure = {"Present": 0.9, "Absent": 0.1}
    tokens, stopped = (_tokens(sure, "Present", after) for after in ("", "<|end|>"))
    assert not _stays_hard(tokens) and not _stays_hard(stopped)
    assert all(_stays_hard(other) for other in (tokens[1:], tokens[:-1], []))


def test_letters_cut_one_by_one_find_every_word():
    """Each finding's word is found, whatever its place; the first letter decides."""
    tokens = [_token(letter, {"A": 0.1, "P": 0.1, "U": 0.1, letter: 0.8}) for letter in CONTENT]
    probabilities = word_probabilities(CONTENT, CLASSES, tokens)
    assert np.array_equal(probabilities.argmax(axis=-1), CLASSES)
    np.testing.assert_allclose(probabilities.max(axis=-1), 0.8)
