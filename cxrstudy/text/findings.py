"""The 13 findings that teachers and students label, and their three classes."""

import numpy as np
import pandas as pd

from cxrstudy.observations import OBSERVATIONS, POSITIVE, UNCERTAIN

FINDINGS: tuple[str, ...] = tuple(name for name in OBSERVATIONS if name != "No Finding")
"""The observations without "No Finding", which follows from the others."""

CLASSES: tuple[str, ...] = ("absent", "present", "uncertain")
"""Classes of a finding; absent stands for denied and for not mentioned."""

ABSENT, PRESENT, UNCERTAIN_CLASS = range(3)


def classes_from_codes(labels: pd.DataFrame) -> np.ndarray:
    """Turn label codes of the findings into classes.

    Parameters
    ----------
    labels : DataFrame, shape (n_reports, >= 13)
        Codes 1, 0, -1 and NaN; further columns are left out.

    Returns
    -------
    ndarray of int64, shape (n_reports, 13)
        Positions in `CLASSES`; negative and blank both become absent.
    """
    codes = labels[list(FINDINGS)].to_numpy()
    return np.where(codes == POSITIVE, PRESENT, np.where(codes == UNCERTAIN, UNCERTAIN_CLASS, 0))


def codes_from_classes(classes: np.ndarray, index: pd.Index | None = None) -> pd.DataFrame:
    """Turn classes into label codes; absent becomes negative, since a class has no blank.

    Parameters
    ----------
    classes : ndarray of int, shape (n_reports, 13)
    index : Index, optional
        Of the reports.

    Returns
    -------
    DataFrame of float64, shape (n_reports, 13)
    """
    codes = np.array([0.0, POSITIVE, UNCERTAIN])
    return pd.DataFrame(codes[classes], index=index, columns=list(FINDINGS))


def one_hot(classes: np.ndarray) -> np.ndarray:
    """Write classes as probabilities 0 and 1.

    Parameters
    ----------
    classes : ndarray of int, shape (n_reports, 13)

    Returns
    -------
    ndarray of float32, shape (n_reports, 13, 3)
    """
    return np.eye(len(CLASSES), dtype=np.float32)[classes]
