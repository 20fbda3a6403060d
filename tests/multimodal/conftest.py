"""A model of one layer, a tokenizer of 300 pieces and features of eight channels."""

import numpy as np
import pytest

WORDS = "no effusion is seen . there clear left lung which image shows ? does sentence describe"


@pytest.fixture(scope="session")
def grid() -> np.ndarray:
    """Features of twelve images at five places."""
    return np.random.default_rng(1).normal(size=(12, 5, 8)).astype(np.float16)


@pytest.fixture(scope="session")
def tiny_config():
    """Make a configuration of the smallest model."""
    from cxrstudy.multimodal.config import Branch, Stage, TuningConfig

    parts = ("encoder", "bridger", "language_model")

    def make(**changes) -> TuningConfig:
        small = {
            "stages": (),
            "last": Stage("instructions", parts, "answer", 3, 3e-3),
            "branches": (Branch("full"),),
            "width": 32,
            "layers": 1,
            "vocabulary_size": 300,
            "batch_size": 8,
        }
        return TuningConfig(**(small | changes))

    return make


@pytest.fixture(scope="session")
def tiny_writer(tiny_config):
    """Make a writer for the images 0.png to 11.png; a little text is all that it read."""
    from cxrstudy.multimodal.assembly import tokens_per_image
    from cxrstudy.multimodal.language import Writer, train_tokenizer

    tokenizer = train_tokenizer([WORDS] * 3, 300)

    def make(bridger: str = "mlp", **others) -> Writer:
        rows = {f"{row}.png": row for row in range(12)}
        return Writer(tokenizer, tokens_per_image(tiny_config(bridger=bridger), 5), rows, **others)

    return make


@pytest.fixture(scope="session")
def tiny_model(grid, tiny_config, tiny_writer):
    """Make a model with random weights, equal for equal seeds."""
    from cxrstudy.multimodal.assembly import build_model
    from cxrstudy.trainings.job import own_randomness

    def make(bridger: str = "mlp", seed: int = 0):
        writer = tiny_writer(bridger)
        with own_randomness(seed):
            config = tiny_config(bridger=bridger)
            model = build_model(config, len(writer.tokenizer), writer.image_token, grid)
        return model.eval()

    return make


@pytest.fixture
def pretrained_folder(tmp_path, monkeypatch):
    """Put a random Llama, with its tokenizer, in the place of the registry's language model."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from cxrstudy.multimodal import assembly, language
    from cxrstudy.trainings.job import own_randomness

    marks = language.PRETRAINED_MARKS
    pieces = [*marks.all, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bare = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        bos_token=marks.start,
        eos_token=marks.end,
        pad_token=marks.padding,
        additional_special_tokens=[marks.image, marks.answer],
    )
    with own_randomness(5):
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
        config = LlamaConfig(
            vocab_size=len(pieces), num_attention_heads=2, tie_word_embeddings=True, **sizes
        )
        LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for module in (assembly, language):
        monkeypatch.setattr(module, "language_model_folder", lambda name: tmp_path)
    return tmp_path
