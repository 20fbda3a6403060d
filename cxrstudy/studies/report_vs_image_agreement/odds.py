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

from cxrstudy.agreement import DEFAULT_RESAMPLING, Estimate, Resampling
from cxrstudy.agreement.result import derive
from cxrstudy.experiments.label_mapping import one_hot_codes
from cxrstudy.experiments.one_hot_logistic import active_columns
from cxrstudy.studies.report_vs_image_agreement import firth

Pair = tuple[str, str]
"""Report label such as ``"Edema uncertain"``, and image observation."""

_KEYS = ["report_label", "image_observation"]
_SAMPLE_TOLERANCE = 1e-9
_REPLICATE_TOLERANCE = 1e-5
_FALSE_DISCOVERY_RATE = 0.05
_UNMEASURED = Estimate(value=float("nan"), replicates=np.full(1, np.nan), n=0)


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
        names = [*_KEYS, "studies", "estimate", "low", "high", "p_value", "undefined"]
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


def l1_odds_ratios(
    truth: pd.DataFrame, labels: pd.DataFrame, pairs: list[Pair], alpha: float = 0.5
) -> pd.DataFrame:
    """Fit the paper's L1-penalised regressions on all studies, the intercept penalised too.

    The p-values are as if the kept coefficients had been chosen beforehand. NaN stands where a fit
    does not converge, or a coefficient is shrunk to zero; pairs that the tables lack have no row.
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
    values = ["l1_odds_ratio", "l1_p_value"]
    return pd.DataFrame(rows, columns=_KEYS + values).astype(dict.fromkeys(values, float))


def compare_odds_ratios(
    published: pd.DataFrame, truth: pd.DataFrame, labels: pd.DataFrame, measured: OddsRatios
) -> pd.DataFrame:
    """Lay the published odds ratios beside the measured ones and the paper's regressions.

    ``direction`` says whether the interval lies on the published side of 1, ``reason`` why
    nothing is measured.
    """
    pairs = list(published[_KEYS].itertuples(index=False, name=None))
    table = published.rename(columns={"odds_ratio": "published"})
    for found in (l1_odds_ratios(truth, labels, pairs), measured.table()):
        table = table.merge(found, on=_KEYS, how="left")
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
    reasons = measured.left_out.set_index("report_label")["reason"]
    table["reason"] = np.select(
        [table["estimate"].notna(), table["report_label"].isin(reasons.index)],
        ["", table["report_label"].map(reasons)],
        default="the tables lack the label, or enough images with the finding",
    )
    return table


def directions_in_words(ratios: pd.DataFrame) -> str:
    """Count the intervals on either side of 1.

    >>> directions_in_words(pd.DataFrame({"direction": ["as published", "open"]}))
    '1 of 2 95 % intervals lie wholly on the published side of 1, 0 on the other.'
    """
    count = ratios["direction"].value_counts()
    return (
        f"{count.get('as published', 0)} of {len(ratios)} 95 % intervals lie wholly on the "
        f"published side of 1, {count.get('opposite', 0)} on the other."
    )


def forest_rows(ratios: pd.DataFrame) -> pd.DataFrame:
    """Name the rows of the figure, such as ``"Edema positive → Lung Opacity"``."""
    names = ratios["report_label"] + " → " + ratios["image_observation"]
    return ratios.assign(ratio=names, fit="measured (Firth)")


def on_published_side(published: pd.DataFrame, ratios: OddsRatios) -> dict[str, Estimate]:
    """Turn each published ratio's log so that the claimed side is positive.

    Every published ratio has an entry, undefined (NaN) where the tables hold too little for it,
    so that a claim about all of them cannot be decided by some of them.
    """
    turned = {}
    for row in published.itertuples():
        pair = (row.report_label, row.image_observation)
        estimate = ratios.log_odds_ratios.get(pair, _UNMEASURED)
        turned[": ".join(pair)] = derive(np.negative, estimate) if row.odds_ratio < 1 else estimate
    return turned


def _fit(codes: pd.DataFrame, truth: pd.DataFrame, resampling: Resampling) -> tuple:
    """Fit on all studies, (n_observations, p + 1), and on resamples, with a last axis for them."""
    rows, row_of_study = np.unique(codes.to_numpy(), axis=0, return_inverse=True)
    images = np.ascontiguousarray(truth.to_numpy(np.int8).T)
    design = (active_columns(rows), row_of_study.reshape(-1), images)
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
