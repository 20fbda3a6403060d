"""One set of words for all pages: what they say for the keys of tables, which the files keep."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "zeros": "uncertain as negative",
    "ones": "uncertain as positive",
    "ignore": "uncertain left out",
    "optimistic": "uncertain at best",
    "pessimistic": "uncertain at worst",
    "f1": "F1",
    "kappa": "Cohen's kappa",
    "mcc": "MCC",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "youden": "Youden index",
    "zero_one": "Zero-One",
    "logreg": "regression",
}


def by_side(low: float, high: float, *, above: str, below: str, open: str) -> str:
    """Choose words by where an interval lies: above zero, below it, or around it.

    >>> by_side(-0.1, 0.2, above="more", below="less", open="not told")
    'not told'
    """
    return above if low > 0 else below if high < 0 else open


def in_sentence(row, decimals: int = 3, sign: str = "", level: str = "95 % interval ") -> str:
    """Print an estimate, such as ``0.226 (95 % interval 0.197 to 0.252)``; sign "+" shows it.

    A sentence of several estimates names the level once: empty for the others.
    """
    value, low, high = (f"{x:{sign}.{decimals}f}" for x in (row.estimate, row.low, row.high))
    return f"{value} ({level}{low} to {high})"
