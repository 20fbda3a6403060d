"""The report classifier: word pieces, encoder, pooling, and a three-way head for each finding."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import WordPieceTrainer
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from cxrstudy.data.registry import datasets, fetch
from cxrstudy.text.reports import CLASSES
from cxrstudy.text.students.config import StudentConfig


@dataclass(frozen=True)
class Size:
    """Layers, width, attention heads and feed-forward width of an encoder from scratch."""

    layers: int
    width: int
    heads: int
    feed_forward: int


SIZES: dict[str, Size] = {
    "tiny": Size(layers=1, width=32, heads=2, feed_forward=64),
    "small": Size(layers=2, width=128, heads=2, feed_forward=256),
    "base": Size(layers=4, width=256, heads=4, feed_forward=512),
}
"""Named sizes: for tests, for a grid of many trainings, for a careful one (3 M parameters)."""

# Distances between words are told apart up to 16 and in growing steps beyond: reports are short,
# and a small table keeps the disentangled attention fast.
_POSITION_BUCKETS = 32

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


class ReportClassifier(nn.Module):
    """Logits of absent, present and uncertain for every finding of a report.

    Each finding has a query that looks for the words that decide it (Lin et al. 2017); in
    DeBERTa-RAD (Wong & Tanaka 2025) all share the vector of [CLS]. A head is a linear map from its
    finding's vector to three logits.
    """

    def __init__(self, encoder: PreTrainedModel, n_findings: int, dropout: float) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.queries = nn.Parameter(torch.randn(n_findings, width) / math.sqrt(width))
        self.weight = nn.Parameter(torch.randn(n_findings, width, len(CLASSES)) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(n_findings, len(CLASSES)))

    @property
    def n_findings(self) -> int:
        """Number of heads."""
        return self.bias.shape[0]

    @property
    def n_parameters(self) -> int:
        """Number of trained values, embeddings included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits, (n_reports, n_findings, 3), of tokens, (n_reports, n_tokens)."""
        tokens = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = self.dropout(self._pool(tokens, attention_mask))  # (n_reports, n_findings, width)
        return torch.einsum("rfw,fwc->rfc", pooled, self.weight) + self.bias

    def _pool(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector for each report and finding."""
        scores = torch.einsum("rtw,fw->rft", tokens, self.queries)
        scores = scores.masked_fill(attention_mask[:, None, :] == 0, -math.inf)
        return scores.softmax(dim=-1) @ tokens


def build_classifier(
    config: StudentConfig, n_findings: int, vocabulary_size: int, padding_id: int
) -> ReportClassifier:
    """Make a classifier with random encoder weights, or with pretrained ones from safetensors."""
    if config.pretrained:
        encoder = AutoModel.from_pretrained(
            pretrained_source(config.pretrained), use_safetensors=True, dtype=torch.float32
        )
        longest = getattr(encoder.config, "max_position_embeddings", config.max_tokens)
        if config.max_tokens > longest:
            raise ValueError(
                f"max_tokens is {config.max_tokens}: {config.pretrained} reads at most {longest}"
            )
    else:
        encoder = AutoModel.from_config(_encoder_config(config, vocabulary_size, padding_id))
    # BERT's pooler feeds next-sentence prediction; no head here reads it.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return ReportClassifier(encoder, n_findings, config.dropout)


def pretrained_source(name: str) -> str:
    """Return the folder of an encoder of the registry, fetched if need be; other names as given."""
    if name not in datasets():
        return name
    (folder,) = {str(path.parent) for path in fetch(name)}
    return folder


def _encoder_config(
    config: StudentConfig, vocabulary_size: int, padding_id: int
) -> PreTrainedConfig:
    if config.size not in SIZES:
        raise ValueError(f"size must be one of {tuple(SIZES)}, not {config.size!r}")
    size = SIZES[config.size]
    shared = {
        "vocab_size": vocabulary_size,
        "pad_token_id": padding_id,
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "intermediate_size": size.feed_forward,
        "hidden_dropout_prob": config.dropout,
        # Dropout of attention weights costs a tenth of the time; that of the layers stays.
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": config.max_tokens,
        "type_vocab_size": 1 if config.architecture == "bert" else 0,
    }
    if config.architecture == "bert":
        return BertConfig(**shared)
    return DebertaV2Config(
        **shared,
        relative_attention=True,
        position_biased_input=False,
        pos_att_type=["c2p", "p2c"],
        share_att_key=True,
        position_buckets=_POSITION_BUCKETS,
        norm_rel_ebd="layer_norm",
    )


def tokenizer_for(config: StudentConfig, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Return the pretrained tokenizer of a configuration, or train one on the training reports."""
    if not config.pretrained:
        return train_tokenizer(texts, config.vocabulary_size, config.max_tokens)
    tokenizer = AutoTokenizer.from_pretrained(pretrained_source(config.pretrained))
    tokenizer.model_max_length = config.max_tokens
    return tokenizer


def train_tokenizer(
    texts: Iterable[str], vocabulary_size: int, max_tokens: int
) -> PreTrainedTokenizerFast:
    """Train a word-piece tokenizer that ignores case (Devlin et al. 2019, section 3).

    A vocabulary of some thousand pieces spells the words of chest X-ray reports nearly whole and
    keeps the embedding, the largest table of a small student, small. Both limits count special
    tokens.
    """
    # Pieces mark where a word starts. The usual mark of where one goes on ("##") makes the trainer
    # break ties in another order in every process: equal runs would get different vocabularies.
    tokenizer = Tokenizer(
        models.WordPiece(unk_token=_SPECIAL["unk_token"], continuing_subword_prefix="")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(_SPECIAL.values()),
        continuing_subword_prefix="",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=max_tokens, **_SPECIAL
    )
