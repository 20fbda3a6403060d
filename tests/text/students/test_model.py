"""The classifier: shapes, budgets, padding, pooling, pretrained encoders."""

import dataclasses

import numpy as np
import pytest
import torch

from cxrstudy.text.students import StudentConfig, build_classifier, predict, train_student
from cxrstudy.text.students import model as student_model
from cxrstudy.text.students.model import pretrained_source, train_tokenizer

IDS = torch.tensor([[2, 10, 11, 12, 3], [2, 20, 3, 0, 0]])
MASK = (IDS != 0).long()


def _classifier(**changes):
    return build_classifier(StudentConfig(size="tiny", **changes), 13, 3000, padding_id=0).eval()


@pytest.mark.parametrize("architecture", ["bert", "deberta"])
def test_padding_changes_nothing(architecture):
    model = _classifier(architecture=architecture)
    with torch.inference_mode():
        logits = model(IDS, MASK)
        alone = model(IDS[1:, :3], MASK[1:, :3])
    assert logits.shape == (2, 13, 3)
    torch.testing.assert_close(logits[1:], alone, atol=1e-5, rtol=1e-4)


def test_both_architectures_have_the_same_budget():
    """The two differ by their position tables and what reads them: under 5 percent."""
    counts = {
        architecture: build_classifier(
            StudentConfig(size="base", architecture=architecture), 13, 3000, padding_id=0
        ).n_parameters
        for architecture in ("bert", "deberta")
    }
    assert max(counts.values()) <= 5_000_000
    assert max(counts.values()) / min(counts.values()) < 1.05


def test_attention_is_a_mean_over_tokens_by_each_findings_query():
    model = _classifier(dropout=0.0)
    with torch.inference_mode():
        tokens = model.encoder(IDS, MASK).last_hidden_state[1, :3]
        logits = model(IDS, MASK)[1]
        for finding in (0, 7):
            weights = (tokens @ model.queries[finding]).softmax(0)
            by_hand = (weights @ tokens) @ model.weight[finding] + model.bias[finding]
            torch.testing.assert_close(logits[finding], by_hand, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "deberta"])
def test_a_pretrained_encoder_comes_with_its_weights_and_tokenizer(
    architecture, toy, teacher, tmp_path
):
    """An encoder folder with safetensors weights is used as it is."""
    training, held_out = toy
    encoder = _classifier(architecture=architecture, max_tokens=64).encoder
    encoder.save_pretrained(tmp_path)
    train_tokenizer(training, 200, 64).save_pretrained(tmp_path)
    config = StudentConfig(pretrained=str(tmp_path), max_tokens=32, epochs=1, learning_rate=1e-9)
    student = train_student(training, teacher(training), config, device="cpu")
    for name, weight in student.model.encoder.state_dict().items():
        torch.testing.assert_close(weight, encoder.state_dict()[name], atol=1e-5, rtol=1e-3)
    assert np.isfinite(predict(student, held_out)).all()
    too_long = dataclasses.replace(config, max_tokens=65)
    with pytest.raises(ValueError, match="max_tokens is 65"):
        train_student(training, teacher(training), too_long, device="cpu")


def test_an_encoder_of_the_registry_is_the_folder_of_its_files(tmp_path, monkeypatch):
    files = [tmp_path / name for name in ("model.safetensors", "config.json", "tokenizer.json")]
    monkeypatch.setattr(student_model, "fetch", lambda _: files)
    assert pretrained_source("minilm_l6_v2") == str(tmp_path)
    assert pretrained_source("some/folder") == "some/folder"


def test_pickled_weights_are_refused(tmp_path):
    encoder = _classifier(architecture="bert").encoder
    encoder.config.save_pretrained(tmp_path)
    torch.save(encoder.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        build_classifier(StudentConfig(pretrained=str(tmp_path)), 13, 3000, padding_id=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"temperature": 0}, "temperature"),
        ({"architecture": "lstm"}, "architecture"),
        ({"epochs": 0}, "epochs"),
        ({"size": "huge"}, "size must be one of"),
    ],
)
def test_impossible_values_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build_classifier(StudentConfig(**change), 13, 3000, padding_id=0)


TEXTS = [
    "No pleural effusion. Heart size is normal.",
    "Small left pleural effusion, 1.5 cm.",
    "Cardiomegaly with interstitial edema",
]


def test_known_words_come_back():
    tokenizer = train_tokenizer(TEXTS, 300, 64)
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
        assert tokenizer.unk_token_id not in ids
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        assert decoded.replace(" ", "") == text.lower().replace(" ", "")
    assert tokenizer("HEART")["input_ids"] == tokenizer("heart")["input_ids"]
    assert tokenizer("ж")["input_ids"][1] == tokenizer.unk_token_id
    assert len(train_tokenizer(TEXTS * 5, 100, 64)) <= 100


def test_long_reports_are_cut_and_keep_their_end_token():
    tokenizer = train_tokenizer(TEXTS, 300, 8)
    ids = tokenizer(TEXTS[0], truncation=True)["input_ids"]
    assert len(ids) == 8 and ids[-1] == tokenizer.sep_token_id


def test_equal_texts_give_equal_vocabularies():
    wanted = train_tokenizer(TEXTS, 120, 64).get_vocab()
    for repeat in range(20):
        texts = TEXTS if repeat % 2 else TEXTS[::-1]
        assert train_tokenizer(texts, 120, 64).get_vocab() == wanted
