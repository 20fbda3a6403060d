"""The parts of an audit's report: tidy tables of estimates, each with its interval and n."""

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from cxrstudy.agreement import MACRO_AVERAGE, Agreement, Estimate, agree
from cxrstudy.agreement.result import derive, mean_estimate
from cxrstudy.audit.scored import GIVEN, REPAIRED, Scored
from cxrstudy.audit.suppression import suppressed_estimates
from cxrstudy.experiments.label_conventions import POLICIES, always_positive_f1
from cxrstudy.experiments.odds_ratios import wald_odds_ratios
from cxrstudy.experiments.readers import READER, compare_with_peers
from cxrstudy.experiments.subgroups import agree_by_subgroup
from cxrstudy.observations import apply_uncertainty_policy, close_upward

_FEWEST_STUDIES_OF_ODDS = 100
_MOST_LEVELS, _FEWEST_ROWS = 8, 30
_MOST_RANKED_ROWS = 40_000_000
_FALSE_DISCOVERY_RATE = 0.05
# Normal quantiles of a two-sided test at 5 % with a power of 80 %: 1.960 + 0.842.
_POWERED = 2.802
_TARGET_HALF_WIDTH = 0.05


def agreement(scored: Scored) -> Agreement:
    """Score the labels against the truth: as given and, beside it, repaired."""
    return agree(
        scored.truth,
        scored.methods,
        metrics=("f1", "kappa", "mcc", "precision", "recall"),
        contrasts=[(REPAIRED, GIVEN)] if scored.mended is not None else [],
        resampling=scored.resampling,
        min_events=scored.minimum_events,
    )


def agreement_table(scored: Scored, found: Agreement) -> pd.DataFrame:
    """Tabulate the scores with the F1 of always answering yes before them, which is exact."""
    floors = always_positive_f1(scored.truth)
    rows = [
        {"method": "always yes", "observation": name, "metric": "f1", "estimate": floor}
        | {"low": np.nan, "high": np.nan, "n": len(scored.truth), "too_few": False}
        for name, floor in floors.items()
    ]
    table = found.table().query("observation != 'Weighted Average'")
    shown = pd.concat([pd.DataFrame(rows), table], ignore_index=True)
    order = {name: place for place, name in enumerate([*scored.truth, MACRO_AVERAGE])}
    shown = shown.sort_values("observation", key=lambda names: names.map(order), kind="stable")
    return suppressed_estimates(shown, scored.suppress_below)


def conventions(scored: Scored) -> Agreement:
    """Score the labels under every reading of uncertain ones, as given and closed upward.

    Each is compared with the first: uncertain as negative, as given.
    """
    truth, labels = scored.truth, scored.latest
    variants = {
        name: apply_uncertainty_policy(table[truth.columns], policy, truth)
        for policy in POLICIES
        for name, table in ((policy, labels), (f"{policy}, closed", close_upward(labels)))
    }
    return agree(
        truth,
        variants,
        contrasts=[(name, POLICIES[0]) for name in variants if name != POLICIES[0]],
        resampling=scored.resampling,
        min_events=scored.minimum_events,
    )


def conventions_table(found: Agreement) -> pd.DataFrame:
    """Tabulate mean scores by policy and closure, and their difference from the first."""
    table = found.table()
    table = table[table["observation"] == MACRO_AVERAGE].drop(columns="observation")
    parts = table["method"].str.removesuffix(f" - {POLICIES[0]}")
    return table.assign(
        policy=parts.str.removesuffix(", closed"),
        parents=np.where(parts.str.endswith(", closed"), "closed upward", GIVEN),
        quantity=np.where(parts == table["method"], "mean", "change"),
    ).drop(columns="method")


def odds_table(scored: Scored) -> pd.DataFrame:
    """Tabulate the report labels that move the odds of an image finding, the surest first.

    Empty where too few studies have a complete truth.
    """
    known = scored.truth.notna().all(axis=1)
    truth, labels = scored.truth[known], scored.latest[known]
    events = np.minimum(truth.sum(), (1 - truth).sum())
    truth = truth.loc[:, events >= scored.minimum_events]
    if len(truth) < _FEWEST_STUDIES_OF_ODDS or truth.empty:
        return pd.DataFrame()
    found = wald_odds_ratios(truth, labels, max(10, scored.minimum_events))
    found = found[found["selected"]].sort_values("p_value", kind="stable")
    return found.drop(columns=["p_value", "adjusted_p_value", "selected"])


