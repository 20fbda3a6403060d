"""What the scores say: figures, what an expert's label is worth, claims, and the answer."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import Estimate
from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES, arm_name
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS
from cxrstudy.experiments.opacity_scores import ranks_within
from cxrstudy.studies.labels_that_travel.heads import (
    ERRORS,
    REPORTS_OF_READ,
    Fitted,
    fit_heads,
    label_sources,
)
from cxrstudy.studies.labels_that_travel.judges import HOME, Judge
from cxrstudy.studies.labels_that_travel.travel import (
    CONTROLS,
    DECISIVE,
    UNSEEN,
    Scores,
)
from cxrstudy.words import in_sentence

FROZEN = "frozen"
_SAME = f"{EXPERTS} - {REPORTS_OF_READ}"
# Run lengths that the claim names.
CLAIMED_EPOCHS = (3, 60)
_COLUMNS = ["source", "judge", *LIMITS, "n"]


def figure_rows(moved: pd.DataFrame) -> pd.DataFrame:
    """Select from `Scores.travel_table` what one figure shows: report labels of the same images.

    At home the difference itself, abroad what it is more than that; pooled scores of the second
    site are left to the tables, where its controls stand beside them.
    """
    same = moved[moved["difference"] == _SAME]
    at_home = (same["judge"] == HOME) & (same["quantity"] == "difference")
    abroad = (same["quantity"] == "minus home") & same["judge"].isin(DECISIVE)
    words = {HOME: "at home", **{j: f"{j}, minus home" for j in same["judge"] if j != HOME}}
    return same[at_home | abroad].assign(judge=lambda rows: rows["judge"].map(words))


def figure_in_words(shown: pd.DataFrame) -> str:
    """List the estimates for who does not see the figure."""
    rows = (f"{r.network}, {r.judge}: {r.estimate:+.2f}" for r in shown.itertuples())
    return "; ".join(rows) + "."


def curves(
    learned: Mapping[tuple[str, int], Fitted],
    features: Mapping[str, np.ndarray],
    judges: Sequence[Judge],
) -> dict[tuple[str, int, str], Estimate]:
    """Let the judges score the heads of `learning_curve`, by source, size and judge."""
    return {
        (source, size, judge.name): judge.score(
            fitted.held_out if judge.site == HOME else fitted.scores(features[judge.site])
        )
        for (source, size), fitted in learned.items()
        for judge in judges
    }


def curve_table(found: Mapping[tuple[str, int, str], Estimate]) -> pd.DataFrame:
    """Tabulate `curves`."""
    rows = [
        {"source": source, "labels": size, "judge": judge} | estimate.row()
        for (source, size, judge), estimate in found.items()
    ]
    return pd.DataFrame(rows)


def panels(points: pd.DataFrame) -> pd.DataFrame:
    """Select the judges of a figure: at home, and those abroad on whom the decision rests."""
    return points[points["judge"].isin([HOME, *DECISIVE])]


def curves_in_words(points: pd.DataFrame) -> str:
    """Say where the curves end, for who does not see the figure."""
    ends = points.sort_values("labels").groupby(["judge", "source"], sort=False).tail(1)
    rows = (
        f"{r.judge}, {r.source}, {r.labels:,} labels: {r.estimate:.2f}" for r in ends.itertuples()
    )
    return "Somers' D at the end of each curve. " + "; ".join(rows) + "."


def worth_table(
    curves: Mapping[tuple[str, int, str], Estimate],
) -> pd.DataFrame:
    """Say how many report labels reach what some expert labels reach, by judge.

    Curves are Somers' D by source, size and judge. Between sizes the curve of the report labels is
    a line over the logarithm; a curve that falls counts as its highest point so far. Where even all
    of them do not suffice the number is infinite, and the column not_reached has its share of the
    draws.
    """
    reports = sorted({size for source, size, _ in curves if source == REPORTS})
    sizes = sorted({size for source, size, _ in curves if source == EXPERTS})
    rows = []
    for judge in dict.fromkeys(judge for _, _, judge in curves):
        high = [curves[REPORTS, size, judge] for size in reports]
        values = np.maximum.accumulate([each.value for each in high])
        drawn = np.maximum.accumulate([each.replicates for each in high])
        for size in sizes:
            expert = curves[EXPERTS, size, judge]
            wanted = expert.replicates
            found = np.array(
                [_reach(np.log(reports), course, goal)
                 for course, goal in zip(drawn.T, wanted, strict=True)]
            )  # fmt: skip
            low, up = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
            rows.append(
                {
                    "judge": judge,
                    "expert_labels": size,
                    "estimate": _reach(np.log(reports), values, expert.value),
                    "low": low,
                    "high": up,
                    "not_reached": np.isinf(found).mean(),
                    "n": expert.n,
                }
            )
    return pd.DataFrame(rows)


def _reach(log_sizes: np.ndarray, course: np.ndarray, goal: float) -> float:
    """Return the size at which a rising course reaches a goal; the smallest one or infinity beyond.

    >>> round(_reach(np.log([100, 400]), np.array([0.1, 0.3]), 0.2))
    200
    """
    if goal > course[-1]:
        return np.inf
    at = int(np.searchsorted(course, goal))
    if at == 0:
        return float(np.exp(log_sizes[0]))
    share = (goal - course[at - 1]) / (course[at] - course[at - 1])
    return float(np.exp(log_sizes[at - 1] + share * (log_sizes[at] - log_sizes[at - 1])))


def trained_table(
    tuned: Mapping[tuple[str, str], Estimate],
    controls: Scores,
    network: str,
    small: ImageSet,
    features: Mapping[str, np.ndarray],
    judges: Sequence[Judge],
) -> pd.DataFrame:
    """Tabulate trained networks, a head on frozen features of the same images, and the controls.

    The head learns, as the networks do, the report labels of half of the patients, and is as many
    trainings.
    """
    halves = small.folds(N_HALVES)
    weights = (halves == np.arange(N_HALVES)[:, None]).astype(float)
    heads = fit_heads(small, features[HOME], label_sources(small)[REPORTS], weights)
    half_of_read = halves[small.labels["rsna"].notna().any(axis=1).to_numpy()]
    # The images of one half by the head of the other.
    at_home = np.where(half_of_read == 0, heads.held_out[1], heads.held_out[0])
    found = dict(tuned)
    for judge in judges:
        abroad = judge.site != HOME
        own = heads.scores(features[judge.site]) if abroad else ranks_within(
            half_of_read, at_home[None]
        )  # fmt: skip
        found[FROZEN, judge.name] = judge.score(own)
    found |= {
        (s, j): e for (n, s, j), e in controls.found.items() if n == network and s in CONTROLS
    }
    rows = [{"source": s, "judge": j} | each.row() for (s, j), each in found.items()]
    return pd.DataFrame(rows, columns=_COLUMNS)


def trained_cells(
    tuned: Mapping[tuple[str, str], Estimate], epochs: Sequence[int]
) -> dict[str, dict[str, Estimate]]:
    """Collect the claim on short training abroad, if its run lengths and sites are there."""
    short, long = map(arm_name, CLAIMED_EPOCHS)
    if not set(CLAIMED_EPOCHS) <= set(epochs) or not all((short, j) in tuned for j in DECISIVE):
        return {"short_training_abroad": {}}
    return {"short_training_abroad": {j: tuned[short, j] - tuned[long, j] for j in DECISIVE}}


def claimed(scores: Scores, main: str, second: str, home: str = HOME) -> dict[str, dict]:
    """Collect the cells of every claim on heads, by the claim's name; empty ones are undecided."""
    both = [main, second]
    errors = {
        judge: scores.difference(main, REPORTS_OF_READ, ERRORS, judge)
        for judge in DECISIVE
        if scores.has(main, ERRORS, judge)
    }
    return {
        "labels_travel": scores.cells(REPORTS_OF_READ, both, home=home),
        "labels_travel_all_reports": scores.cells(REPORTS, both, home=home),
        "labels_travel_unseen": scores.cells(REPORTS_OF_READ, [second], [UNSEEN], home),
        "kind_of_error": errors if len(errors) == len(DECISIVE) else {},
    }


