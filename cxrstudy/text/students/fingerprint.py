"""A key that tells one training from every other."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from cxrstudy.code_hash import code_hash
from cxrstudy.kernels import distill, one_pass
from cxrstudy.text.students.config import StudentConfig


def training_key(
    texts: Sequence[str],
    targets: np.ndarray,
    config: StudentConfig,
    held_out_texts: Iterable[str] = (),
) -> str:
    """Return a key that changes with the configuration, the data and this package's modules.

    Parameters
    ----------
    texts : sequence of str, length n_reports
    targets : ndarray, shape (n_reports, n_findings, 3)
        Compared as float32.
    config : StudentConfig
    held_out_texts : iterable of str

    Returns
    -------
    str
        The first 24 hexadecimal digits of a sha256.
    """
    targets = np.ascontiguousarray(targets, dtype=np.float32)
    described = [_source(), asdict(config), list(texts), list(held_out_texts), targets.shape]
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(targets.tobytes())
    return digest.hexdigest()[:24]


@cache
def _source() -> str:
    """Return the hash of every module beside this one, and of the loss."""
    beside = sorted(Path(__file__).parent.glob("*.py"))
    return code_hash([*beside, distill.__file__, one_pass.__file__])
