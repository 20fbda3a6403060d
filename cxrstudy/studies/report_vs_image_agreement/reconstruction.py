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

from cxrstudy.agreement import DEFAULT_RESAMPLING, Resampling, agree, count_metric
from cxrstudy.agreement.result import LIMITS
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.published import PublishedTable

N_STUDIES = 500
_REPORT = ("positive", "negative or blank", "uncertain")
_WORDS = {"high_f1": "optimistic F1", "high_kappa": "optimistic kappa"}


@dataclass(frozen=True)
class ReconstructedTable:
    """One condition's report label (positive, negative or blank, uncertain) by image label."""

    observation: str
    image_positive: tuple[int, int, int]
    image_negative: tuple[int, int, int]
    solutions: int  # pairs of uncertain counts that print the same low F1 and low kappa

    def as_row(self) -> dict[str, object]:
        """Lay the table out as one row for a page."""
        sides = {"image +": self.image_positive, "image -": self.image_negative}
        counts = {
            f"{side}, report {word}": n
            for side, numbers in sides.items()
            for word, n in zip(_REPORT, numbers, strict=True)
        }
        return {"observation": self.observation, **counts, "solutions": self.solutions}

    def studies(self) -> tuple[np.ndarray, np.ndarray]:
        """Expand to one image label (1, 0) and one report code (1, 0, -1) for each study."""
        report = np.repeat([1, 0, -1, 1, 0, -1], self.image_positive + self.image_negative)
        truth = np.repeat([1, 0], [sum(self.image_positive), sum(self.image_negative)])
        return truth, report


def optimistic_scores(positives: int, missed: int, overcalled: int, n: int) -> tuple[float, float]:
    """F1 and kappa when every uncertain label equals the truth.

    Then only the counts of Table 3 are errors, so the score follows from them and from the
    number of image-positive studies, whatever the number of uncertain labels. With the uncertain
    labels counted as missed and overcalled too, the score is the pessimistic one.

    >>> optimistic_scores(positives=4, missed=1, overcalled=1, n=10)[0]
    0.75
    """
    true_positives = positives - missed
    counts = (n, positives, true_positives + overcalled, true_positives)
    return float(count_metric("f1", *counts)), float(count_metric("kappa", *counts))


def optimistic_table(positives: pd.Series, table3: PublishedTable) -> pd.DataFrame:
    """Recompute Table 1's high_f1 and high_kappa from Table 3's counts, by observation."""
    scores = {
        name: optimistic_scores(positives[name], *table3.values.loc[name], n=N_STUDIES)
        for name in positives.index
    }
    return pd.DataFrame(scores, index=["high_f1", "high_kappa"]).T


def units_off(cells: pd.DataFrame, unit: float) -> int:
    """Count the printed units between the worst exact value, as it would print, and its cell."""
    return int(((cells["published"] - cells["measured"]).abs() / unit).round().max())


def exceptions_in_words(cells: pd.DataFrame) -> str:
    """Name the printed cells that the counts do not give."""
    return "; ".join(
        f"{row.row}, {_WORDS[row.column]}: the table prints {row.published}, the counts give "
        f"{row.measured:.5f}"
        for row in cells[~cells["agrees"]].itertuples()
    )


def reconstruct_all(
    positives: pd.Series, table3: PublishedTable, table1: PublishedTable
) -> list[ReconstructedTable]:
    """Rebuild the table of every condition from the image-positive studies and both tables."""
    return [
        reconstruct(
            name,
            positives[name],
            *table3.values.loc[name],
            *table1.values.loc[name, ["low_f1", "low_kappa"]],
            n=N_STUDIES,
            half_unit=table1.half_unit,
        )
        for name in positives.index
    ]


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

    These two are fitted here, so they test nothing. ``half_unit`` is half a unit of their last
    printed digit.
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

    Rows are observation, bound (``low``: pessimistic, ``high``: optimistic) and metric, with BCa
    limits and the bootstrap's standard error.
    """
    rows = []
    for table in tables:
        image, report = (pd.DataFrame({table.observation: column}) for column in table.studies())
        bounds = {
            bound: apply_uncertainty_policy(report, policy, image)
            for bound, policy in (("low", "pessimistic"), ("high", "optimistic"))
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


def average_intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """Bound the interval of each average: if its parts' errors are independent, and at worst."""
    rows = [
        (bound, metric, part["estimate"].mean(), dependence, *limits)
        for (bound, metric), part in scores.groupby(["bound", "metric"])
        for dependence, limits in _average_limits(part["estimate"], part["standard_error"]).items()
    ]
    columns = ["bound", "metric", "estimate", "dependence", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _average_limits(
    values: pd.Series, standard_errors: pd.Series
) -> dict[str, tuple[float, float]]:
    """Give 95 % limits of the mean if errors are independent, and if all move together.

    The rebuilt tables say nothing of how errors on one condition go with errors on another. The
    standard error of the mean is largest if all move together.
    """
    mean, z, k = float(values.mean()), stats.norm.ppf(0.975), len(values)
    errors = {
        "independent": float(np.sqrt((standard_errors**2).sum()) / k),
        "worst case": float(standard_errors.sum() / k),
    }
    return {name: (mean - z * error, mean + z * error) for name, error in errors.items()}
