"""The report classifier: encoder, pooling, and a three-way head for each finding."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModel, BertConfig, DebertaV2Config, PreTrainedConfig, PreTrainedModel

from cxrstudy.text.findings import CLASSES
from cxrstudy.text.students.config import Pooling, StudentConfig


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


class ReportClassifier(nn.Module):
    """Logits of absent, present and uncertain for every finding of a report.

    Parameters
    ----------
    encoder : PreTrainedModel
        Gives one vector for each token.
    n_findings : int
        Heads; each is a linear map from its own pooled vector to three logits.
    pooling : {"attention", "first token"}
        With attention each finding has a query that looks for the words that decide it. With the
        first token all findings share the vector of [CLS].
    dropout : float
        Before the heads.

    References
    ----------
    Wong & Tanaka 2025 (DeBERTa-RAD): DeBERTa, [CLS], 13 independent three-way heads.
    Lin et al. 2017 (A structured self-attentive sentence embedding), for attention pooling.
    """

    def __init__(
        self, encoder: PreTrainedModel, n_findings: int, pooling: Pooling, dropout: float
    ) -> None:
        super().__init__()
        width = encoder.config.hidden_size
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.queries = None
        if pooling == "attention":
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

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Classify a batch of reports.

        Parameters
        ----------
        input_ids : Tensor of int64, shape (n_reports, n_tokens)
        attention_mask : Tensor of int64, shape (n_reports, n_tokens)
            1 for a token, 0 for padding.

        Returns
        -------
        Tensor, shape (n_reports, n_findings, 3)
            Logits over `cxrstudy.text.findings.CLASSES`.
        """
        tokens = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = self.dropout(self._pool(tokens, attention_mask))
        return torch.einsum("rfw,fwc->rfc", pooled, self.weight) + self.bias

    def _pool(self, tokens: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return one vector for each report and finding."""
        if self.queries is None:
            return tokens[:, :1].expand(-1, self.n_findings, -1)
        scores = torch.einsum("rtw,fw->rft", tokens, self.queries)
        scores = scores.masked_fill(attention_mask[:, None, :] == 0, -math.inf)
        return scores.softmax(dim=-1) @ tokens


def build_classifier(
    config: StudentConfig, n_findings: int, vocabulary_size: int, padding_id: int
) -> ReportClassifier:
    """Make the classifier of a configuration, with random or pretrained encoder weights.

    Pretrained weights are read from safetensors files only.

    Parameters
    ----------
    config : StudentConfig
    n_findings : int
    vocabulary_size : int
        Word pieces of the tokenizer; a pretrained encoder has its own.
    padding_id : int
        The padding token.

    Returns
    -------
    ReportClassifier

    Raises
    ------
    ValueError
        If the size is unknown or the pretrained encoder cannot read `max_tokens` tokens.
    """
    if config.pretrained:
        encoder = AutoModel.from_pretrained(
            config.pretrained, use_safetensors=True, dtype=torch.float32
        )
        longest = getattr(encoder.config, "max_position_embeddings", config.max_tokens)
        if config.max_tokens > longest:
            raise ValueError(
                f"max_tokens is {config.max_tokens}: {config.pretrained} reads at most {longest}"
            )
    else:
        encoder = AutoModel.from_config(_encoder_config(config, vocabulary_size, padding_id))
    return _with_heads(encoder, config, n_findings)


def empty_classifier(
    config: StudentConfig, n_findings: int, encoder_config: PreTrainedConfig
) -> ReportClassifier:
    """Make a classifier whose weights are to be loaded.

    Parameters
    ----------
    config : StudentConfig
    n_findings : int
    encoder_config : PreTrainedConfig
        Of the encoder that was trained.

    Returns
    -------
    ReportClassifier
    """
    return _with_heads(AutoModel.from_config(encoder_config), config, n_findings)


def _with_heads(
    encoder: PreTrainedModel, config: StudentConfig, n_findings: int
) -> ReportClassifier:
    # BERT's pooler feeds next-sentence prediction; no head here reads it.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return ReportClassifier(encoder, n_findings, config.pooling, config.dropout)


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
