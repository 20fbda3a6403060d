"""The scores of a local language model against plain computation, token by token."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from cxrstudy.studies.distillation.teachers import teacher_at
from cxrstudy.studies.distillation.teachers.answers import WORDS, instruction, messages
from cxrstudy.studies.distillation.teachers.language_model import LanguageModelTeacher
from cxrstudy.text.reports import FINDINGS

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "
REPORTS = ["No edema.", 'Erguß; "cannot be excluded".']
N_POSITIONS = 2048


def _tokenizer(chat_template=None):
    """Train byte-level word pieces: "Absent" and "Uncertain" get a token, "Present" gets two."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>"],
        show_progress=False,
    )
    corpus = [instruction().replace("Present", "Pres ent"), '{"Edema": "Absent", "Uncertain"}']
    tokenizer.train_from_iterator(corpus * 20, trainer)
    options = {"bos_token": "<s>", "chat_template": chat_template}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options)


def _save(folder, architecture, chat_template=None):
    tokenizer = _tokenizer(chat_template)
    # GPT-2 has neither of the last two and ignores them.
    config = AutoConfig.for_model(
        architecture, vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=N_POSITIONS, initializer_range=0.3,
        intermediate_size=64, num_key_value_heads=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["gpt2", "llama", "llama chat"])
def folder(request, tmp_path_factory):
    architecture, _, chat = request.param.partition(" ")
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return _save(folder, architecture, CHAT if chat else None)


def _by_hand(folder, text, findings):
    """Sum log-probabilities of each word's tokens in one plain forward pass for each word."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    system, user = (message["content"] for message in messages(text))
    prompt = f"{system}\n\n{user}\n\n"
    if tokenizer.chat_template:
        prompt = f"[system] {system}\n[user] {user}\n[assistant] "
    scores = np.zeros((len(findings), len(WORDS)))
    for row, finding in enumerate(findings):
        begun = tokenizer(f'{prompt}{{"{finding}": "')["input_ids"]
        for column, word in enumerate(WORDS):
            whole = tokenizer(f'{prompt}{{"{finding}": "{word}')["input_ids"]
            assert whole[: len(begun)] == begun  # the word begins a token of its own
            with torch.no_grad():
                logs = model(torch.tensor([whole])).logits[0].log_softmax(dim=-1)
            places = range(len(begun), len(whole))
            scores[row, column] = sum(float(logs[place - 1, whole[place]]) for place in places)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_scores_equal_plain_computation(folder):
    """Shared tokens, batches and words of several tokens change nothing but the time."""
    labels = LanguageModelTeacher(folder, batch_size=7).label(REPORTS)
    assert (labels.log["outcome"] == "answered").all()
    np.testing.assert_array_equal(teacher_at(f"local:{folder}")(REPORTS[:1]).shape, (1, 13, 3))
    checked = slice(None, None, 4)
    expected = _by_hand(folder, REPORTS[1], FINDINGS[checked])
    np.testing.assert_allclose(labels.probabilities[1, checked], expected, atol=1e-5)
    assert labels.probabilities.max() - labels.probabilities.min() > 0.5  # it has opinions


def test_words_of_several_tokens_were_among_them(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    begun = len(tokenizer('{"Edema": "')["input_ids"])
    lengths = {word: len(tokenizer(f'{{"Edema": "{word}')["input_ids"]) - begun for word in WORDS}
    assert lengths["Present"] > 1 and min(lengths.values()) == 1


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return LanguageModelTeacher(_save(tmp_path_factory.mktemp("model") / "tiny", "gpt2"))


def test_a_label_depends_on_its_report_alone(teacher):
    together = teacher.label(REPORTS)
    alone = teacher.label(REPORTS[1:2])
    np.testing.assert_allclose(together.probabilities[1], alone.probabilities[0], atol=1e-6)
    assert not np.allclose(together.probabilities[0], together.probabilities[1], atol=1e-3)


def test_a_text_is_scored_once(teacher, monkeypatch):
    first = teacher.label(["a", "b", "a"]).probabilities
    monkeypatch.setattr(teacher, "_reply", None)
    np.testing.assert_array_equal(teacher.label(["b", "a"]).probabilities, first[1:])


def test_a_report_that_is_too_long_fails_and_is_not_cut(teacher):
    labels = teacher.label(["edema", "edema " * N_POSITIONS])
    assert labels.log["outcome"].tolist() == ["answered", "failed"]
    assert "the model reads 2048" in labels.log.loc[1, "reason"]
    assert np.isnan(labels.probabilities[1]).all()


def test_scores_that_are_no_numbers_are_a_failure(tmp_path):
    teacher = LanguageModelTeacher(_save(tmp_path / "tiny", "gpt2"))
    with torch.no_grad():
        teacher._model.lm_head.weight.fill_(float("nan"))
    labels = teacher.label(["edema"])
    (reason,) = labels.log.query("outcome == 'failed'")["reason"]
    assert reason == "the model gave no finite probabilities"


def test_only_safetensors_are_read(tmp_path):
    """Weights of the older format are pickled: reading them can run code."""
    folder = _save(tmp_path / "tiny", "gpt2")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no complete model.*model\.safetensors"):
        LanguageModelTeacher(folder)


def test_a_tokenizer_must_tell_the_answers_apart(tmp_path):
    folder = _save(tmp_path / "tiny", "gpt2")
    words = Tokenizer(models.WordLevel({"<s>": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(folder)
    assert json.loads((folder / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
    with pytest.raises(ValueError, match="writes two of the answers alike"):
        LanguageModelTeacher(folder)
