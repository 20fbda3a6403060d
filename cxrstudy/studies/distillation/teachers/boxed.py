"""A language model's answers that ship with the book, so that nobody has to ask for them again.

A row is an answer: the key of model, prompt and text, the seconds it took, and the log-shares of
the words in thousandths, a column for each finding and word. No text is in it.
"""

from functools import cache
from pathlib import Path

import diskcache
import numpy as np
import pandas as pd

from cxrstudy.data.origins import DataNotAvailableError
from cxrstudy.data.registry import fetch
from cxrstudy.studies.distillation.teachers.few_shot import default_prompt
from cxrstudy.text.reports import FINDINGS
from cxrstudy.whole_files import written_whole

DATASET = "smollm2_openi_answers"


_KEY = 20  # characters of a key are enough to tell answers apart


def boxed_answer(key: str) -> dict | None:
    """Return the answer of a key as `LanguageModelTeacher` keeps it, if it ships with the book."""
    return _boxed().get(key[:_KEY])


@cache
def _boxed() -> dict[str, dict]:
    try:
        (path,) = fetch(DATASET)
    except DataNotAvailableError:
        return {}
    table = pd.read_parquet(path)
    shares = table[_columns()].to_numpy(dtype=np.int64).reshape(len(table), len(FINDINGS), -1)
    seconds = table["seconds"].astype(float).round(3)
    return {
        key: {"thousandths": share.tolist(), "seconds": float(second)}
        for key, share, second in zip(table["key"], shares, seconds, strict=True)
    }


def write_box(cache_folder: str | Path, path: str | Path) -> int:
    """Write the answers that a cache holds, and return their number; failures are left out."""
    with diskcache.Cache(cache_folder, disk=diskcache.JSONDisk) as cached:
        kept = {key: cached[key] for key in sorted(cached)}
    kept = {key: answer for key, answer in kept.items() if "thousandths" in answer}
    shares = np.array([np.ravel(answer["thousandths"]) for answer in kept.values()], np.int16)
    table = pd.DataFrame(shares, columns=_columns())
    table.insert(0, "key", [key[:_KEY] for key in kept])
    table.insert(1, "seconds", np.array([each["seconds"] for each in kept.values()], np.float32))
    with written_whole(path) as unfinished:
        table.to_parquet(unfinished, compression="zstd", index=False)
    return len(table)


def _columns() -> list[str]:
    return [f"{finding}: {word}" for finding in FINDINGS for word in default_prompt().words]
