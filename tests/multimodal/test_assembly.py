"""The parts of a model: sizes, first weights, and what is left when it is saved."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, LlavaForConditionalGeneration

from cxrstudy.multimodal.answering import model_inputs
from cxrstudy.multimodal.assembly import (
    BRIDGER_SCALE,
    DECODER_SCALE,
    N_QUERIES,
    GridConfig,
    GridTower,
    build_model,
    let_learn,
    paper_model,
    part_hashes,
    parts_of,
    set_directions,
    tokens_per_image,
)
from cxrstudy.multimodal.items import Item

BRIDGERS = ("mlp", "qformer")
PAIR = Item("temporal", "which ?", "left", ("left", "right"), ("5.png", "1.png"))


def counts(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_the_paper_s_model_has_eight_billion_parameters():
    """A vision encoder of 1 billion, and Mistral's 7.24, which its authors print."""
    model = paper_model()
    assert counts(model) == 8_419_089_280
    assert f"{counts(model) / 1e9:.0f}" == "8"
    assert counts(model.language_model) == 7_241_732_096
    assert 0.98e9 < counts(model.vision_model) < 1.02e9
    assert model.query_tokens.shape == (1, 128, 768)
    assert all(weight.is_meta for weight in model.parameters())


def test_a_small_model_counts_what_its_layers_hold(tiny_model):
    model = tiny_model()
    encoder = 8 * 8 + 8 + 2 * 8 + 2 * (8 * 8 + 8)
    bridger = (8 * 32 + 32) + (32 * 32 + 32)
    inner = 8 * 32 // 3
    decoder = 300 * 32 + 4 * 32 * 32 + 3 * 32 * inner + 3 * 32  # its output shares the embeddings
    expected = {"encoder": encoder, "bridger": bridger, "language_model": decoder}
    assert counts(model) == sum(expected.values())
    for part, modules in parts_of(model).items():
        shared = {id(weight): weight for each in modules for weight in each.parameters()}
        assert sum(weight.numel() for weight in shared.values()) == expected[part]


@pytest.mark.parametrize("bridger", BRIDGERS)
def test_parts_are_the_whole_model_and_share_nothing(tiny_model, bridger):
    model = tiny_model(bridger)
    of_part = [
        {id(weight) for each in modules for weight in each.parameters()}
        for modules in parts_of(model).values()
    ]
    assert sum(map(len, of_part)) == len(set.union(*of_part))
    assert set.union(*of_part) == {id(weight) for weight in model.parameters()}


def test_first_weights_have_the_scale_that_is_named(grid, tiny_config):
    config = tiny_config(width=192, vocabulary_size=2000)
    model = build_model(config, 2000, 3, np.repeat(grid, 16, axis=2))
    bridger, decoder = model.model.multi_modal_projector, model.model.language_model
    attention = decoder.layers[0].self_attn
    for weight in (decoder.embed_tokens.weight[4:], attention.q_proj.weight, model.lm_head.weight):
        assert weight.std().item() == pytest.approx(DECODER_SCALE / 192**0.5, rel=0.02)
    for layer in (bridger.linear_1, bridger.linear_2):
        spread = layer.weight.std().item() * layer.in_features**0.5
        assert spread == pytest.approx(BRIDGER_SCALE, rel=0.03)


@pytest.mark.parametrize("bridger", BRIDGERS)
def test_equal_seeds_give_equal_weights(tiny_model, bridger):
    first, again, other = (part_hashes(tiny_model(bridger, seed)) for seed in (0, 0, 1))
    assert first == again
    assert all(first[part] != other[part] for part in first)


@pytest.mark.parametrize("bridger", BRIDGERS)
def test_a_saved_tower_gives_the_same_states(tiny_model, grid, tmp_path, bridger):
    tower = tiny_model(bridger).model.vision_tower
    tower.save_pretrained(tmp_path)
    features = torch.from_numpy(grid.astype(np.float32))
    for again in (GridTower.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert isinstance(again, GridTower)
        with torch.no_grad():
            states, expected = (each.eval()(features) for each in (again, tower))
        torch.testing.assert_close(
            states.last_hidden_state, expected.last_hidden_state, rtol=0, atol=0
        )
        assert torch.equal(states.hidden_states[-1], states.last_hidden_state)
    assert expected.last_hidden_state.shape == (12, 5 if bridger == "mlp" else N_QUERIES, 8)
    assert expected.last_hidden_state.std() > 0.1


@pytest.mark.parametrize("bridger", BRIDGERS)
def test_a_saved_model_reads_two_images_as_before(
    tiny_model, tiny_writer, tiny_config, grid, tmp_path, bridger
):
    model, writer = tiny_model(bridger), tiny_writer(bridger)
    model.save_pretrained(tmp_path)
    again = LlavaForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert part_hashes(again) == part_hashes(model)
    prompt = writer.prompt(PAIR)
    shown = prompt.tokens.count(writer.image_token)
    assert shown == 2 * tokens_per_image(tiny_config(bridger=bridger), 5)
    inputs = model_inputs(grid, [prompt])
    assert inputs["pixel_values"].shape == (2, 5, 8)
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_qformer_reads_all_places(tiny_model, grid):
    tower = tiny_model("qformer").model.vision_tower
    features = torch.from_numpy(grid[:1].astype(np.float32)).requires_grad_()
    tower(features).last_hidden_state.square().sum().backward()
    assert (features.grad.abs().sum(-1) > 0).all()
    # Queries are not copies of each other.
    states = tower(features).last_hidden_state[0]
    assert states.std(0).mean() > 0.01


@pytest.mark.parametrize("width", [8, 5])
def test_directions_give_uncorrelated_outputs_of_mean_0_and_variance_1_on_average(rng, width):
    mixing = rng.normal(size=(8, 8))
    grid = (3 + rng.normal(size=(50, 5, 8)) @ mixing).astype(np.float16)
    layer = nn.Linear(8, width)
    set_directions(layer, grid)
    features = grid.reshape(-1, 8).astype(np.float64)
    outputs = layer(torch.from_numpy(features.astype(np.float32))).detach().numpy()
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-4)
    strongest = np.sort(np.linalg.eigvalsh(np.cov(features.T)))[::-1][:width]
    expected = np.sqrt(strongest) / np.sqrt(strongest).mean()
    np.testing.assert_allclose(np.cov(outputs.T), np.diag(expected), atol=1e-3)


