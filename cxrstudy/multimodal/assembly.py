"""A vision-language model in parts: image tower, bridger and decoder, in a Llava.

The tower reads features of a frozen backbone at a few places of the image, which are computed once:
the network that made them is no part of the model.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2QFormerModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from cxrstudy.multimodal.config import Part, TuningConfig
from cxrstudy.text.language_models import language_model_folder

N_QUERIES = 8
"""Image tokens that a Q-Former makes of the places."""

ENCODER_WIDTH = 256

BRIDGER_SCALE, DECODER_SCALE = 1.0, 0.7
"""Standard deviation of first weights, times the square root of a layer's inputs."""

# A list of names would reach layers of the Q-Former as well.
_ADAPTED = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"


class GridConfig(PreTrainedConfig):
    """Sizes of a tower; without queries it gives one token for each place."""

    model_type = "cxrstudy_grid"

    def __init__(
        self,
        n_channels: int = 1280,
        hidden_size: int = ENCODER_WIDTH,
        n_queries: int = 0,
        **others,
    ) -> None:
        self.n_channels, self.hidden_size, self.n_queries = n_channels, hidden_size, n_queries
        super().__init__(**others)


class GridTower(PreTrainedModel):
    """The encoder of features by place: directions that vary most, a residual block, queries."""

    config_class = GridConfig
    main_input_name = "pixel_values"

    def __init__(self, config: GridConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.directions = nn.Linear(config.n_channels, width)
        self.block = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.qformer, self.queries = None, None
        if config.n_queries:
            self.qformer = Blip2QFormerModel(_qformer_config(width))
            self.queries = nn.Parameter(torch.randn(1, config.n_queries, width) / width**0.5)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, pixel_values: Tensor, **others) -> BaseModelOutputWithPooling:
        """Turn features, (n, n_places, n_channels), into states, (n, n_tokens, hidden_size)."""
        states = self.directions(pixel_values)
        states = states + self.block(states)
        if self.qformer is not None:
            queries = self.queries.expand(len(states), -1, -1)
            states = self.qformer(query_embeds=queries, encoder_hidden_states=states)
            states = states.last_hidden_state
        return BaseModelOutputWithPooling(last_hidden_state=states, hidden_states=(states,))


AutoConfig.register(GridConfig.model_type, GridConfig)
AutoModel.register(GridConfig, GridTower)


def _qformer_config(width: int) -> Blip2QFormerConfig:
    return Blip2QFormerConfig(
        vocab_size=1,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        cross_attention_frequency=1,
        encoder_hidden_size=width,
        # It would stay active in parts that are frozen, which the trainer sets to train as well.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def tokens_per_image(config: TuningConfig, n_places: int) -> int:
    """Count the tokens that stand for one image."""
    return N_QUERIES if config.bridger == "qformer" else n_places


def build_model(
    config: TuningConfig, vocabulary_size: int, image_token: int, grid: np.ndarray
) -> LlavaForConditionalGeneration:
    """Make a model with random weights, but for a pretrained decoder and the encoder's first layer.

    That layer begins with the principal directions of the given features, (n, n_places,
    n_channels).
    """
    vision = GridConfig(
        n_channels=grid.shape[-1],
        hidden_size=min(ENCODER_WIDTH, grid.shape[-1]),
        n_queries=N_QUERIES if config.bridger == "qformer" else 0,
    )
    decoder = _pretrained(config.pretrained) if config.pretrained else None
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=decoder.config if decoder else _text_config(config, vocabulary_size),
            image_token_index=image_token,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
            tie_word_embeddings=True,
        )
    )
    set_directions(model.model.vision_tower.directions, grid)
    bridger = model.model.multi_modal_projector
    for layer in (bridger.linear_1, bridger.linear_2):
        # At transformers' standard deviation of 0.02 a small decoder never sees the image.
        nn.init.normal_(layer.weight, std=BRIDGER_SCALE / layer.in_features**0.5)
    if decoder:
        model.model.language_model.load_state_dict(decoder.model.state_dict())
        adapters = LoraConfig(r=16, lora_alpha=32, target_modules=_ADAPTED)
        inject_adapter_in_model(adapters, model)
    return model


def _text_config(config: TuningConfig, vocabulary_size: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=config.width,
        intermediate_size=8 * config.width // 3,
        num_hidden_layers=config.layers,
        num_attention_heads=config.width // 32,
        max_position_embeddings=512,
        initializer_range=DECODER_SCALE / config.width**0.5,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def _pretrained(name: str) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        language_model_folder(name), use_safetensors=True, local_files_only=True
    )


def set_directions(layer: nn.Linear, grid: np.ndarray) -> None:
    """Set a layer so that its outputs are uncorrelated over these features, of mean variance 1.

    Their variances are the square roots of the features' own. Equal ones would give the weakest
    directions, which are mostly noise, the weight of the strongest.
    """
    features = torch.from_numpy(np.array(grid, np.float32)).flatten(0, 1)
    mean = features.mean(0)
    covariance = (features - mean).T @ (features - mean) / max(1, len(features) - 1)
    variances, directions = torch.linalg.eigh(covariance)
    kept = variances.flip(0)[: layer.out_features].clamp(min=1e-8)
    scales = kept**-0.25 / kept.sqrt().mean().sqrt()
    directions = directions.flip(1)[:, : layer.out_features] * scales
    with torch.no_grad():
        layer.weight.copy_(directions.T)
        layer.bias.copy_(-(mean @ directions))


def parts_of(model: LlavaForConditionalGeneration) -> dict[Part, list[nn.Module]]:
    """Name the modules of each part."""
    return {
        "encoder": [model.model.vision_tower],
        "bridger": [model.model.multi_modal_projector],
        # Its output layer shares the weights of its embeddings.
        "language_model": [model.model.language_model, model.lm_head],
    }


def let_learn(model: LlavaForConditionalGeneration, trains: Iterable[Part]) -> None:
    """Let some parts learn and freeze the others; a decoder with adapters learns through these."""
    trains = set(trains)
    adapted = any("lora_" in name for name, _ in model.named_parameters())
    for part, modules in parts_of(model).items():
        for module in modules:
            for name, weight in module.named_parameters():
                frozen = adapted and part == "language_model" and "lora_" not in name
                weight.requires_grad_(part in trains and not frozen)


def part_hashes(model: LlavaForConditionalGeneration) -> dict[Part, str]:
    """Return a hash of each part's weights: those that a stage moved differ afterwards."""
    hashes = {}
    for part, modules in parts_of(model).items():
        digest = hashlib.sha256()
        for module in modules:
            for weight in module.state_dict().values():
                digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
        hashes[part] = digest.hexdigest()
    return hashes


def paper_model() -> Blip2ForConditionalGeneration:
    """Build CheXagent-8B's architecture without memory, to count its parameters.

    From the published configuration: EVA-CLIP-g with 40 layers at 448 px, a Q-Former of 128
    queries, Mistral 7B.
    """
    config = Blip2Config(
        vision_config={
            "hidden_size": 1408,
            "intermediate_size": 6144,
            "num_hidden_layers": 40,
            "num_attention_heads": 16,
            "image_size": 448,
            "patch_size": 14,
        },
        qformer_config={
            "vocab_size": 30523,
            "encoder_hidden_size": 1408,
            "cross_attention_frequency": 2,
            "use_qformer_text_input": True,
        },
        text_config={
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32000,
        },
        num_query_tokens=128,
    )
    with torch.device("meta"):
        return Blip2ForConditionalGeneration(config)
