"""Rebuild a study's contingency tables from what its paper prints.

VisualCheXbert does not release the radiologists' report labels, but it prints enough to rebuild
each condition's table of report label against image label: the image-positive count, the two
disagreement counts of Table 3, and the pessimistic and optimistic scores of Table 1. A rebuilt
table gives what the paper lacks: an interval for each condition.

References
----------
Jain et al. 2021, Tables 1 and 3, section 4.1.1.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.counts import count_metric
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS
from cxrstudy.observations import apply_uncertainty_policy


@dataclass(frozen=True)
class ReconstructedTable:
    """One condition's report label against image label.

    Attributes
    ----------
    observation : str
    image_positive : tuple of int
        Report positive, report negative or blank, report uncertain, among image-positive studies.
    image_negative : tuple of int
        The same among image-negative studies.
    solutions : int
        How many pairs of uncertain counts print the same low F1 and low kappa.
    """

    observation: str
    image_positive: tuple[int, int, int]
    image_negative: tuple[int, int, int]
    solutions: int

    @property
    def uncertain(self) -> tuple[int, int]:
        """Uncertain report labels among image-positive and image-negative studies."""
        return self.image_positive[2], self.image_negative[2]

    def as_row(self) -> dict[str, object]:
        """Lay the table out as one row for a page."""
        words = ("positive", "negative or blank", "uncertain")
        return {
            "observation": self.observation,
            **{
                f"image +, report {word}": n
                for word, n in zip(words, self.image_positive, strict=True)
            },
            **{
                f"image -, report {word}": n
                for word, n in zip(words, self.image_negative, strict=True)
            },
            "solutions": self.solutions,
        }

    def studies(self) -> tuple[np.ndarray, np.ndarray]:
        """Expand the table to one row for each study.

        Returns
        -------
        truth : int array, shape (n,)
            Image labels 1 and 0.
        report : int array, shape (n,)
            Report codes 1, 0 (negative or blank) and -1.
        """
        codes = np.array([1, 0, -1])
        report = np.concatenate(
            [np.repeat(codes, self.image_positive), np.repeat(codes, self.image_negative)]
        )
        truth = np.repeat([1, 0], [sum(self.image_positive), sum(self.image_negative)])
        return truth, report


def optimistic_scores(positives: int, missed: int, overcalled: int, n: int) -> tuple[float, float]:
    """F1 and kappa when every uncertain label equals the truth.

    Then only the counts of Table 3 are errors, so the score follows from them and from the
    number of positives, whatever the number of uncertain labels.

    Parameters
    ----------
    positives : int
        Image-positive studies.
    missed, overcalled : int
        Image positive and report negative; image negative and report positive (Table 3).
    n : int
        All studies.

    Returns
    -------
    f1, kappa : float
    """
    true_positives = positives - missed
    counts = (n, positives, true_positives + overcalled, true_positives)
    return float(count_metric("f1", *counts)), float(count_metric("kappa", *counts))


def pessimistic_scores(
    positives: int, missed: int, overcalled: int, n: int, uncertain: tuple[int, int]
) -> tuple[float, float]:
    """F1 and kappa when every uncertain label is the opposite of the truth.

    Parameters
    ----------
    positives, missed, overcalled, n : int
        As in `optimistic_scores`.
    uncertain : tuple of int
        Uncertain labels among image-positive and image-negative studies.

    Returns
    -------
    f1, kappa : float
    """
    return optimistic_scores(positives, missed + uncertain[0], overcalled + uncertain[1], n)


def reconstruct(
    observation: str,
    positives: int,
    missed: int,
    overcalled: int,
    low_f1: float,
    low_kappa: float,
    n: int,
    half_unit: float,
) -> ReconstructedTable:
    """Find the uncertain counts that print the published low F1 and low kappa.

    Parameters
    ----------
    observation : str
    positives, missed, overcalled, n : int
        As in `optimistic_scores`.
    low_f1, low_kappa : float
        Published pessimistic scores; they are fitted here, so they test nothing.
    half_unit : float
        Half a unit of their last printed digit.

    Returns
    -------
    ReconstructedTable
        The best-fitting table, and how many others fit within rounding.

    Raises
    ------
    ValueError
        If no uncertain counts reproduce both scores within rounding.
    """
    at_most = (positives - missed, n - positives - overcalled)
    missing, wrong = np.meshgrid(*(np.arange(limit + 1) for limit in at_most), indexing="ij")
    true_positives = positives - missed - missing
    counts = (n, positives, true_positives + overcalled + wrong, true_positives)
    error = np.maximum(
        np.abs(count_metric("f1", *counts, "zero") - low_f1),
        np.abs(count_metric("kappa", *counts, "zero") - low_kappa),
    )
    # A fair comparison with a rounded number allows for the number's own last bit.
    fits = error <= half_unit + 1e-12
    if not fits.any():
        raise ValueError(
            f"{observation}: no counts of uncertain labels give a low F1 of {low_f1} "
            f"and a low kappa of {low_kappa}"
        )
    a, b = (int(index) for index in np.unravel_index(np.argmin(error), error.shape))
    return ReconstructedTable(
        observation=observation,
        image_positive=(positives - missed - a, missed, a),
        image_negative=(overcalled, n - positives - overcalled - b, b),
        solutions=int(fits.sum()),
    )


def resample_reconstructed(
    tables: list[ReconstructedTable], resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Give each rebuilt condition the intervals that its paper lacks.

    Parameters
    ----------
    tables : list of ReconstructedTable
    resampling : Resampling

    Returns
    -------
    DataFrame
        One row for each observation, bound (``low``: pessimistic, ``high``: optimistic) and
        metric: estimate, low, high (BCa) and standard_error.
    """
    rows = []
    for table in tables:
        image, report = (pd.DataFrame({table.observation: column}) for column in table.studies())
        bounds = {
            "low": apply_uncertainty_policy(report, "pessimistic", image),
            "high": apply_uncertainty_policy(report, "optimistic", image),
        }
        scores = agree(image, bounds, resampling=resampling)
        for bound in bounds:
            for metric in ("f1", "kappa"):
                score = scores.estimate(bound, table.observation, metric)
                error = float(np.nanstd(score.replicates, ddof=1))
                rows.append(
                    {"observation": table.observation, "bound": bound, "metric": metric}
                    | score.row()
                    | {"standard_error": error}
                )
    columns = ["observation", "bound", "metric", *LIMITS, "standard_error"]
    return pd.DataFrame(rows, columns=columns)


def bound_average_interval(
    values: pd.Series, standard_errors: pd.Series, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Bound the interval of an average whose parts' dependence is unknown.

    The rebuilt tables say nothing of how errors on one condition go with errors on another. The
    standard error of the mean is largest if all move together; independence is given beside it
    for scale.

    Parameters
    ----------
    values, standard_errors : Series
        Score and bootstrap standard error of each condition.
    level : float

    Returns
    -------
    dict
        ``independent`` and ``worst case``: low and high limit.
    """
    mean, z, k = float(values.mean()), stats.norm.ppf(0.5 + level / 2), len(values)
    errors = {
        "independent": float(np.sqrt((standard_errors**2).sum()) / k),
        "worst case": float(standard_errors.sum() / k),
    }
    return {name: (mean - z * error, mean + z * error) for name, error in errors.items()}
