"""Sampling error of printed scores whose predictions are not public.

A printed F1 on a test set of known size and prevalence leaves few tables of counts. Each table
says how well the true F1 is known. How errors of two models on the same studies go together is
not printed, so every interval of a difference is given for a stated correlation.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cxrstudy.published.papers import PublishedTable, published_table
from cxrstudy.studies.published_tables.quoted_figures import (
    REINFORCED,
    SUPERVISED,
    chexreason_labels,
    chexreason_tables,
)
from cxrstudy.studies.published_tables.rounding import (
    Printed,
    compare_all,
    printed_cells,
    printed_fact,
    propagate_rounding,
)

_N_TEST = 500  # studies of CheXpert's public test set
_FEWEST_POSITIVES = 10
_TOLERANCE = 1e-9


def compatible_counts(
    f1: Printed, positives: int, n: int, above_chance: bool = False
) -> np.ndarray:
    """List the true and false positives that print as a given F1, shape (n_tables, 2).

    `above_chance` keeps only counts with a precision of at least the prevalence. The list is
    empty if the F1 cannot arise on such a test set.

    >>> compatible_counts(Printed(0.667, half_unit=0.0005), positives=4, n=500).tolist()
    [[2, 0], [3, 2], [4, 4]]
    """
    true_positives, false_positives = np.indices((positives + 1, n - positives + 1))
    predicted = true_positives + false_positives
    scores = 2 * true_positives / (positives + predicted)
    kept = np.abs(scores - float(f1)) <= f1.half_unit + _TOLERANCE
    if above_chance:
        kept &= true_positives * n >= predicted * positives
    return np.column_stack([true_positives[kept], false_positives[kept]])


def positives_of_test_set() -> pd.Series:
    """Positive studies of each label in CheXpert's public test set of 500."""
    return published_table("chexpert", "test_positives").values["positives"]


def count_compatible() -> pd.DataFrame:
    """Count the tables of counts behind each F1 of ChexReason's Table 5, by label and model.

    Zero would refute that its test set is the public one.
    """
    table = chexreason_tables()["CheXpert"]
    counts = {
        model: {
            label: len(compatible_counts(printed_cells(table, label, model), count, _N_TEST))
            for label, count in positives_of_test_set().items()
        }
        for model in table.values
    }
    return pd.DataFrame(counts).rename_axis("label")


def f1_standard_error(
    counts: ArrayLike, positives: float, n: float, n_draws: int, seed: int
) -> float:
    """Posterior spread of the true F1 of one label, from its possible tables of counts.

    Sensitivity and false-positive rate have Jeffreys priors, so that a printed F1 of zero on four
    positives is not taken for certain. The prevalence is that of the test set. Where several
    tables (true and false positives, not always whole) are possible, each draw picks one of them.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not len(counts):
        raise ValueError("no counts print as this F1: the test set cannot be the assumed one")
    rng = np.random.default_rng(seed)
    hits, false_alarms = counts[rng.integers(len(counts), size=n_draws)].T
    negatives = n - positives
    sensitivity = rng.beta(hits + 0.5, positives - hits + 0.5)
    false_positive_rate = rng.beta(false_alarms + 0.5, negatives - false_alarms + 0.5)
    predicted = positives * sensitivity + negatives * false_positive_rate
    return float(np.std(2 * positives * sensitivity / (positives + predicted), ddof=1))


def printed_f1_errors(table: PublishedTable, model: str, n_draws: int, seed: int) -> pd.Series:
    """Posterior spread of the printed F1 of labels; counts worse than chance are left out."""
    errors = {}
    for label, positives in positives_of_test_set().items():
        cell = printed_cells(table, label, model)
        counts = compatible_counts(cell, positives, _N_TEST, above_chance=True)
        errors[label] = f1_standard_error(counts, positives, _N_TEST, n_draws, seed)
    return pd.Series(errors)


def chexreason_errors(n_draws: int, seed: int) -> pd.DataFrame:
    """Tabulate what ChexReason's Table 5 says of reinforcement learning, and how surely.

    By label: positives, difference (F1 after minus before), and the standard errors of either.
    """
    table = chexreason_tables()["CheXpert"]
    errors = {
        name: printed_f1_errors(table, model, n_draws, seed)
        for name, model in (("new", REINFORCED), ("old", SUPERVISED))
    }
    difference = table.values[REINFORCED] - table.values[SUPERVISED]
    given = pd.DataFrame({"positives": positives_of_test_set(), **errors}).rename_axis("label")
    return given.assign(difference=difference)


def label_differences(errors: pd.DataFrame, correlation: float) -> pd.DataFrame:
    """Give each label's difference its interval; labels with too few positives stay blank."""
    scored = errors[errors["positives"] >= _FEWEST_POSITIVES]
    rows = [
        macro_difference(row.Index, row.difference, ([row.new], [row.old]), [correlation])
        for row in scored.itertuples()
    ]
    table = pd.concat(rows).set_index("comparison").rename_axis("label")
    return table.reindex(errors.index).assign(positives=errors["positives"])