def opposite(estimates: Mapping[str, Estimate], others: Mapping[str, Estimate]) -> bool:
    """Say whether another policy shows a significant difference of the opposite sign."""
    rows = [(estimates[name].value, others[name].row()) for name in others]
    return any(r["low"] * r["high"] > 0 and r["estimate"] * value < 0 for value, r in rows)


def contrast_table(
    cells: Mapping[str, Mapping[str, Estimate]], scores: Scores, main: str
) -> pd.DataFrame:
    """Tabulate the cells of claims; a run that decides none shows what travels with one network."""
    rows = [
        {"claim": claim, "comparison": cell} | estimate.row()
        for claim, found in cells.items()
        for cell, estimate in found.items()
    ]
    rows = rows or [
        {"claim": "labels_travel", "comparison": cell} | estimate.row()
        for cell, estimate in _moved(scores, [main]).items()
    ]
    return pd.DataFrame(rows, columns=["claim", "comparison", *LIMITS, "n"])


def _moved(scores: Scores, networks: Sequence[str]) -> dict[str, Estimate]:
    """Estimate what travels, by network and decisive judge, as far as the run has them."""
    return {
        f"{network}, {judge}": scores.travel(network, EXPERTS, REPORTS_OF_READ, judge)
        for network in networks
        for judge in DECISIVE
        if scores.has(network, EXPERTS, judge)
    }


def answer(moved: pd.DataFrame, main: str, second: str) -> str:
    """Answer by both networks and both judges abroad that decide, from `Scores.travel_table`."""
    same = moved[moved["difference"] == _SAME].set_index(["judge", "quantity", "network"])
    home = same.loc[(HOME, "difference", main)]
    decides = same.index.isin(DECISIVE, level="judge")
    decides &= same.index.isin([main, second], level="network")
    abroad = same[decides].xs("minus home", level="quantity")
    low, high = abroad["low"], abroad["high"]
    if len(abroad) < 2 * len(DECISIVE):
        verdict = "This run lacks a site or a network, so it decides nothing"
    elif (low > 0).all():
        verdict = "Experts' labels hold up better abroad, by every network and site that decides"
    elif (high < 0).all():
        verdict = "Report labels hold up better abroad, by every network and site that decides"
    else:
        clear = ((low > 0) | (high < 0)).sum()
        verdict = f"Not settled: {clear} of {len(abroad)} differences can be told from zero"
    parts = []
    for judge, rows in abroad.groupby(level="judge", sort=False):
        each = (
            f"{in_sentence(r, sign='+', level='')} with {r.Index[1]}" for r in rows.itertuples()
        )
        parts.append(f"{judge}: {', '.join(each)}")
    return (
        f"{verdict}. Experts' labels lead report labels of the same images by "
        f"{in_sentence(home, sign='+')} in Somers' D at home, and by so much more abroad: "
        f"{'; '.join(parts)}."
    )
