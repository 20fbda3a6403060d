"""Hub models against plain forward passes, on random checkpoints of two families."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
)
from transformers.models.clip import CLIPImageProcessor
from transformers.models.qwen2_vl import Qwen2VLImageProcessor, Qwen2VLVideoProcessor
from typer.testing import CliRunner

from cxrstudy import cli
from cxrstudy.data.images import ImageSet
from cxrstudy.multimodal.benchmark import BenchmarkError, answers_table
from cxrstudy.multimodal.hub import HubModel
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent import image_items, text_items

QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<|im_end|>")
SPECIAL = ("<s>", "<pad>", "<image>", *QWEN)
QWEN_CHAT = (
    "<s>{% for m in messages %}user\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{{ 'assistant\\n' }}"
)
SIZES = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip
TOWER = SIZES | {"image_size": 16, "patch_size": 8}
ITEMS = [
    Item("view", "AP or PA?", "PA", ("AP", "PA"), ("a",)),
    Item("single", "Which?", "Mass", ("Edema", "Mass", "Hernia"), ("b",)),
    Item("temporal", "Better or worse?", "worse", ("better", "worse"), ("a", "b")),
    Item("text", "Is it so?", "no", ("yes", "no"), context="No edema is seen in this lung."),
    Item("summary", "Summarise.", "Edema.", context="There is edema."),
]


def _images(name):
    return np.random.default_rng(ord(name)).integers(0, 256, (32, 32), dtype=np.uint8)


def _tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Edema Mass", " Edema", "Answer with one option."] * 9, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>", pad_token="<pad>"
    )


def _text_sizes(tokenizer):
    return {
        **SIZES, "vocab_size": len(tokenizer), "num_key_value_heads": 2, "initializer_range": 0.3,
        "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 7, "pad_token_id": 1,
    }  # fmt: skip


def _llava():
    tokenizer = _tokenizer()
    vision = CLIPVisionConfig(**TOWER)
    text = LlamaConfig(**_text_sizes(tokenizer))
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=2, initializer_range=0.3
    )
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return LlavaForConditionalGeneration(config), processor


def _qwen():
    tokenizer = _tokenizer()
    vision = {
        "depth": 2, "hidden_size": 32, "num_heads": 4, "intermediate_size": 64,
        "out_hidden_size": 32, "patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1],
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = Qwen2_5_VLConfig(
        text_config=_text_sizes(tokenizer) | {"rope_parameters": rope},
        vision_config=vision,
        image_token_id=5,
        video_token_id=6,
        vision_start_token_id=3,
        vision_end_token_id=4,
    )
    sizes = {"patch_size": 4, "size": {"shortest_edge": 64, "longest_edge": 1024}}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**sizes),
        tokenizer,
        Qwen2VLVideoProcessor(**sizes),
        chat_template=QWEN_CHAT,
    )
    return Qwen2_5_VLForConditionalGeneration(config), processor


@pytest.fixture(scope="module", params=[_llava, _qwen], ids=["llava", "qwen"])
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    model, processor = request.param()
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hub(folder):
    return HubModel(folder, _images, "cpu", max_new_tokens=5)


def _processed(processor, images, text):
    """Begin with one start of text, whether or not the chat format wrote it."""
    inputs = processor(
        images=images, text=text, return_tensors="pt", add_special_tokens="<s>" not in text
    )
    assert (inputs["input_ids"] == 0).nonzero().tolist() == [[0, 0]]
    return inputs


def _by_hand(folder, item):
    """Read prompt and option as one text, and find the option's tokens from the end."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    listed = " ".join(f"{letter}) {o}" for letter, o in zip("ABCD", item.options, strict=False))
    asked = f"{item.prompt}\n{listed}\nAnswer with one option."
    if "llava" in type(model).__name__.lower():
        prompt, space = "<image>\n" * len(item.images) + f"Question: {asked}\nAnswer:", " "
    else:
        image = "<|vision_start|><|image_pad|><|vision_end|>" * len(item.images)
        prompt, space = f"<s>user\n{image}{asked}<|im_end|>\nassistant\n", ""
    images = [Image.fromarray(_images(name)).convert("RGB") for name in item.images] or None
    scores, counts = [], []
    for option in item.options:
        n = len(processor.tokenizer(space + option, add_special_tokens=False)["input_ids"])
        whole = _processed(processor, images, prompt + space + option)
        with torch.no_grad():
            logs = model(**whole).logits[0].log_softmax(dim=-1)
        ids = whole["input_ids"][0]
        scores.append(sum(float(logs[k - 1, ids[k]]) for k in range(len(ids) - n, len(ids))))
        counts.append(n)
    return np.array(scores), np.array(counts)


