"""Fold any text to ASCII, so that accents, ligatures, dashes and quotes do not hide a word."""

import unicodedata
from functools import lru_cache

_FOLDED = {
    "\0": " ",
    "\N{LATIN SMALL LIGATURE OE}": "oe",
    "\N{LATIN CAPITAL LIGATURE OE}": "OE",
    "\N{LATIN SMALL LETTER AE}": "ae",
    "\N{LATIN CAPITAL LETTER AE}": "AE",
    "\N{LATIN SMALL LETTER SHARP S}": "ss",
    "\N{EN DASH}": " - ",
    "\N{EM DASH}": " - ",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{BULLET}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{HORIZONTAL ELLIPSIS}": ".",
    "\N{SOFT HYPHEN}": "",
    "\N{ZERO WIDTH SPACE}": "",
    "\N{ZERO WIDTH NON-JOINER}": "",
    "\N{ZERO WIDTH JOINER}": "",
    "\N{ZERO WIDTH NO-BREAK SPACE}": "",
}


@lru_cache(maxsize=65536)
def fold_character(character: str) -> str:
    """Write a character in ASCII; one that has no such form becomes a blank, a mark nothing.

    Parameters
    ----------
    character : str
        One character.

    Returns
    -------
    str
        Zero or more ASCII characters.
    """
    if character in _FOLDED:
        return _FOLDED[character]
    if character.isascii():
        return character
    if unicodedata.combining(character):
        return ""
    parts = unicodedata.normalize("NFKD", character)
    if parts == character:
        return " "
    return "".join(fold_character(part) for part in parts)


def fold(text: str) -> str:
    """Write a text in ASCII without zero characters.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    return "".join(map(fold_character, text))


def fold_with_offsets(text: str) -> tuple[str, list[int]]:
    """Fold a text and say where each folded character came from.

    Parameters
    ----------
    text : str

    Returns
    -------
    folded : str
    offsets : list of int
        Position in `text` of each character of `folded`, and the length of `text` at the end.
    """
    pieces = [fold_character(character) for character in text]
    offsets = [position for position, piece in enumerate(pieces) for _ in piece]
    return "".join(pieces), [*offsets, len(text)]
