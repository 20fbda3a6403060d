"""Questions about images and texts, each with its options and its right answer."""

from dataclasses import dataclass
from typing import Literal

Split = Literal["training", "held_out"]


@dataclass(frozen=True)
class Item:
    """One question; equal fields mean the same question.

    Attributes
    ----------
    task : str
        Such as ``"view"``; items of one task are scored together.
    question : str
        In full, the options named in it if they differ from item to item.
    answer : str
        One of the options, or of an open question the reference text.
    options : tuple of str
        In the order in which they are shown; empty for an open question.
    images : tuple of str
        Ids of none, one or two images, in the order in which they are shown.
    context : str
        The text that the question is about, if any.
    about : str
        The finding that is asked for, such as ``"Effusion"``, if it is one.
    group : str
        Patient, or hash of a text: what lies on one side of a split and is resampled whole.
    split : {"training", "held_out"}
    """

    task: str
    question: str
    answer: str
    options: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    context: str = ""
    about: str = ""
    group: str = ""
    split: Split = "training"

    def __post_init__(self) -> None:
        """Refuse an answer that is no option, and options that cannot be told apart."""
        if self.options and self.answer not in self.options:
            raise ValueError(f"{self.task}: {self.answer!r} is none of {self.options}")
        if len({option.casefold() for option in self.options}) < len(self.options):
            raise ValueError(f"{self.task}: two options of {self.options} are alike")

    @property
    def prompt(self) -> str:
        """What is asked, after the images: the context, if any, and the question."""
        return f"{self.context}\n{self.question}" if self.context else self.question