def test_likelihoods_are_those_of_a_plain_forward_pass(folder, hub):
    found, counts = hub.likelihoods(ITEMS), hub.token_counts(ITEMS)
    assert found[-1] is None and counts[-1] is None
    for item, scores, count in zip(ITEMS[:-1], found, counts, strict=False):
        by_hand, n_tokens = _by_hand(folder, item)
        assert scores == pytest.approx(by_hand, abs=1e-5), item.task
        assert count.tolist() == n_tokens.tolist()
        assert np.ptp(by_hand) > 0.01


def test_an_image_changes_the_likelihoods(hub):
    first = Item("view", "AP or PA?", "PA", ("AP", "PA"), ("a",))
    second = Item("view", "AP or PA?", "PA", ("AP", "PA"), ("b",))
    one, other = hub.likelihoods([first, second])
    assert np.abs(one - other).max() > 1e-4


def test_texts_are_greedy_and_a_batch_says_what_its_items_say(folder, hub):
    items = ITEMS + [Item("view", "AP?", "no", ("yes", "no"), (name,)) for name in "cdefg"]
    alone = HubModel(folder, _images, "cpu", max_new_tokens=5, batch_size=1).generate(items)
    assert hub.generate(items) == alone
    assert len(set(alone)) > 3 and not any("Question" in text for text in alone)


def test_a_batch_with_prompts_of_many_lengths_is_computed_together(hub, monkeypatch):
    """Were it not, its items would be asked one by one, and no error would show."""
    items = [Item("view", "AP? " * n, "no", ("yes", "no"), ("a",)) for n in (1, 5, 9, 2)]
    alone = [hub.generate([item])[0] for item in items]
    computed = []
    plain = hub._generate
    monkeypatch.setattr(hub, "_generate", lambda some: computed.append(len(some)) or plain(some))
    assert hub.generate(items) == alone
    assert computed == [4]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("broken")])
def test_only_too_little_memory_lets_items_be_asked_one_by_one(hub, monkeypatch, error):
    items = [Item("view", "AP? " * n, "no", ("yes", "no"), ("a",)) for n in (1, 5)]
    alone = [hub.generate([item])[0] for item in items]
    plain = hub._generate

    def fails_together(some):
        if len(some) > 1:
            raise error
        return plain(some)

    monkeypatch.setattr(hub, "_generate", fails_together)
    if isinstance(error, torch.OutOfMemoryError):
        assert hub.generate(items) == alone
    else:
        with pytest.raises(BenchmarkError, match="2 items fail together .* broken"):
            hub.generate(items)


def test_a_text_is_the_likeliest_token_after_token(folder, hub):
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    item = ITEMS[0]
    images = [Image.fromarray(_images("a")).convert("RGB")]
    text = hub._prompt(item)
    inputs = dict(_processed(processor, images, text))
    said = []
    for _ in range(5):
        with torch.no_grad():
            token = model(**inputs).logits[0, -1].argmax().view(1, 1)
        said.append(int(token))
        for name in {"input_ids", "attention_mask", "mm_token_type_ids"} & set(inputs):
            more = {"input_ids": token, "attention_mask": token * 0 + 1}.get(name, token * 0)
            inputs[name] = torch.cat([inputs[name], more], dim=1)
    expected = processor.tokenizer.decode(said, skip_special_tokens=True).strip()
    assert hub.generate([item]) == [expected]


def test_options_are_listed_by_letters_unless_they_are_letters(hub):
    assert "\nA) Edema B) Mass C) Hernia\nAnswer with one option." in hub._prompt(ITEMS[1])
    letters = Item("selection", "Which sentence, A or B?", "B", ("A", "B"), context="A: x\nB: y")
    assert "Which sentence, A or B?\nAnswer with one option." in hub._prompt(letters)
    assert "Answer with" not in hub._prompt(ITEMS[-1])


