"""Odds ratios of an image finding given a report label, as in VisualCheXbert's Figure 2.

The paper reads them off one L1-penalised logistic regression for each image observation. An L1
coefficient is shrunk and its usual p-value ignores the selection, so the same ratios are also
estimated by Firth's method, with bootstrap intervals and false-discovery control over all of them.

References
----------
Jain et al. 2021, section 4.3 and Figure 2. Benjamini and Hochberg 1995.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.discrete.discrete_model import Logit
from threadpoolctl import threadpool_limits

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import Estimate, derive
from cxrstudy.studies.report_vs_image_agreement import firth
from cxrstudy.studies.report_vs_image_agreement.mapping import one_hot_codes
from cxrstudy.studies.report_vs_image_agreement.one_hot_logistic import active_columns

Pair = tuple[str, str]
"""Report label such as ``"Edema uncertain"``, and image observation."""

_SAMPLE_TOLERANCE = 1e-9
_REPLICATE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class OddsRatios:
    """Log odds ratios of all report labels for all image observations.

    Attributes
    ----------
    log_odds_ratios : dict
        `Estimate` by `Pair`; an undefined replicate is one whose studies do not determine all
        coefficients of that regression.
    occurrences : Series of int
        Studies that carry each report label that entered the regressions.
    left_out : DataFrame
        Report labels that did not enter: label, studies, reason.
    """

    log_odds_ratios: dict[Pair, Estimate]
    occurrences: pd.Series
    left_out: pd.DataFrame

    def table(self, rate: float = 0.05) -> pd.DataFrame:
        """Tabulate every odds ratio with its interval and its fate under false-discovery control.

        Parameters
        ----------
        rate : float
            False-discovery rate of Benjamini and Hochberg's procedure over all rows.

        Returns
        -------
        DataFrame
            Columns report_label, image_observation, studies (that carry the label), estimate,
            low, high (odds ratios), p_value, adjusted_p_value, selected, undefined.
        """
        rows = [
            (
                *pair,
                self.occurrences[pair[0]],
                *_as_ratio(estimate),
                estimate.p_value(),
                estimate.undefined,
            )
            for pair, estimate in self.log_odds_ratios.items()
        ]
        names = "report_label image_observation studies estimate low high p_value undefined"
        table = pd.DataFrame(rows, columns=names.split())
        table = table.astype(dict.fromkeys(["estimate", "low", "high", "p_value"], float))
        # A ratio without a p-value cannot be selected, and still counts as tested.
        p_values = table["p_value"].fillna(1.0)
        adjusted = stats.false_discovery_control(p_values, method="bh")
        table.insert(7, "adjusted_p_value", adjusted)
        table.insert(8, "selected", adjusted <= rate)
        return table


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
    regressions = _Regressions.of(used, truth)
    everyone = np.ones((1, len(truth)), np.uint8)
    start = np.zeros((truth.shape[1], used.shape[1] + 1))
    point = regressions.fit(everyone, start, _SAMPLE_TOLERANCE)[..., 0].copy()
    if np.isnan(point).any():
        failed = truth.columns[np.isnan(point).any(axis=1)].tolist()
        raise ValueError(f"the regressions of {failed} did not converge")
    weights = resampling.drawn_rows(len(truth))
    replicates = regressions.fit(weights, point, _REPLICATE_TOLERANCE)
    return OddsRatios(
        log_odds_ratios={
            (label, observation): Estimate(
                value=float(point[k, j]),
                replicates=_centred(replicates[k, j], point[k, j]),
                n=len(truth),
                positives=int(truth[observation].sum()),
                resample_key=("odds ratios", len(truth), resampling.replicates, resampling.seed),
            )
            for k, observation in enumerate(truth)
            for j, label in enumerate(used)
        },
        occurrences=used.sum(),
        left_out=left_out,
    )


def l1_odds_ratios(
    truth: pd.DataFrame, labels: pd.DataFrame, pairs: list[Pair], alpha: float = 0.5
) -> pd.DataFrame:
    """Fit the paper's L1-penalised regressions on all studies, as it describes them.

    Parameters
    ----------
    truth, labels : DataFrame
        As for `firth_odds_ratios`.
    pairs : list of Pair
        Ratios asked for; only the regressions that hold them are fitted.
    alpha : float
        Weight of the penalty. As statsmodels does by default, the intercept is penalised too.

    Returns
    -------
    DataFrame
        Columns report_label, image_observation, l1_odds_ratio and l1_p_value, which statsmodels
        computes as if the kept coefficients had been chosen beforehand. NaN where the fit does
        not converge, and for the p-value of a coefficient shrunk to zero; no row for a pair
        whose label or observation the tables lack.
    """
    codes = one_hot_codes(labels).astype(float)
    design = codes.loc[:, codes.any()].assign(intercept=1.0)
    rows = []
    for observation in dict.fromkeys(name for _, name in pairs if name in truth):
        model = Logit(truth[observation], design)
        # Small matrices: threads of the linear algebra would only wait for each other.
        with threadpool_limits(limits=1, user_api="blas"):
            fitted = model.fit_regularized(method="l1", alpha=alpha, maxiter=1000, disp=0)
        known = fitted.mle_retvals["converged"]
        for label in (label for label, name in pairs if name == observation and label in design):
            ratio, p_value = np.exp(fitted.params[label]), fitted.pvalues[label]
            rows.append((label, observation, *((ratio, p_value) if known else (np.nan, np.nan))))
    names = ["report_label", "image_observation", "l1_odds_ratio", "l1_p_value"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:], float))


def compare_odds_ratios(
    published: pd.DataFrame, firth_ratios: OddsRatios, l1_ratios: pd.DataFrame
) -> pd.DataFrame:
    """Lay the published odds ratios beside the measured ones.

    Parameters
    ----------
    published : DataFrame
        Columns report_label, image_observation, odds_ratio.
    firth_ratios : OddsRatios
    l1_ratios : DataFrame
        From `l1_odds_ratios`.

    Returns
    -------
    DataFrame
        One row for each published ratio: report_label, image_observation, published,
        l1_odds_ratio, l1_p_value, the columns of `OddsRatios.table`, ``direction`` (whether the
        interval lies on the published side of 1), and ``reason`` where nothing is measured.
    """
    keys = ["report_label", "image_observation"]
    table = published.rename(columns={"odds_ratio": "published"}).merge(
        l1_ratios, on=keys, how="left"
    )
    table = table.merge(firth_ratios.table(), on=keys, how="left")
    sign = np.sign(np.log(table["published"]))
    table["direction"] = np.select(
        [
            table["low"].isna(),
            sign * np.log(table["low"].where(sign > 0, table["high"])) > 0,
            sign * np.log(table["high"].where(sign > 0, table["low"])) < 0,
        ],
        ["not measured", "as published", "opposite"],
        default="open",
    )
    reasons = firth_ratios.left_out.set_index("report_label")["reason"]
    table["reason"] = np.select(
        [table["estimate"].notna(), table["report_label"].isin(reasons.index)],
        ["", table["report_label"].map(reasons)],
        default="the tables lack the label, or enough images with the finding",
    )
    return table


def on_published_side(published: pd.DataFrame, ratios: OddsRatios) -> dict[str, Estimate]:
    """Turn each published ratio's log so that the claimed side is positive.

    Parameters
    ----------
    published : DataFrame
        Columns report_label, image_observation, odds_ratio.
    ratios : OddsRatios

    Returns
    -------
    dict of str to Estimate
        By ``"report label: image observation"``; every published ratio has an entry, undefined
        (NaN) where the tables hold too little for it, so that a claim about all of them cannot
        be decided by some of them.
    """
    turned = {}
    for row in published.itertuples():
        estimate = ratios.log_odds_ratios.get((row.report_label, row.image_observation))
        name = f"{row.report_label}: {row.image_observation}"
        turned[name] = _UNMEASURED if estimate is None else _turned(estimate, row.odds_ratio > 1)
    return turned


@dataclass(frozen=True)
class _Regressions:
    """The design shared by all image observations: distinct rows of codes."""

    active: NDArray[np.int16]
    row_of_study: NDArray[np.int64]
    images: NDArray[np.int8]

    @classmethod
    def of(cls, codes: pd.DataFrame, truth: pd.DataFrame) -> "_Regressions":
        rows, row_of_study = np.unique(codes.to_numpy(), axis=0, return_inverse=True)
        images = np.ascontiguousarray(truth.to_numpy(np.int8).T)
        return cls(active_columns(rows), row_of_study.reshape(-1), images)

    def fit(self, weights: NDArray, start: NDArray, tolerance: float) -> NDArray:
        """Coefficients, intercept last, shape (n_observations, p + 1, len(weights))."""
        return firth.fit_replicates(
            self.active, self.row_of_study, self.images, weights, start, tolerance
        )


_UNMEASURED = Estimate(value=float("nan"), replicates=np.full(1, np.nan), n=0)


def _centred(replicates: NDArray, value: float) -> NDArray:
    defined = replicates[~np.isnan(replicates)]
    return replicates + (value - defined.mean()) if defined.size else replicates


def _turned(estimate: Estimate, upwards: bool) -> Estimate:
    if upwards:
        return estimate
    return derive(np.negative, estimate)


def _as_ratio(estimate: Estimate) -> tuple[float, float, float]:
    low, high = estimate.interval()
    return tuple(np.exp([estimate.value, low, high]))


def _unusable_labels(codes: pd.DataFrame, minimum_occurrences: int) -> pd.DataFrame:
    """List the labels that are too rare, too common, or determined by the others."""
    rows, kept = [], [np.ones(len(codes))]
    for label in codes:
        column = codes[label].to_numpy(float)
        studies = int(column.sum())
        if min(studies, len(codes) - studies) < minimum_occurrences:
            reason = f"in fewer than {minimum_occurrences} studies, or in all but as few"
        elif np.linalg.matrix_rank(np.column_stack([*kept, column])) == len(kept):
            reason = "follows from the labels before it"
        else:
            kept.append(column)
            continue
        rows.append((label, studies, reason))
    return pd.DataFrame(rows, columns=["report_label", "studies", "reason"])
