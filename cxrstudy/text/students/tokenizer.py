"""A word-piece vocabulary trained on the training reports."""

from collections.abc import Iterable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cxrstudy.text.students.config import StudentConfig

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def tokenizer_for(config: StudentConfig, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Return the pretrained tokenizer of a configuration, or train one.

    Parameters
    ----------
    config : StudentConfig
    texts : iterable of str
        The training reports; unused with a pretrained encoder.

    Returns
    -------
    PreTrainedTokenizerBase
        Cuts reports at `config.max_tokens` when asked to truncate.
    """
    if config.pretrained:
        tokenizer = AutoTokenizer.from_pretrained(config.pretrained)
        tokenizer.model_max_length = config.max_tokens
        return tokenizer
    return train_tokenizer(texts, config.vocabulary_size, config.max_tokens)


def train_tokenizer(
    texts: Iterable[str], vocabulary_size: int, max_tokens: int
) -> PreTrainedTokenizerFast:
    """Train a word-piece tokenizer that ignores case.

    A vocabulary of some thousand pieces spells the words of chest X-ray reports nearly whole and
    keeps the embedding, the largest table of a small student, small.

    Parameters
    ----------
    texts : iterable of str
        Training reports; a word piece that none of them holds is unknown.
    vocabulary_size : int
        Pieces at most, special tokens included.
    max_tokens : int
        Length at which a report is cut, [CLS] and [SEP] included.

    Returns
    -------
    PreTrainedTokenizerFast

    References
    ----------
    Devlin et al. 2019 (BERT), section 3, for the pieces and special tokens.
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
    trainer = trainers.WordPieceTrainer(
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
