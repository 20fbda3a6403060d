"""Short quotes around a piece of evidence."""

import re
from typing import NamedTuple

_WORD = re.compile(r"\S+")
_CUT = "\N{HORIZONTAL ELLIPSIS}"


class Quote(NamedTuple):
    """Words of a text around its evidence.

    Attributes
    ----------
    before, evidence, after : str
        Together the quote; an ellipsis marks where the text goes on.
    """

    before: str
    evidence: str
    after: str


def quote_around(text: str, start: int, end: int, n_words: int = 12) -> Quote | None:
    """Quote a few words around a piece of evidence, never most of a text.

    Parameters
    ----------
    text : str
    start, end : int
        The evidence, ``text[start:end]``; widened to whole words, and cut where it is longer than
        the quote may be.
    n_words : int
        Most words that are quoted.

    Returns
    -------
    Quote or None
        None if the text has fewer than twice as many words, so that a quote would give away most
        of it, or if the evidence is empty.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    inside = [n for n, span in enumerate(words) if max(start, span[0]) < min(end, span[1])]
    if not inside or len(words) < 2 * n_words:
        return None
    first, last = inside[0], min(inside[-1], inside[0] + n_words - 1)
    spare = n_words - (last - first + 1)
    begin = max(0, min(first - spare // 2, len(words) - n_words))
    stop = begin + n_words
    before = _joined(text, words[begin:first])
    after = _joined(text, words[last + 1 : stop])
    return Quote(
        before=f"{_CUT} {before}".strip() if begin else before,
        evidence=_joined(text, words[first : last + 1]),
        after=f"{after} {_CUT}".strip() if stop < len(words) else after,
    )


def _joined(text: str, words: list[tuple[int, int]]) -> str:
    return " ".join(text[start:end] for start, end in words)
