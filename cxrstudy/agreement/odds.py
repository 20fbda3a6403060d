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

from cxrstudy.agreement import firth
from cxrstudy.agreement.mapping import one_hot_codes
from cxrstudy.agreement.one_hot_logistic import active_columns
from cxrstudy.agreement.philox import resample_weights
from cxrstudy.agreement.result import Estimate

Pair = tuple[str, str]
"""Report label such as ``"Edema uncertain"``, and image observation."""

INTERVAL = "percentile"
"""Interval method of these estimates; their replicates already hold the studentised pivot."""

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
            (*pair, self.occurrences[pair[0]], *_as_ratio(estimate), estimate.p_value(method=INTERVAL),
             estimate.undefined)
            for pair, estimate in self.log_odds_ratios.items()
        ]  # fmt: skip
        names = "report_label image_observation studies estimate low high p_value undefined"
        table = pd.DataFrame(rows, columns=names.split())
        # A ratio without a p-value cannot be selected, and still counts as tested.
        adjusted = stats.false_discovery_control(table["p_value"].fillna(1.0), method="bh")
        table.insert(7, "adjusted_p_value", adjusted)
        table.insert(8, "selected", adjusted <= rate)
        return table


def firth_odds_ratios(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    n_bootstrap: int = 10_000,
    seed: int = 0,
    minimum_occurrences: int = 10,
) -> OddsRatios:
    """Regress each image observation on all report labels at once, by Firth's method.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_scored)
        Image labels 1 and 0.
    labels : DataFrame, shape (n_studies, n_observations)
        Report codes 1, 0, -1 and NaN.
    n_bootstrap, seed : int
        Replicates, and key of the resampling stream; every regression is refitted in each.
    minimum_occurrences : int
        Studies that must carry a label, and that must not, for it to enter.

    Returns
    -------
    OddsRatios
        Each estimate's replicates are ``b - s (b* - b) / s*``, with coefficient b and standard
        error s of the sample and starred ones of the resample, so that their percentiles are
        the bootstrap-t interval. A resample repeats studies, which drives both a coefficient
        and its standard error away from zero; their ratio is free of that.

    Raises
    ------
    ValueError
        If the tables differ in studies, no label is frequent enough, or a fit fails.
    """
    if not truth.index.equals(labels.index):
        raise ValueError("truth and labels must hold the same studies in the same order")
    codes = one_hot_codes(labels)
    left_out = _unusable_labels(codes, minimum_occurrences)
    used = codes.drop(columns=left_out["report_label"])
    if used.empty:
        raise ValueError(
            f"no report label occurs in {minimum_occurrences} studies; give a larger table or "
            "lower minimum_occurrences"
        )
    regressions = _Regressions.of(used, truth)
    everyone = np.ones((1, len(truth)), np.uint8)
    start = np.zeros((truth.shape[1], used.shape[1] + 1))
    point, error = regressions.fit(everyone, start, _SAMPLE_TOLERANCE)
    if np.isnan(point).any():
        failed = truth.columns[np.isnan(point).any(axis=(1, 2))].tolist()
        raise ValueError(f"the regressions of {failed} did not converge")
    weights = resample_weights(len(truth), n_bootstrap, seed)
    drawn, drawn_error = regressions.fit(weights, point[..., 0].copy(), _REPLICATE_TOLERANCE)
    pivoted = point - error * (drawn - point) / drawn_error
    return OddsRatios(
        log_odds_ratios={
            (label, observation): Estimate(
                value=float(point[k, j, 0]),
                replicates=pivoted[k, j],
                jackknife=np.empty(0),
                undefined=int(np.isnan(pivoted[k, j]).sum()),
                n=len(truth),
                positives=int(truth[observation].sum()),
                resample_key=("odds ratios", len(truth), n_bootstrap, seed),
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
        computes as if the kept coefficients had been chosen beforehand; no row for a pair
        whose label or observation the tables lack, NaN for a coefficient shrunk to zero's p-value.
    """
    codes = one_hot_codes(labels).astype(float)
    design = codes.loc[:, codes.any()].assign(intercept=1.0)
    rows = []
    for observation in dict.fromkeys(name for _, name in pairs if name in truth):
        model = Logit(truth[observation], design)
        fitted = model.fit_regularized(method="l1", alpha=alpha, maxiter=1000, disp=0)
        if not fitted.mle_retvals["converged"]:
            raise ValueError(f"the L1 regression of {observation!r} did not converge")
        rows += [
            (label, observation, float(np.exp(fitted.params[label])), fitted.pvalues[label])
            for label, name in pairs
            if name == observation and label in design
        ]
    names = ["report_label", "image_observation", "l1_odds_ratio", "l1_p_value"]
    return pd.DataFrame(rows, columns=names)


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
    reasons = dict(firth_ratios.left_out[["report_label", "reason"]].to_numpy())
    missing = table["estimate"].isna()
    table["reason"] = table["report_label"].map(reasons).where(missing)
    table["reason"] = table["reason"].mask(
        missing & table["reason"].isna(), "too few images, or no such column"
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

    def fit(self, weights: NDArray, start: NDArray, tolerance: float) -> tuple[NDArray, NDArray]:
        """Coefficients and standard errors, shape (n_observations, p + 1, len(weights))."""
        return firth.fit_replicates(
            self.active, self.row_of_study, self.images, weights, start, tolerance
        )


_UNMEASURED = Estimate(
    value=float("nan"),
    replicates=np.full(1, np.nan),
    jackknife=np.empty(0),
    undefined=1,
    n=0,
    positives=0,
)


def _turned(estimate: Estimate, upwards: bool) -> Estimate:
    if upwards:
        return estimate
    return Estimate(
        **{
            **vars(estimate),
            "value": -estimate.value,
            "replicates": -estimate.replicates,
        }
    )


def _as_ratio(estimate: Estimate) -> tuple[float, float, float]:
    low, high = estimate.interval(method=INTERVAL)
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