def readers_table(scored: Scored) -> pd.DataFrame:
    """Tabulate every further reader, and the labels, against the truth, and readers against labels.

    Four or another even number of readers are also compared with the majority of the others, as the
    labels are: what one more reader of the same images would score.
    """
    options = {"metrics": ("kappa", "f1"), "resampling": scored.resampling}
    options |= {"min_events": scored.minimum_events}
    labels = {"report labels": scored.binary}
    sides = {
        "the truth": agree(scored.truth, {**scored.readers, **labels}, **options),
        "the report labels": agree(scored.binary, scored.readers, **options),
    }
    whole = all(table.notna().all(axis=None) for table in scored.readers.values())
    if len(scored.readers) % 2 == 0 and len(scored.readers) >= 2 and whole:
        peers = compare_with_peers(scored.readers, labels, scored.resampling)
        sides["the majority of the other readers"] = peers
    tables = []
    for side, found in sides.items():
        table = found.table()
        shown = table["method"].isin([*scored.readers, *labels, READER])
        tables.append(table[shown & (table["observation"] == MACRO_AVERAGE)].assign(against=side))
    return pd.concat(tables, ignore_index=True)


def scores_table(scored: Scored) -> pd.DataFrame:
    """Judge a model's scores by the truth and by the labels, beside what label noise predicts.

    If the labels' errors had nothing to do with the scores, the AUROC against the labels would be
    0.5 + (AUROC against the truth - 0.5) (PPV + NPV - 1). What the scores have beyond that, they
    share with the labels' errors.
    """
    truth = scored.truth.where(scored.scores.notna())
    labels = scored.binary.where(truth.notna())
    draws = scored.resampling.of(replicates=scores_replicates(scored))
    options = {"resampling": draws, "min_events": scored.minimum_events}
    scores, auroc = {"scores": scored.scores}, {"metrics": ("auroc",)}
    by_truth = agree(truth, scores, **auroc, **options)
    by_labels = agree(labels, scores, **auroc, **options)
    ppv = agree(truth, {"labels": labels}, metrics=("precision",), **options)
    npv = agree(1 - truth, {"labels": 1 - labels}, metrics=("precision",), **options)
    rows, judged = [], {}
    for name in truth:
        if any(name in {o for _, o in found.too_few} for found in (by_truth, by_labels)):
            rows.append({"observation": name, "quantity": "by the truth", "too_few": True}
                        | by_truth.estimate("scores", name, "auroc").row())  # fmt: skip
            continue
        real = by_truth.estimate("scores", name, "auroc")
        seen = by_labels.estimate("scores", name, "auroc")
        predictive = [found.estimate("labels", name, "precision") for found in (ppv, npv)]
        noise = derive(_noise_alone, real, *predictive)
        quantities = {
            "by the truth": real,
            "by the report labels": seen,
            "that label noise alone predicts": noise,
            "beyond noise": seen - noise,
        }
        for quantity, estimate in quantities.items():
            judged.setdefault(quantity, []).append(estimate)
            key = {"observation": name, "quantity": quantity, "too_few": False}
            rows.append(key | estimate.row())
    for quantity, estimates in judged.items():
        key = {"observation": MACRO_AVERAGE, "quantity": quantity, "too_few": False}
        rows.append(key | mean_estimate(estimates).row())
    return pd.DataFrame(rows)


