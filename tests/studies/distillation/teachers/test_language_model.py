"""The scores of a local language model against plain computation, token by token."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from cxrstudy.studies.distillation.teachers import AnsweringTeacher, language_model, teacher_at
from cxrstudy.studies.distillation.teachers.boxed import boxed_answer, write_box
from cxrstudy.studies.distillation.teachers.few_shot import class_probabilities, default_prompt
from cxrstudy.studies.distillation.teachers.language_model import LanguageModelTeacher, _longest
from cxrstudy.text.reports import FINDINGS

CHAT = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{{ '[assistant]\n' }}"
)
REPORTS = ["No edema.", 'Erguß; "cannot be excluded".\n\nIs there edema?\nYes']
N_POSITIONS = 2048
WORDS = default_prompt().words


def _tokenizer(chat_template=None):
    """Train byte-level word pieces: "No" and "Maybe" get a token, "Yes" gets two."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>"],
        show_progress=False,
    )
    examples = default_prompt().messages("Heart and lungs.")
    corpus = [message["content"].replace("Yes", "Y es") for message in examples]
    tokenizer.train_from_iterator(corpus * 20 + ["Maybe", "No"] * 20, trainer)
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
    prompt = default_prompt()
    scores = np.zeros((len(findings), len(WORDS)))
    for row, finding in enumerate(findings):
        asked = prompt.messages(text)
        asked[-1] = asked[-1] | {"content": asked[-1]["content"] + prompt.ask(finding)}
        begun = "".join(message["content"] + "\n" for message in asked)
        if tokenizer.chat_template:
            begun = "".join(f"[{each['role']}] {each['content']}\n" for each in asked)
            begun += "[assistant]\n"
        n_begun = len(tokenizer(begun)["input_ids"])
        for column, word in enumerate(WORDS):
            whole = tokenizer(begun + word)["input_ids"]
            assert whole[:n_begun] == tokenizer(begun)["input_ids"]  # the word begins a token
            with torch.no_grad():
                logs = model(torch.tensor([whole])).logits[0].log_softmax(dim=-1)
            places = range(n_begun, len(whole))
            scores[row, column] = sum(float(logs[place - 1, whole[place]]) for place in places)
    return class_probabilities(scores)


def test_scores_equal_plain_computation(folder, tmp_path):
    """One pass over all questions changes nothing but the time."""
    labels = LanguageModelTeacher(folder, tmp_path).label(REPORTS)
    assert (labels.log["outcome"] == "answered").all() and (labels.log["seconds"] > 0).all()
    np.testing.assert_array_equal(
        teacher_at(f"local:{folder}", tmp_path)(REPORTS[:1]), labels.probabilities[:1]
    )
    checked = slice(None, None, 4)
    expected = _by_hand(folder, REPORTS[1], FINDINGS[checked])
    # Kept in thousandths of a logarithm.
    np.testing.assert_allclose(labels.probabilities[1, checked], expected, atol=1e-3)
    assert labels.probabilities.max() - labels.probabilities.min() > 0.5  # it has opinions


def test_words_of_several_tokens_were_among_them(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lengths = {word: len(tokenizer(word)["input_ids"]) for word in WORDS}
    assert lengths["Yes"] > 1 and min(lengths.values()) == 1


def test_branches_are_the_longest_of_those_that_begin_alike():
    assert _longest([(1,), (1, 2), (3,), (1, 2)]) == [(1, 2), (3,)]
    assert _longest([(), ()]) == [()]


def test_what_is_not_mentioned_is_absent():
    found = class_probabilities(np.log([[0.2, 0.3, 0.1, 0.4]]))
    np.testing.assert_allclose(found, [[0.6, 0.3, 0.1]], rtol=1e-6)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("model") / "tiny", "gpt2")


@pytest.fixture
def teacher(tiny, tmp_path):
    return LanguageModelTeacher(tiny, tmp_path)


def test_a_label_depends_on_its_report_alone(teacher, tiny, tmp_path):
    together = teacher.label(REPORTS)
    alone = LanguageModelTeacher(tiny, tmp_path / "other").label(REPORTS[1:])
    np.testing.assert_allclose(together.probabilities[1], alone.probabilities[0], atol=2e-3)
    assert not np.allclose(together.probabilities[0], together.probabilities[1], atol=1e-2)


def test_an_answer_is_kept_and_belongs_to_model_and_prompt(teacher, tiny, tmp_path, monkeypatch):
    """A text is asked once, by this run and by the next; a run that was stopped goes on."""
    first = teacher.label(["a", "b", "a"])
    again = LanguageModelTeacher(tiny, tmp_path)
    monkeypatch.setattr(LanguageModelTeacher, "_ask", None)
    found = again.label(["b", "a"])
    np.testing.assert_array_equal(found.probabilities, first.probabilities[1:])
    assert found.log["seconds"].tolist() == first.log["seconds"].tolist()[1:]
    other = default_prompt().__class__(**vars(default_prompt()) | {"question": "Any {finding}?"})
    with pytest.raises(TypeError):  # it would have to ask
        LanguageModelTeacher(tiny, tmp_path, other).label(["a"])


def test_a_report_that_is_too_long_fails_and_is_not_cut(teacher):
    labels = teacher.label(["edema", "edema " * N_POSITIONS])
    assert labels.log["outcome"].tolist() == ["answered", "failed"]
    assert "the model reads 2048" in labels.log.loc[1, "reason"]
    assert np.isnan(labels.probabilities[1]).all()
    with pytest.warns(UserWarning, match="of 2 reports, no label: 1 failed"):
        AnsweringTeacher(teacher.label)(["edema", "edema " * N_POSITIONS])


def test_scores_that_are_no_numbers_are_a_failure(teacher):
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
        LanguageModelTeacher(folder, tmp_path).label(["edema"])


def test_a_tokenizer_must_tell_the_answers_apart(tmp_path):
    folder = _save(tmp_path / "tiny", "gpt2")
    words = Tokenizer(models.WordLevel({"<s>": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(folder)
    assert json.loads((folder / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
    with pytest.raises(ValueError, match="writes two of the answers alike"):
        LanguageModelTeacher(folder, tmp_path).label(["edema"])


def test_examples_are_made_up_and_name_words():
    """No finding is left without an example, and none answers with a word that does not exist."""
    asked = [example["answers"] for example in default_prompt().examples]
    assert set().union(*asked) == set(FINDINGS)
    assert {answer for each in asked for answer in each.values()} == set(range(len(WORDS)))


def test_answers_are_boxed_without_a_text(teacher, tmp_path):
    teacher.label(["edema", "edema " * N_POSITIONS])
    assert write_box(tmp_path, tmp_path / "box.parquet") == 1
    table = pd.read_parquet(tmp_path / "box.parquet")
    assert table.shape == (1, 2 + 13 * 4) and "Edema: Not mentioned" in table
    assert "edema" not in table.loc[0, "key"] and len(table.loc[0, "key"]) == 20
    assert boxed_answer("0" * 64) is None


def test_a_name_of_the_registry_is_known_without_its_file():
    assert language_model.is_registered("smollm2_135m_instruct")
    assert not language_model.is_registered("minilm_l6_v2")
    assert not language_model.is_registered("a/folder")
    assert language_model.identity("smollm2_135m_instruct").startswith("smollm2_135m_instruct ")


def test_a_folder_is_known_by_its_files(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = language_model.identity(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"1")
    with_weights = language_model.identity(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert len({before, with_weights, language_model.identity(str(tmp_path))}) == 3
