"""Study 03: models against reports and experts, and the smallest difference that one can see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.intervals import bca_interval
from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS, MACRO_AVERAGE, Estimate
from cxrstudy.agreement.visits import RANKING_METRICS
from cxrstudy.data import chexpert_test
from cxrstudy.experiments.label_scores import MEAN_OF_METHODS, LabelScores
from cxrstudy.observations import apply_uncertainty_policy
from cxrstudy.published import published_value
from cxrstudy.words import by_side, in_sentence

POLICIES: tuple[str, ...] = ("zeros", "ones", "ignore")
BLANKS: tuple[str, ...] = ("negative", "dropped")

# By what an uncertain label and a blank one stand for.
PAPERS_READING: tuple[str, str] = ("zeros", "negative")
Readings = Mapping[tuple[str, str], LabelScores]

# Points of the distribution over pairs of models, from the most alike pair to the least alike.
QUANTILES: dict[str, float] = {
    "most alike": 0.0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75,
    "least alike": 1.0,
}  # fmt: skip

# The readings that a figure shows: the paper's, and explicit labels alone.
_DRAWN: Mapping[tuple[str, str], str] = {
    PAPERS_READING: "uncertain and blank as negative",
    ("ignore", "dropped"): "uncertain and blank left out",
}
WORDS: Mapping[str, str] = {
    "dropped": "left out", "report": "reports", "expert": "experts", "gap": "reports minus experts",
}  # fmt: skip

# Raters who did not make the truth, and the group of each rater in a legend.
INDEPENDENT_RATERS: tuple[str, ...] = (*chexpert_test.BENCHMARK_READERS, "benchmark majority")
RATER_GROUPS: Mapping[str, str] = {
    **dict.fromkeys(chexpert_test.TRUTH_READERS, "reader who made the truth"),
    **dict.fromkeys(chexpert_test.BENCHMARK_READERS, "benchmark reader"),
    "benchmark majority": "majority of benchmark readers",
    **dict.fromkeys(("optimistic", "pessimistic"), "report labeler"),
}


def report_label_variants(labels: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Resolve codes under each policy of `POLICIES` and handling of `BLANKS`; NaN is left out.

    >>> codes = pd.DataFrame({"Edema": [1.0, 0.0, -1.0, np.nan]})
    >>> report_label_variants(codes)["ones", "dropped"]["Edema"].tolist()
    [1.0, 0.0, 1.0, nan]
    """
    resolved = {policy: apply_uncertainty_policy(labels, policy) for policy in POLICIES}
    return {
        (policy, blank): table if blank == "negative" else table.where(labels.notna())
        for blank in BLANKS
        for policy, table in resolved.items()
    }


