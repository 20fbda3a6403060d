"""Heads on kept features: features of each token, and heads that learn from them."""

import numpy as np
import pytest
import torch

from cxrstudy.studies.distillation.features import token_features
from cxrstudy.studies.distillation.heads import HeadConfig, HeadJob, Heads
from cxrstudy.text.reports import one_hot
from cxrstudy.text.students import StudentConfig, build_classifier
from cxrstudy.text.students.model import tokenizer_for
from cxrstudy.trainings.job import own_randomness

CONFIG = StudentConfig("bert", "tiny", vocabulary_size=200)
TEXTS = [
    f"{'Large' if number % 3 else 'No'} effusion {number} on the left." for number in range(90)
]
CLASSES = np.array([[int(number % 3 > 0), 0] for number in range(90)])


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return token_features(TEXTS, CONFIG, tmp_path_factory.mktemp("features"))


def test_features_are_the_encoders_own_whatever_the_batch(features):
    with own_randomness(CONFIG.seed):
        tokenizer = tokenizer_for(CONFIG, TEXTS)
        encoder = build_classifier(CONFIG, 1, len(tokenizer), tokenizer.pad_token_id).encoder.eval()
    ids = tokenizer(TEXTS[7], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = encoder(input_ids=ids).last_hidden_state[0].numpy()
    (row,) = features.rows([TEXTS[7]])
    found = features.values[features.starts[row] : features.starts[row + 1]]
    np.testing.assert_allclose(found.astype(float), expected, atol=2e-3)
    tokens, real = features.batch([row, features.rows([TEXTS[0]])[0]])
    assert real.sum(dim=1).tolist() == features.lengths[[row, 0]].tolist()
    np.testing.assert_array_equal(tokens[0][real[0]].numpy(), found.astype(np.float32))


def test_features_are_computed_once(features, tmp_path, monkeypatch):
    first = token_features(TEXTS[:5], CONFIG, tmp_path)
    monkeypatch.setattr("cxrstudy.studies.distillation.features._compute", None)
    again = token_features(TEXTS[:5], CONFIG, tmp_path)
    np.testing.assert_array_equal(first.values, again.values)
    assert first.key == again.key != features.key


def test_heads_answer_as_the_classifier_with_the_same_weights(features):
    """Heads are those of a full student, apart from the encoder."""
    with own_randomness(0):
        tokenizer = tokenizer_for(CONFIG, TEXTS)
        whole = build_classifier(CONFIG, 2, len(tokenizer), tokenizer.pad_token_id).eval()
        heads = Heads(whole.queries.shape[1], np.ones((2, 3)), 0.1).eval()
    for name in ("queries", "weight", "bias"):
        getattr(heads, name).data = getattr(whole, name).data
    tokens, real = features.batch([3, 4])
    with torch.inference_mode():
        pooled = whole._pool(tokens, real.long())
        expected = torch.einsum("rfw,fwc->rfc", pooled, whole.weight) + whole.bias
        torch.testing.assert_close(heads(tokens, real), expected)


def test_heads_learn_and_equal_trainings_are_equal(features, tmp_path):
    training, held_out = np.arange(60), np.arange(60, 90)
    job = HeadJob(HeadConfig(epochs=30), features, training, one_hot(CLASSES[:60]), held_out)
    found = job.train(tmp_path).arrays["probabilities"]
    assert (found.argmax(axis=-1) == CLASSES[60:]).mean() > 0.95
    np.testing.assert_array_equal(found, job.train(tmp_path).arrays["probabilities"])


def test_a_label_without_an_answer_is_not_learned(features, tmp_path):
    targets = one_hot(CLASSES[:60])
    targets[::4] = np.nan
    job = HeadJob(HeadConfig(epochs=2), features, np.arange(60), targets, [70, 61, 70])
    found = job.train(tmp_path).arrays["probabilities"]
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], found[2])


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match="alpha must be from 0 to 1"):
        HeadConfig(alpha=2)