def differences_by_site(by_label: pd.DataFrame) -> pd.DataFrame:
    """Put the labels' differences on CheXpert above those on NIH, which only rounding bounds."""
    nih, labels = chexreason_tables()["NIH"], chexreason_labels()["NIH"]
    difference = (nih.values[REINFORCED] - nih.values[SUPERVISED])[labels].rename_axis("label")
    reach = 2 * nih.half_unit
    limits = {"estimate": difference, "low": difference - reach, "high": difference + reach}
    sites = {
        "CheXpert, sampling error": by_label.dropna().drop(columns="positives"),
        "NIH, rounding only": pd.DataFrame(limits),
    }
    return pd.concat(sites, names=["site"]).reset_index()


def differences_in_words(by_site: pd.DataFrame) -> str:
    """Say what the figure of the labels' differences shows."""
    estimates = by_site.set_index(["site", "label"])["estimate"]
    opacity = estimates["CheXpert, sampling error", "Lung Opacity"]
    on_nih = estimates["NIH, rounding only"]
    return (
        f"The largest difference is Lung Opacity on CheXpert, {opacity:+.2f}; "
        f"on NIH {(on_nih < 0).sum()} of {len(on_nih)} labels fall."
    )


def label_set_differences(
    errors: pd.DataFrame, correlations: Iterable[float] = (0, 0.5, 0.8)
) -> pd.DataFrame:
    """Compare macro F1 after and before reinforcement learning over four sets of labels."""
    everything = errors.index
    label_sets = {
        "all 14 labels": everything,
        "without Lung Opacity": everything.drop("Lung Opacity"),
        "the 9 labels of NIH": chexreason_labels()["NIH"],
        "labels with 10 or more positives": everything[errors["positives"] >= _FEWEST_POSITIVES],
    }
    return pd.concat(
        macro_difference(
            name,
            errors.loc[chosen, "difference"].mean(),
            (errors.loc[chosen, "new"], errors.loc[chosen, "old"]),
            correlations,
        )
        for name, chosen in label_sets.items()
    )


def intervals_in_words(differences: pd.DataFrame) -> dict[str, str]:
    """Write each estimate with its interval, by the table's index."""
    return {
        row.Index: f"{row.estimate:+.3f} (95 % interval {row.low:+.3f} to {row.high:+.3f})"
        for row in differences.itertuples()
    }


def student_against_teacher(n_draws: int, seed: int) -> pd.DataFrame:
    """Give the gain of DeBERTa-RAD's student an interval, for assumed counts of positives.

    Its thirteen findings have equally many positives each, and precision equal to recall.
    """
    student, teacher = (
        float(printed_fact("deberta_rad", f"{model}_macro_f1")) for model in ("student", "teacher")
    )
    rows = []
    for positives in (25, 50, 100):
        errors = tuple(
            [typical_f1_error(f1, positives, _N_TEST, n_draws, seed)] * 13
            for f1 in (student, teacher)
        )
        name = f"{positives} positives for each finding"
        rows.append(macro_difference(name, student - teacher, errors, (0, 0.5, 0.8)))
    return pd.concat(rows)


