"""Which option a generated answer names."""

import re
from collections.abc import Sequence


def parse(text: str, options: Sequence[str], letters: bool = False) -> str | None:
    """Find the one option that an answer names.

    An option is named where it stands as whole words, in any case, and not as part of a longer
    option; or by its letter, if the prompt listed letters. Negations are not understood.

    Parameters
    ----------
    text : str
        The answer as generated.
    options : sequence of str
        What it could have named.
    letters : bool, default False
        Whether the prompt listed the options as ``"A) ... B) ..."``.

    Returns
    -------
    str or None
        None if no option is named, or more than one.

    Examples
    --------
    >>> parse("I see edema.", ["Edema", "Mass"])
    'Edema'
    >>> parse("(B)", ["Edema", "Mass"], letters=True)
    'Mass'
    >>> parse("A) Mass", ["Edema", "Mass"], letters=True) is None
    True
    """
    named = set() if are_letters(options) else _named_in_words(text, options)
    if letters or are_letters(options):
        named |= _named_by_letter(text, len(options))
    return options[named.pop()] if len(named) == 1 else None


def are_letters(options: Sequence[str]) -> bool:
    """Say whether the options are A, B and so on: no words, as "A mass is seen" names none."""
    return all(option == chr(ord("A") + place) for place, option in enumerate(options))


def _named_in_words(text: str, options: Sequence[str]) -> set[int]:
    spans = [
        (*match.span(), place)
        for place, option in enumerate(options)
        for match in re.finditer(_whole_words(option), text, re.IGNORECASE)
    ]

    def in_a_longer_one(start: int, end: int) -> bool:
        # "right" within "upper right", if both are options.
        return any(s <= start and end <= e and e - s > end - start for s, e, _ in spans)

    return {place for start, end, place in spans if not in_a_longer_one(start, end)}


def _whole_words(option: str) -> str:
    words = r"\s+".join(re.escape(word) for word in option.split())
    return rf"(?<!\w){words}(?!\w)"


def _named_by_letter(text: str, n_options: int) -> set[int]:
    found = re.findall(r"(?<![A-Za-z])([A-Za-z])\)", text)  # "A)", "(b)"
    found += re.findall(r"^\W*([A-Za-z])[.:,]", text)  # "A. Edema"; not "A mass is seen"
    found += re.findall(r"^\W*([A-Za-z])\W*$", text)  # "a", "*B*"
    found += re.findall(r"\b([A-Z])\W*$", text)  # "The answer is B."
    places = {ord(letter.upper()) - ord("A") for letter in found}
    return {place for place in places if place < n_options}
