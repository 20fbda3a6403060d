"""Reports as data: their 13 findings in three classes, and parts by a hash of their text.

Many reports share one text ("Lungs are clear."). A split by report would put copies of a text on
both sides, and a model that remembers texts would look as if it understood them.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from cxrstudy.observations import OBSERVATIONS, POSITIVE, UNCERTAIN

# "No Finding" follows from the others.
FINDINGS: tuple[str, ...] = tuple(name for name in OBSERVATIONS if name != "No Finding")
CLASSES = ("absent", "present", "uncertain")  # absent: denied, or not mentioned
ABSENT, PRESENT, UNCERTAIN_CLASS = range(3)


def classes_from_codes(labels: pd.DataFrame) -> np.ndarray:
    """Turn codes into positions in `CLASSES`, (n_reports, 13); 0 and NaN both become absent."""
    codes = labels[list(FINDINGS)].to_numpy()
    return np.where(codes == POSITIVE, PRESENT, np.where(codes == UNCERTAIN, UNCERTAIN_CLASS, 0))


def one_hot(classes: np.ndarray) -> np.ndarray:
    """Write classes, (n_reports, 13), as float32 probabilities 0 and 1, (n_reports, 13, 3)."""
    return np.eye(len(CLASSES), dtype=np.float32)[classes]


def text_hash_fraction(text: str, salt: str = "") -> float:
    """Map a text to a number in [0, 1] that depends on nothing else, nor on case and white space.

    It is the first eight bytes of the sha256; another salt gives an independent number.

    >>> text_hash_fraction("Lungs are clear.") == text_hash_fraction("lungs  are CLEAR.")
    True
    """
    plain = salt + " ".join(text.lower().split())
    # Text from other programs may hold half of a surrogate pair, which plain UTF-8 refuses.
    digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_by_text(
    texts: Iterable[str], fractions: Mapping[str, float], salt: str = ""
) -> pd.Series:
    """Assign each report to a part, such as those of ``{"train": 0.8, "test": 0.2}``.

    A report keeps its part when others are added or removed. The parts' sizes follow the
    fractions only as closely as hashes of the distinct texts do. The index of a Series is kept.
    """
    sizes = np.array(list(fractions.values()), dtype=float)
    if not (sizes > 0).all() or not np.isclose(sizes.sum(), 1):
        raise ValueError(f"fractions must be positive and sum to 1, not {dict(fractions)}")
    texts = pd.Series(texts, dtype=object)
    hashes = [text_hash_fraction(text, salt) for text in texts]
    part = np.searchsorted(np.cumsum(sizes)[:-1], hashes, side="right")
    return pd.Series(np.array(list(fractions))[part], index=texts.index, name="part", dtype="str")


def development_half(texts: Iterable[str]) -> np.ndarray:
    """Mark the reports on which rules may be developed; the others only measure them."""
    return np.array([text_hash_fraction(text) < 0.5 for text in texts], dtype=bool)