def typical_f1_error(f1: float, positives: int, n: int, n_draws: int, seed: int) -> float:
    """Posterior spread of an F1 whose counts are not printed, with precision equal to recall."""
    counts = [[f1 * positives, (1 - f1) * positives]]
    return f1_standard_error(counts, positives, n, n_draws, seed)


def macro_difference(
    name: str, difference: float, errors: tuple[ArrayLike, ArrayLike], correlations: Iterable[float]
) -> pd.DataFrame:
    """Interval of the difference of two macro averages under stated correlations.

    The standard errors are of the terms of either average, which are independent of each other; a
    correlation is that of two models' errors on the same term. ``detectable`` is the smallest true
    difference that a two-sided 5 % test finds four times out of five, ``more_cases`` the factor on
    the test set's size at which the printed difference becomes detectable.
    """
    first, second = map(np.asarray, errors)
    table = pd.DataFrame({"comparison": name, "correlation": list(correlations)})
    spread = np.array([
        error_of_mean(np.sqrt(first**2 + second**2 - 2 * correlation * first * second))
        for correlation in table["correlation"]
    ])  # fmt: skip
    margin = stats.norm.ppf(0.975) * spread
    detectable = (stats.norm.ppf(0.975) + stats.norm.ppf(0.80)) * spread
    return table.assign(
        estimate=difference,
        low=difference - margin,
        high=difference + margin,
        standard_error=spread,
        detectable=detectable,
        more_cases=(detectable / difference) ** 2,
    )


def independent_errors() -> pd.DataFrame:
    """Compare the widths of Table 6's average intervals with those of independent errors."""
    conditions = published_table("visualchexbert", "positives").values.index
    implied, printed = {}, {}
    for block in ("zero_one", "higher_radiologist", "lower_radiologist"):
        table = published_table("visualchexbert", f"table6_over_{block}")
        width, rounding = table.values["high"] - table.values["low"], 2 * table.half_unit
        gain = f"gain over {block}"
        implied[gain] = propagate_rounding(error_of_mean, Printed(width[conditions], rounding))
        printed[gain] = Printed(width["Average"], rounding)
    return compare_all(implied, printed)


def error_of_mean(errors: ArrayLike) -> float:
    """Compute the standard error of a mean of independent terms from the terms' own.

    >>> error_of_mean([0.3, 0.4])
    0.25
    """
    errors = np.asarray(errors)
    return float(np.sqrt((errors**2).sum()) / errors.size)


def policy_errors() -> pd.DataFrame:
    """Compute the standard errors behind CheXpert's Table 3, by policy and finding."""
    low, high = (published_table("chexpert", f"policy_auroc_{end}") for end in ("low", "high"))
    return (high.values - low.values) / (2 * stats.norm.ppf(0.975))


def policy_means() -> pd.DataFrame:
    """Mean AUROC of each policy over five findings, with the interval that is implied."""
    means = published_table("chexpert", "policy_auroc").values.mean(axis=1)
    errors = policy_errors().apply(error_of_mean, axis=1)
    table = pd.DataFrame({"mean": means, "error": errors}).rename_axis("policy").reset_index()
    half = 1.96 * table["error"]
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def best_policy_against_worst() -> pd.DataFrame:
    """Give the largest difference of two policies its interval, for assumed correlations."""
    means, errors = published_table("chexpert", "policy_auroc").values.mean(axis=1), policy_errors()
    best, worst = means.idxmax(), means.idxmin()
    correlations = (0, 0.5, 0.8, 0.9, 0.95, 0.99)
    pair = (errors.loc[best], errors.loc[worst])
    return macro_difference(f"{best} minus {worst}", means[best] - means[worst], pair, correlations)