def test_all_that_a_benchmark_asks_is_answered(hub):
    answers = answers_table(ITEMS, hub)
    assert answers["right_likelihood"].notna().tolist() == [True] * 4 + [False]
    assert answers["right_per_token"].notna().sum() == 4
    assert hub.name.endswith("tiny")


def test_blip_2_reads_one_image_and_refuses_two(tmp_path):
    """It would read the first and drop the second in silence."""
    tokenizer = _tokenizer()
    config = Blip2Config(
        vision_config=TOWER,
        qformer_config=SIZES | {"vocab_size": 300, "encoder_hidden_size": 32},
        text_config=_text_sizes(tokenizer)
        | {"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 32},
        num_query_tokens=4,
        image_token_index=2,
    )
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(config).save_pretrained(tmp_path)
    image_processor = BlipImageProcessor(size={"height": 16, "width": 16})
    Blip2Processor(image_processor, tokenizer, num_query_tokens=4).save_pretrained(tmp_path)
    hub = HubModel(tmp_path, _images, "cpu", max_new_tokens=2)
    scores = hub.likelihoods(ITEMS[:2])
    assert [len(of_item) for of_item in scores] == [2, 3] and len(hub.generate(ITEMS[:2])) == 2
    for place in (2, 3):
        with pytest.raises(
            BenchmarkError, match=r"failed on item 0 .*it reads one image, not [20]"
        ):
            hub.likelihoods([ITEMS[place]])


def test_a_failure_names_the_item(folder):
    def images(name):
        if name == "b":
            raise KeyError("no image b")
        return _images(name)

    hub = HubModel(folder, images, "cpu", max_new_tokens=2)
    for ask in (hub.likelihoods, hub.generate):
        with pytest.raises(BenchmarkError, match=re.escape("failed on item 1 (single, b)")) as got:
            ask(ITEMS[:2])
        assert "\n" not in str(got.value) and "no image b" in str(got.value)


def test_the_command_asks_a_model_in_a_folder(folder, tmp_path, monkeypatch):
    names = pd.Index(["a", "b"], name="image")
    pixels = np.stack([_images(name) for name in names])
    found = ImageSet("invented", "by hand", pixels, pd.DataFrame(index=names), {}, pd.DataFrame())
    items = [replace(item, split="held_out") for item in ITEMS]
    monkeypatch.setattr("cxrstudy.data.images.load_images", lambda images, size: found)
    monkeypatch.setattr(image_items, "image_items", lambda image_set, seed: items[:3])
    monkeypatch.setattr(text_items, "text_items", lambda image_set, seed: items[3:])
    command = ["benchmark", str(folder), "--device", "cpu", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "accuracy.csv")
    assert table["task"].tolist() == [item.task for item in ITEMS[:4] for _ in range(4)]
    margins = pd.read_csv(tmp_path / "answers.csv")["margin"]
    assert margins[0] == pytest.approx(-np.subtract(*_by_hand(folder, ITEMS[0])[0][::-1]), abs=1e-5)


def test_what_is_no_model_is_one_line(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match="no processor could be loaded") as got:
        HubModel(tmp_path / "empty", _images)
    assert "\n" not in str(got.value)

    _tokenizer().save_pretrained(tmp_path / "words")
    (tmp_path / "words" / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(BenchmarkError, match="no processor"):
        HubModel(tmp_path / "words", _images)

    AutoProcessor.from_pretrained(folder).save_pretrained(tmp_path / "weightless")
    (tmp_path / "weightless" / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(BenchmarkError, match="no model could be loaded"):
        HubModel(tmp_path / "weightless", _images)


def test_missing_weights_are_not_random(folder, tmp_path):
    model = AutoModelForImageTextToText.from_pretrained(folder)
    AutoProcessor.from_pretrained(folder).save_pretrained(tmp_path)
    weights = {k: v for k, v in model.state_dict().items() if "layers.1.mlp" not in k}
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(BenchmarkError, match="weights are missing and would be random"):
        HubModel(tmp_path, _images)


def test_pickled_weights_are_refused(folder, tmp_path):
    AutoProcessor.from_pretrained(folder).save_pretrained(tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BenchmarkError, match="no model could be loaded"):
        HubModel(tmp_path, _images)