def scores_by_reading(
    truth: pd.DataFrame,
    labels: pd.DataFrame,
    models: Mapping[str, pd.DataFrame],
    min_events: int = 10,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Readings:
    """Score models against experts and reports under each reading of the report codes."""
    settings = {"metrics": RANKING_METRICS, "min_events": min_events, "resampling": resampling}
    return {
        reading: LabelScores(truth, report, models, **settings)
        for reading, report in report_label_variants(labels).items()
    }


def counts_table(readings: Readings) -> pd.DataFrame:
    """Count studies and events of both sources by reading and observation."""
    counts = {reading: scores.counts for reading, scores in readings.items()}
    table = pd.concat(counts, names=["uncertain", "blank", "observation"])
    return table.rename(columns={"cases": "studies"})


def gap_table(readings: Readings) -> pd.DataFrame:
    """Tabulate the models' mean scores, gap and excess by reading and observation.

    The column findings says how many enter the average, such as "5 of 5".
    """
    quantities = ["expert", "report", "gap", "predicted", "excess"]
    tables = {
        reading: scores.table(
            [MEAN_OF_METHODS], [*scores.expert, MACRO_AVERAGE], quantities
        ).assign(findings=f"{len(scores.averages_over)} of {len(scores.counts)}")
        for reading, scores in readings.items()
    }
    table = pd.concat(tables, names=["uncertain", "blank"]).reset_index(["uncertain", "blank"])
    table = table.drop(columns=["method", "seeds"]).rename(columns={"place": "observation"})
    return table.reset_index(drop=True)


def judged(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Select a quantity of AUROC of the observations that can be judged."""
    return table.query("metric == 'auroc' and quantity == @quantity and not too_few")


def drawn(part: pd.DataFrame) -> pd.DataFrame:
    """Select the two readings that a figure shows, each with its name in the legend."""
    readings = pd.MultiIndex.from_frame(part[["uncertain", "blank"]])
    return part.assign(labels=readings.map(_DRAWN)).dropna(subset=["labels"])


def gap_first(gaps: pd.DataFrame) -> pd.DataFrame:
    """Order the columns of a table: the gaps before what they are the difference of."""
    sides = ["gap", "report", "expert"]
    part = gaps[gaps["quantity"].isin(sides)]
    return part.sort_values("quantity", key=lambda q: q.map(sides.index), kind="stable")


def averages_in_words(part: pd.DataFrame) -> str:
    """Say where the averages of all readings lie."""
    averages = part[part["observation"] == MACRO_AVERAGE]
    below, above = (averages["high"] < 0).sum(), (averages["low"] > 0).sum()
    return (
        f"Of {len(averages)} averages, one for each reading, {below} lie clearly below zero and "
        f"{above} clearly above."
    )


def answer_in_words(gaps: pd.DataFrame, n_models: int) -> str:
    """Answer whether models look better against reports, in the paper's reading."""
    keys = ["uncertain", "blank", "observation", "metric", "quantity"]
    row = gaps.set_index(keys).loc[(*PAPERS_READING, MACRO_AVERAGE, "auroc")]
    gap = row.loc["gap"]
    answer = by_side(gap["low"], gap["high"], above="Yes", below="No, worse", open="Not shown")
    return (
        f"{answer}: {n_models} models score an AUROC of {row.loc['report', 'estimate']:.3f} "
        f"against report labels and {row.loc['expert', 'estimate']:.3f} against experts on the "
        f"same studies, a gap of {in_sentence(gap, sign='+')}."
    )


def change_in_words(gaps: pd.DataFrame) -> str:
    """Say what leaving silent and uncertain reports out makes of the average gap."""
    average = drawn(judged(gaps, "gap")).query("observation == @MACRO_AVERAGE")
    row = average.iloc[-1]
    told = "" if row["low"] > 0 or row["high"] < 0 else ", not told from zero"
    return f"With {row['labels']} the gap is {in_sentence(row, sign='+')}{told}."


def by_model(scores: LabelScores) -> pd.DataFrame:
    """Tabulate each model's average AUROC against both sources, and the gap."""
    table = scores.table(quantities=["expert", "report", "gap"], places=[MACRO_AVERAGE])
    table = table.query("metric == 'auroc'").rename(columns={"method": "model"})
    return table[["model", "quantity", *LIMITS, "n"]]


def mean_gap(scores: LabelScores) -> Estimate:
    """Estimate the average gap in AUROC, as a mean over the models."""
    return scores.gap(MEAN_OF_METHODS)


def gap_as_released(
    truth: pd.DataFrame, models: Mapping[str, pd.DataFrame], resampling: Resampling
) -> Estimate:
    """Estimate the gap with the labeler file joined by its printed ids, in the paper's reading."""
    labels = chexpert_test.load("as released").labeler[list(truth)]
    report = report_label_variants(labels)[PAPERS_READING]
    return mean_gap(LabelScores(truth, report, models, resampling=resampling))


def fewest_events(scores: LabelScores) -> int:
    """Count the rarest positives or negatives of either source among what is averaged."""
    events = scores.counts.loc[scores.averages_over].drop(columns=["cases", "too_few"])
    return int(events.min(axis=None))


def raters(data: chexpert_test.ChexpertTestLabels, findings: list[str]) -> dict[str, pd.DataFrame]:
    """Give the readers' answers, their benchmark majority's, and the labeler's read both ways."""
    readers = {reader: table[findings] for reader, table in data.readers.items()}
    votes = sum(readers[reader] for reader in chexpert_test.BENCHMARK_READERS)
    labeler = {
        policy: apply_uncertainty_policy(data.labeler[findings], policy, data.truth[findings])
        for policy in ("optimistic", "pessimistic")
    }
    return readers | {"benchmark majority": (votes >= 2).astype(float)} | labeler


def published_gain() -> float:
    """Subtract the baseline's mean AUROC from that of the paper's final model: 0.917 - 0.907."""
    final, baseline = (
        published_value("nlp_expert_gap", name)
        for name in ("final_auroc", "stanford_baseline_auroc")
    )
    return round(final - baseline, 3)


@dataclass(frozen=True, eq=False)
class PairedErrors:
    """Standard errors of the difference in mean AUROC for every pair of models."""

    influence: np.ndarray  # (n_studies, n_models), see `mean_auroc_influence`
    # A row for each pair: first, second, shared (observations that both rank alike), estimate,
    # low, high, bootstrap_error, delong_error and correlation of the two errors.
    pairs: pd.DataFrame
    differences: Sequence[Estimate]  # one for each row of `pairs`
    resampling: Resampling

    @property
    def distinct(self) -> pd.DataFrame:
        """Pairs that share no observation's ranking: models that were built apart."""
        return self.pairs[self.pairs["shared"] == 0]

    def resolvable(self, power: float = 0.8, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the smallest difference that this many studies show with the given power.

        ``two samples`` compares models on two samples of this size each, the other designs on the
        same studies. Intervals come from resampling the studies' influences.
        """
        factor = norm.ppf(0.5 + level / 2) + norm.ppf(power)
        first, second = (self.influence[:, side] for side in _sides(self.influence.shape[1]))
        squares = {
            "all pairs": (first - second) ** 2,
            "distinct pairs": ((first - second) ** 2)[:, self.distinct.index],
            "two samples": first**2 + second**2,
        }
        weights = self.resampling.drawn_rows(len(self.influence))
        rows = []
        for design, values in squares.items():
            if values.shape[1]:
                errors = _root_quantiles(values, weights, level)
                limits = zip(QUANTILES, errors[0], *(factor * errors), strict=True)
                rows += [(design, *row, values.shape[1]) for row in limits]
        columns = ["design", "pair", "standard_error", *LIMITS, "pairs"]
        return pd.DataFrame(rows, columns=columns)

    def published_difference(self, difference: float) -> Estimate:
        """Give a printed difference the bootstrap errors of the distinct pairs, each in turn.

        Which pair is most like the published one is not known. Conditional on errors correlated
        as those of these models are, and on the same studies for both published values.
        """
        measured = [self.differences[pair] for pair in self.distinct.index]
        if not measured:
            raise ValueError("every pair of models shares a ranking; no error of distinct models")
        errors = np.array([pair.replicates - pair.value for pair in measured])
        replicate = np.arange(errors.shape[1])
        return Estimate(
            value=difference,
            replicates=difference + errors[replicate % len(errors), replicate],
            n=len(self.influence),
            positives=min(pair.positives for pair in measured),
        )

    def designs(self, difference: float) -> pd.DataFrame:
        """Tabulate limits and p-value of a printed difference for each design's standard error."""
        table = self.resolvable()[["design", "pair", "standard_error"]]
        error = table["standard_error"]
        half = norm.ppf(0.975) * error
        limits = {"estimate": difference, "low": difference - half, "high": difference + half}
        return table.assign(**limits, p_value=2 * norm.sf(abs(difference) / error))


def paired_errors(
    truth: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> PairedErrors:
    """Measure the error of the difference in mean AUROC for every pair of models."""
    agreement = agree(truth, scores, metrics=("auroc",), resampling=resampling)
    mean = {name: agreement.estimate(name, MACRO_AVERAGE, "auroc") for name in scores}
    ranks = {name: table.rank() for name, table in scores.items()}
    influence = mean_auroc_influence(truth, scores)
    covariance = influence.T @ influence
    first, second = _sides(len(scores))
    one, other = (covariance[side, side] for side in (first, second))
    joint = covariance[first, second]
    pairs = pd.DataFrame(combinations(scores, 2), columns=["first", "second"])
    pairs["shared"] = [(ranks[a] == ranks[b]).all().sum() for a, b in combinations(scores, 2)]
    differences = [mean[a] - mean[b] for a, b in combinations(scores, 2)]
    pairs[list(LIMITS)] = [(each.value, *each.interval()) for each in differences]
    pairs["bootstrap_error"] = [each.replicates.std(ddof=1) for each in differences]
    pairs["delong_error"] = np.sqrt(one + other - 2 * joint)
    pairs["correlation"] = joint / np.sqrt(one * other)
    return PairedErrors(influence, pairs, differences, resampling)


def _sides(n_models: int) -> tuple[np.ndarray, np.ndarray]:
    # Of the pairs of three models: (0, 0, 1) and (1, 2, 2), in the order of `combinations`.
    return np.triu_indices(n_models, 1)


def mean_auroc_influence(truth: pd.DataFrame, scores: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Share of each study in the error of each model's mean AUROC: (n_studies, n_models).

    DeLong's placement values, centred within class and observation and added over the
    observations. Products summed over studies are DeLong's covariance, extended to a mean over
    observations that share their studies; with one observation they are DeLong's exactly.
    """
    influence = np.zeros((len(truth), len(scores)))
    for observation in truth:
        values = np.column_stack([table[observation].to_numpy() for table in scores.values()])
        influence += _centred_placements(truth[observation].to_numpy() == 1, values)
    return influence / truth.shape[1]


def _centred_placements(positive: np.ndarray, values: np.ndarray) -> np.ndarray:
    if min(positive.sum(), (~positive).sum()) < 2:
        raise ValueError("DeLong's variance needs two positives and two negatives")
    midrank = rankdata(values, axis=0)
    centred = np.empty(values.shape)
    for rows, direction in ((positive, 1.0), (~positive, -1.0)):
        own, other = rows.sum(), (~rows).sum()
        placement = (midrank[rows] - rankdata(values[rows], axis=0)) / other
        centred[rows] = direction * (placement - placement.mean(axis=0)) / np.sqrt(own * (own - 1))
    return centred


def _root_quantiles(squares: np.ndarray, weights: np.ndarray, level: float) -> np.ndarray:
    """Roots of the `QUANTILES` over columns of their sums over rows, with BCa limits below."""

    def statistic(sums: np.ndarray) -> np.ndarray:
        return np.sqrt(np.quantile(sums, list(QUANTILES.values()), axis=-1))

    values = statistic(squares.sum(axis=0))
    left_out = (squares.sum(axis=0) - squares) * len(squares) / (len(squares) - 1)
    replicates = statistic(weights.astype(float) @ squares)
    return np.array([values, *bca_interval(values, replicates, statistic(left_out), level)])