def test_directions_are_those_that_vary_most_by_hand():
    """Channel 1 has 4 times the variance of channel 0, and so twice after; 2 is constant."""
    grid = np.zeros((4, 1, 3), np.float32)
    grid[:, 0, 0], grid[:, 0, 1], grid[:, 0, 2] = [1, -1, 1, -1], [6, 6, 2, 2], 9
    layer = nn.Linear(3, 2)
    set_directions(layer, grid)
    outputs = layer(torch.from_numpy(grid[:, 0])).detach().numpy()
    # Variances of 4/3 and 2/3 over three degrees of freedom: plus and minus 1, and the root of 1/2.
    outputs *= np.sign(outputs[0])
    np.testing.assert_allclose(outputs[:, 0], [1, 1, -1, -1], atol=1e-5)
    np.testing.assert_allclose(outputs[:, 1], np.array([1, -1, 1, -1]) * 0.5**0.5, atol=1e-5)
    np.testing.assert_allclose(layer.weight[:, 2].detach(), 0, atol=1e-5)


def test_a_tower_has_no_more_directions_than_channels(grid, tiny_config):
    config = tiny_config()
    assert build_model(config, 300, 3, grid).config.vision_config.hidden_size == 8
    wide = np.random.default_rng(0).normal(size=(120, 5, 300)).astype(np.float32)
    tower = build_model(config, 300, 3, wide).model.vision_tower
    assert tower.directions.weight.shape == (256, 300)
    with torch.no_grad():
        covariance = torch.cov(tower.directions(torch.from_numpy(wide)).flatten(0, 1).T)
    variances = covariance.diagonal()
    assert (variances.diff() <= 1e-3).all() and variances.mean() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(covariance, variances.diag(), atol=2e-3)


@pytest.mark.parametrize("trains", [("encoder",), ("bridger",), ("language_model", "encoder"), ()])
def test_parts_that_do_not_learn_are_frozen(tiny_model, trains):
    model = tiny_model("qformer")
    let_learn(model, ("bridger",))
    let_learn(model, trains)
    for part, modules in parts_of(model).items():
        learns = {weight.requires_grad for each in modules for weight in each.parameters()}
        assert learns == {part in trains}


def test_a_hash_tells_which_part_moved(tiny_model):
    model = tiny_model()
    for part, modules in parts_of(model).items():
        before = part_hashes(model)
        with torch.no_grad():
            next(modules[0].parameters()).view(-1)[-1] += 1e-4
        after = part_hashes(model)
        assert {name for name in after if after[name] != before[name]} == {part}


def test_a_pretrained_decoder_keeps_its_weights_and_has_adapters(
    grid, tiny_config, pretrained_folder
):
    from transformers import AutoModelForCausalLM

    model = build_model(tiny_config(pretrained="tiny"), 0, 3, grid)
    decoder = AutoModelForCausalLM.from_pretrained(pretrained_folder)
    own = model.model.language_model.state_dict()
    for name, weight in decoder.model.state_dict().items():
        found = own.get(name, own.get(name.replace("_proj.weight", "_proj.base_layer.weight")))
        assert torch.equal(found, weight), name
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    adapters = [name for name, _ in model.named_parameters() if "lora_" in name]
    assert len(adapters) == 2 * 7 and all(".language_model." in name for name in adapters)
    tokens = torch.tensor([[1, 40, 50, 60]])
    with torch.no_grad():  # adapters begin as nothing
        torch.testing.assert_close(model(tokens).logits, decoder(tokens).logits)


def test_a_pretrained_decoder_learns_through_its_adapters(grid, tiny_config, pretrained_folder):
    model = build_model(tiny_config(pretrained="tiny", bridger="qformer"), 0, 3, grid)
    let_learn(model, ("encoder", "bridger", "language_model"))
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {
        name for name, _ in model.named_parameters()
        if ".language_model." in name and "lora_" not in name
    }  # fmt: skip
    let_learn(model, ("bridger",))
    learns = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns and all("multi_modal_projector" in name for name in learns)


def test_a_config_is_read_back(tmp_path):
    GridConfig(n_channels=7, hidden_size=4, n_queries=2).save_pretrained(tmp_path)
    again = GridConfig.from_pretrained(tmp_path)
    assert (again.n_channels, again.hidden_size, again.n_queries) == (7, 4, 2)
