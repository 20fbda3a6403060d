"""VisualCheXbert's Figure 2: its L1-penalised regressions, beside odds ratios by Firth's method.

An L1 coefficient is shrunk and its usual p-value ignores the selection, so the same ratios are also
estimated as in `cxrstudy.experiments.odds_ratios`.

References
----------
Jain et al. 2021, section 4.3 and Figure 2.
"""

import numpy as np
import pandas as pd
from statsmodels.discrete.discrete_model import Logit
from threadpoolctl import threadpool_limits

from cxrstudy.agreement import Estimate
from cxrstudy.agreement.result import derive
from cxrstudy.experiments.label_mapping import one_hot_codes
from cxrstudy.experiments.odds_ratios import KEYS, OddsRatios, Pair

_UNMEASURED = Estimate(value=float("nan"), replicates=np.full(1, np.nan), n=0)


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
    return pd.DataFrame(rows, columns=KEYS + values).astype(dict.fromkeys(values, float))


def compare_odds_ratios(
    published: pd.DataFrame, truth: pd.DataFrame, labels: pd.DataFrame, measured: OddsRatios
) -> pd.DataFrame:
    """Lay the published odds ratios beside the measured ones and the paper's regressions.

    ``direction`` says whether the interval lies on the published side of 1, ``reason`` why
    nothing is measured.
    """
    pairs = list(published[KEYS].itertuples(index=False, name=None))
    table = published.rename(columns={"odds_ratio": "published"})
    for found in (l1_odds_ratios(truth, labels, pairs), measured.table()):
        table = table.merge(found, on=KEYS, how="left")
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