def scores_replicates(scored: Scored) -> int:
    """Return on how many resamples scores are ranked: 2,000 of 20,000 rows, 400 of 100,000."""
    most = max(200, _MOST_RANKED_ROWS // max(1, len(scored.truth)))
    return min(scored.resampling.replicates, most)


def groups_table(scored: Scored) -> pd.DataFrame:
    """Compare kappa inside each level of each group with all other levels, at one error rate.

    Differences that the procedure of Benjamini and Hochberg selects among all of them are marked.
    """
    members = {}
    for group, column in scored.groups.items():
        sizes = column[column != ""].value_counts()
        levels = sizes.index[(sizes >= _FEWEST_ROWS) & (sizes <= sizes.sum() - _FEWEST_ROWS)]
        # Of two levels either is the rest of the other.
        shown = sorted(levels)[: 1 if len(sizes) == 2 else _MOST_LEVELS]
        for level in shown if len(sizes) <= _MOST_LEVELS else ():
            inside = np.where(column == level, "in", np.where(column == "", "unknown", "out"))
            rest = f" (rest: {sorted(levels)[1]})" if len(sizes) == 2 else ""
            members[f"{group}: {level}{rest}"] = pd.Series(inside, column.index)
    if not members:
        return pd.DataFrame()
    labels = {GIVEN: scored.binary}
    tables = []
    for name, column in members.items():
        found = agree_by_subgroup(
            scored.truth, labels, column.to_frame(name), metrics=("kappa",),
            resampling=scored.resampling, min_events=scored.minimum_events,
        )  # fmt: skip
        inside = found.table().query("level == 'in'").assign(quantity="kappa inside")
        apart = found.differences(GIVEN, {name: ("in", "out")}).assign(quantity="minus the rest")
        names = {cell: key for key, cell in found.cells.items()}
        sides = (
            [found.agreement.estimate(GIVEN, names[row.observation, name, level], "kappa")
             for level in ("in", "out")]
            for row in apart.itertuples()
        )  # fmt: skip
        apart["p_value"] = [_p_value(first - second) for first, second in sides]
        tables += [inside, apart]
    table = pd.concat(tables, ignore_index=True).drop(columns=["level", "method"])
    tested = (table["quantity"] == "minus the rest") & ~table["too_few"].astype(bool)
    p_values = table.loc[tested, "p_value"].fillna(1.0)
    table["selected"] = False
    if len(p_values):
        adjusted = false_discovery_control(p_values, method="bh")
        table.loc[tested, "selected"] = adjusted <= _FALSE_DISCOVERY_RATE
    return table


def precision_table(scored: Scored, found: Agreement, scores: pd.DataFrame) -> pd.DataFrame:
    """Say what this sample can show, and how many expert labels a target precision takes.

    Half the width of the 95 % interval; the smallest true difference that a test of two label sets
    with unrelated errors would find with 80 % power; studies at which the half-width is 0.05.
    """
    said = scored.counts["report_positive"]
    rows = [
        _precision(name, "kappa", found.estimate(scored.method, name, "kappa").row())
        for name in [*scored.truth, MACRO_AVERAGE]
        # Where labels hardly ever say yes, kappa hardly varies, and its interval says nothing.
        if said.get(name, np.inf) >= scored.minimum_events
    ]
    for row in scores.to_dict("records") if len(scores) else ():
        if row["quantity"] == "by the truth":
            rows.append(_precision(row["observation"], "auroc", row))
    return pd.DataFrame(rows)


def _p_value(difference: Estimate) -> float:
    """Test a difference by its bootstrap standard error, which a few hundred draws give well."""
    error = np.nanstd(difference.replicates)
    return float(2 * norm.sf(abs(difference.value) / error)) if error > 0 else 1.0


def _precision(observation: str, metric: str, row: dict) -> dict:
    half = (row["high"] - row["low"]) / 2
    error = half / 1.96
    needed = row["n"] * (half / _TARGET_HALF_WIDTH) ** 2
    return {
        "observation": observation,
        "metric": metric,
        "n": row["n"],
        "positives": row["positives"],
        "half_width": half,
        "difference_resolved": _POWERED * np.sqrt(2) * error,
        "studies_needed": np.ceil(needed) if np.isfinite(needed) else np.nan,
    }


def _noise_alone(auroc: np.ndarray, ppv: np.ndarray, npv: np.ndarray) -> np.ndarray:
    return 0.5 + (auroc - 0.5) * (ppv + npv - 1)
