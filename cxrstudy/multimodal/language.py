"""A small model's tokenizer, trained on its own texts, and items written in its tokens.

``<s> <image>... question <answer> answer </s>``: the tokens from the answer on are learned. A
pretrained tokenizer has other names for these marks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cxrstudy.multimodal.items import Item
from cxrstudy.text.language_models import language_model_folder


@dataclass(frozen=True)
class Marks:
    """Names of the tokens that are no text."""

    padding: str = "<pad>"
    start: str = "<s>"
    end: str = "</s>"
    image: str = "<image>"
    answer: str = "<answer>"

    @property
    def all(self) -> list[str]:
        """List them in order."""
        return [self.padding, self.start, self.end, self.image, self.answer]


OWN_MARKS = Marks()

PRETRAINED_MARKS = Marks(
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>", "<jupyter_output>"
)
"""Reserved tokens of SmolLM2, which no report holds: the vocabulary stays as it is."""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerBase:
    """Learn byte pairs of some texts; every text can be written and read back unchanged."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=OWN_MARKS.all,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=OWN_MARKS.padding,
        bos_token=OWN_MARKS.start,
        eos_token=OWN_MARKS.end,
        additional_special_tokens=[OWN_MARKS.image, OWN_MARKS.answer],
    )


def pretrained_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a language model of the registry."""
    return AutoTokenizer.from_pretrained(language_model_folder(name), local_files_only=True)


@dataclass(frozen=True, eq=False)
class Sequenced:
    """Tokens of one example, which of them are learned, and its images."""

    tokens: list[int]
    n_given: int  # tokens before the first that is learned
    rows: tuple[int, ...] = ()  # of the images' features


class Writer:
    """Writes items, captions and plain texts as tokens.

    Texts must not hold the special tokens' names; those that do are refused.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        tokens_per_image: int,
        row_of_image: dict[str, int],
        marks: Marks = OWN_MARKS,
        longest: int = 256,
    ) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        self._marks = tokenizer.convert_tokens_to_ids(marks.all)
        self.padding, self.start, self.end, self.image_token, self._answer = self._marks
        self._image_tokens = [self.image_token] * tokens_per_image
        self._row_of_image = row_of_image

    def plain(self, text: str) -> Sequenced:
        """Write a text of which every token is learned; what is beyond the longest is cut."""
        tokens = [self.start, *self._written(text), self.end]
        return Sequenced(tokens[: self.longest], 1)

    def prompt(self, item: Item, shows_images: bool = True) -> Sequenced:
        """Write what is given before the answer."""
        images = item.images if shows_images else ()
        tokens = [self.start, *self._image_tokens * len(images)]
        # Without a question it is a caption that is asked for.
        tokens += [*self._written(item.prompt), self._answer]
        rows = tuple(self._row_of_image[image] for image in images)
        if len(tokens) >= self.longest:
            raise ValueError(
                f"an item of {item.task} has {len(tokens)} tokens, at most {self.longest} are read"
            )
        return Sequenced(tokens, len(tokens), rows)

    def answered(self, item: Item, answer: str, shows_images: bool = True) -> Sequenced:
        """Write an item with an answer, its own or another option."""
        given = self.prompt(item, shows_images)
        tokens = [*given.tokens, *self._written(answer), self.end]
        return Sequenced(tokens[: self.longest], given.n_given, given.rows)

    def _written(self, text: str) -> list[int]:
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not set(self._marks).isdisjoint(tokens):
            raise ValueError(f"a text holds the name of a mark: {text[:60]!r}")
        return tokens


def as_bytes(texts: Sequence[str]) -> np.ndarray:
    """Pack texts into an array of uint8, (n, longest); read them back with `as_texts`.

    >>> as_texts(as_bytes(["yes", ""]))
    ['yes', '']
    """
    if not texts:
        return np.zeros((0, 1), np.uint8)
    raw = [text.encode() for text in texts]
    width = max(1, *map(len, raw))
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in raw), np.uint8).reshape(
        len(raw), width
    )


def as_texts(packed: np.ndarray) -> list[str]:
    """Unpack the texts of `as_bytes`."""
    return [bytes(row).rstrip(b"\0").decode() for row in packed]
