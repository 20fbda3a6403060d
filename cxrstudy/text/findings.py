"""The 13 findings that teachers and students label, and their three classes."""

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
