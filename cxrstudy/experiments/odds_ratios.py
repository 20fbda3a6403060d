"""Odds ratios of an image finding given a report label, all other labels held fixed.

By Firth's method, with bootstrap intervals and false-discovery control over all of them.

References
----------
Benjamini and Hochberg 1995, "Controlling the false discovery rate", JRSS B 57.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cxrstudy.agreement import DEFAULT_RESAMPLING, Estimate, Resampling
from cxrstudy.experiments import firth
from cxrstudy.experiments.label_mapping import one_hot_codes
from cxrstudy.experiments.one_hot_logistic import active_columns

Pair = tuple[str, str]
"""Report label such as ``"Edema uncertain"``, and image observation."""

KEYS = ["report_label", "image_observation"]

_SAMPLE_TOLERANCE = 1e-9
_REPLICATE_TOLERANCE = 1e-5
_FALSE_DISCOVERY_RATE = 0.05


@dataclass(frozen=True)
class OddsRatios:
    """Log odds ratios of all report labels for all image observations."""

    # An undefined replicate is one whose studies do not determine all coefficients.
    log_odds_ratios: dict[Pair, Estimate]
    occurrences: pd.Series  # studies that carry each report label that entered the regressions
    left_out: pd.DataFrame  # report labels that did not enter: label, studies, reason

    def table(self) -> pd.DataFrame:
        """Tabulate every odds ratio with its interval and its fate under false-discovery control.

        The procedure of Benjamini and Hochberg runs over all rows.
        """
        rows = []
        for pair, estimate in self.log_odds_ratios.items():
            ratios = np.exp([estimate.value, *estimate.interval()])
            studies = self.occurrences[pair[0]]
            rows.append((*pair, studies, *ratios, estimate.p_value(), estimate.undefined))
        names = [*KEYS, "studies", "estimate", "low", "high", "p_value", "undefined"]
        table = pd.DataFrame(rows, columns=names)
        table = table.astype(dict.fromkeys(["estimate", "low", "high", "p_value"], float))
        # A ratio without a p-value cannot be selected, and still counts as tested.
        adjusted = stats.false_discovery_control(table["p_value"].fillna(1.0), method="bh")
        table.insert(7, "adjusted_p_value", adjusted)
        table.insert(8, "selected", adjusted <= _FALSE_DISCOVERY_RATE)
        return table

    def selected(self) -> pd.DataFrame:
        """Tabulate the selected odds ratios by observation, the surest first."""
        found = self.table().query("selected").drop(columns=["p_value", "selected"])
        return found.sort_values(["image_observation", "adjusted_p_value"], kind="stable")


def firth_odds_ratios(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    resampling: Resampling = DEFAULT_RESAMPLING,
    minimum_occurrences: int = 10,
) -> OddsRatios:
    """Regress each image observation on all report labels at once, by Firth's method.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_scored)
        Image labels 1 and 0.
    labels : DataFrame, shape (n_studies, n_observations)
        Report codes 1, 0, -1 and NaN.
    resampling : Resampling
        Every regression is refitted in each replicate.
    minimum_occurrences : int
        Studies that must carry a label, and that must not, for it to enter.

    Returns
    -------
    OddsRatios
        Replicates are centred at the estimate: a resample repeats studies and so fits its odds
        ratios too closely, which moves them away from 1 by construction.

    Raises
    ------
    ValueError
        If the tables differ in studies, or a regression does not converge on all of them.
    """
    if not truth.index.equals(labels.index):
        raise ValueError("truth and labels must hold the same studies in the same order")
    codes = one_hot_codes(labels)
    left_out = _unusable_labels(codes, minimum_occurrences)
    used = codes.drop(columns=left_out["report_label"])
    point, replicates = _fit(used, truth, resampling)
    estimates = {
        (label, observation): Estimate(
            value=float(point[k, j]),
            replicates=_centred(replicates[k, j], point[k, j]),
            n=len(truth),
            positives=int(truth[observation].sum()),
            resample_key=("odds ratios", len(truth), resampling.replicates, resampling.seed),
        )
        for k, observation in enumerate(truth)
        for j, label in enumerate(used)
    }
    return OddsRatios(estimates, used.sum(), left_out)


def wald_odds_ratios(
    truth: pd.DataFrame, labels: pd.DataFrame, minimum_occurrences: int = 10
) -> pd.DataFrame:
    """Estimate the same ratios with normal intervals, at the cost of one fit for each observation.

    Columns are those of `OddsRatios.table` but for the undefined replicates. Studies count as
    unrelated. An observation whose fit does not converge has no rows.
    """
    codes = one_hot_codes(labels)
    used = codes.drop(columns=_unusable_labels(codes, minimum_occurrences)["report_label"])
    active, row_of_study, images = _design(used, truth)
    trials = np.bincount(row_of_study, minlength=len(active)).astype(float)
    tables = []
    for observation, image in zip(truth, images, strict=True):
        successes = np.bincount(row_of_study, image, minlength=len(active))
        start = np.zeros(used.shape[1] + 1)
        beta, covariance = firth.fit(active, successes, trials, start, _SAMPLE_TOLERANCE)
        beta, error = beta[:-1], np.sqrt(np.diag(covariance)[:-1])
        limits = {"estimate": beta, "low": beta - 1.96 * error, "high": beta + 1.96 * error}
        table = pd.DataFrame({name: np.exp(values) for name, values in limits.items()})
        table.insert(0, "report_label", used.columns)
        table.insert(1, "image_observation", observation)
        table.insert(2, "studies", used.sum().to_numpy())
        tables.append(table.assign(p_value=2 * stats.norm.sf(np.abs(beta / error))))
    found = pd.concat(tables, ignore_index=True).dropna()
    adjusted = stats.false_discovery_control(found["p_value"]) if len(found) else []
    found["adjusted_p_value"] = adjusted
    return found.assign(selected=found["adjusted_p_value"] <= _FALSE_DISCOVERY_RATE)


def _design(codes: pd.DataFrame, truth: pd.DataFrame) -> tuple:
    """Lay out the distinct sets of codes, which of them each study has, and the image labels."""
    rows, row_of_study = np.unique(codes.to_numpy(), axis=0, return_inverse=True)
    images = np.ascontiguousarray(truth.to_numpy(np.int8).T)
    return active_columns(rows), row_of_study.reshape(-1), images


def _fit(codes: pd.DataFrame, truth: pd.DataFrame, resampling: Resampling) -> tuple:
    """Fit on all studies, (n_observations, p + 1), and on resamples, with a last axis for them."""
    design = _design(codes, truth)
    everyone = np.ones((1, len(truth)), np.uint8)
    start = np.zeros((truth.shape[1], codes.shape[1] + 1))
    point = firth.fit_replicates(*design, everyone, start, _SAMPLE_TOLERANCE)[..., 0].copy()
    if np.isnan(point).any():
        failed = truth.columns[np.isnan(point).any(axis=1)].tolist()
        raise ValueError(f"the regressions of {failed} did not converge")
    weights = resampling.drawn_rows(len(truth))
    return point, firth.fit_replicates(*design, weights, point, _REPLICATE_TOLERANCE)


def _centred(replicates: NDArray, value: float) -> NDArray:
    defined = replicates[~np.isnan(replicates)]
    return replicates + (value - defined.mean()) if defined.size else replicates


def _unusable_labels(codes: pd.DataFrame, minimum_occurrences: int) -> pd.DataFrame:
    """List the labels that are too rare, too common, or determined by the others."""
    distinct = codes.drop_duplicates()
    rows, kept = [], [np.ones(len(distinct))]
    for label in codes:
        column = distinct[label].to_numpy(float)
        studies = int(codes[label].sum())
        if min(studies, len(codes) - studies) < minimum_occurrences:
            reason = f"in fewer than {minimum_occurrences} studies, or in all but as few"
        elif np.linalg.matrix_rank(np.column_stack([*kept, column])) == len(kept):
            reason = "follows from the labels before it"
        else:
            kept.append(column)
            continue
        rows.append((label, studies, reason))
    return pd.DataFrame(rows, columns=["report_label", "studies", "reason"])
