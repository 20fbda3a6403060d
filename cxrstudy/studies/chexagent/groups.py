"""Findings at their natural prevalence, by sex and age, and at a second hospital."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.claims.rules import MINIMUM_EVENTS
from cxrstudy.experiments.image_labels import LUNG_OPACITY, report_labels
from cxrstudy.experiments.subgroups import ALL_ROWS, SubgroupAgreement, agree_by_subgroup
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent.arms import FULL
from cxrstudy.studies.chexagent.cohort import (
    ASKED_OF_ALL,
    POPULATION,
    SECOND_SITE,
    YES_NO,
    Cohort,
)
from cxrstudy.studies.chexagent.image_items import held_out_images
from cxrstudy.studies.chexagent.scores import over_seeds
from cxrstudy.trainings.job import Kept

OLDER = 65
LEVELS = {"age": ("65 and older", "under 65"), "sex": ("men", "women")}
"""Group to the two levels whose difference is a gap, first minus second."""

CLAIMS = {
    "chexagent.effusion_age_gap": ("Effusion", "age"),
    "chexagent.effusion_sex_gap": ("Effusion", "sex"),
    "chexagent.age_gap": ("Cardiomegaly", "age"),
    "chexagent.sex_gap": ("Cardiomegaly", "sex"),
}
"""Claim to the finding and group whose gap in F1 decides it."""

N_DECILES = 10
WITHIN = "within deciles of bytes"


def margins(items: Sequence[Item], kept: Kept, asked: str) -> pd.Series:
    """Return the log-odds of yes for each of some yes-no items, in their order.

    Parameters
    ----------
    items : sequence of Item
    kept : Kept
        A training whose full model was asked them.
    asked : str
        Name of their set.

    Returns
    -------
    Series
    """
    scores = kept.arrays[f"likelihood.{FULL}.{asked}"].astype(np.float64)
    if len(scores) != len(items) or any(item.options != YES_NO for item in items):
        raise ValueError(f"{asked}: kept for other items")
    return pd.Series(scores[:, 0] - scores[:, 1])


def population_scores(
    cohort: Cohort, trainings: Sequence[Kept], resampling: Resampling
) -> dict[str, SubgroupAgreement]:
    """Score the full model on every held-out image, by finding, sex and age.

    Parameters
    ----------
    cohort : Cohort
    trainings : sequence of Kept
        By seed.
    resampling : Resampling

    Returns
    -------
    dict of str to SubgroupAgreement
        By metric, f1 and auroc; methods are the seeds, ``"0"`` and so on. For F1 as many images
        are called positive, those with the highest log-odds of yes, as the labels of the training
        patients make expect; of equal ones the first.
    """
    items = cohort.population
    index = pd.Index([item.images[0] for item in items if item.about == items[0].about])
    of_image = cohort.home.images.loc[index]

    def by_finding(values: pd.Series) -> pd.DataFrame:
        parts = {name: [i.about == name for i in items] for name in ASKED_OF_ALL}
        return pd.DataFrame({name: values[mask].to_numpy() for name, mask in parts.items()}, index)

    truth = by_finding(pd.Series([float(item.answer == YES_NO[0]) for item in items]))
    scored = {
        str(seed): by_finding(margins(items, kept, POPULATION))
        for seed, kept in enumerate(trainings)
    }
    expected = (training_shares(cohort) * len(index)).round()
    called = {
        seed: (table.rank(ascending=False, method="first") <= expected).astype(float)
        for seed, table in scored.items()
    }
    groups = pd.DataFrame(
        {
            "age": np.where(of_image["age"] >= OLDER, *LEVELS["age"]),
            "sex": of_image["sex"].map({"M": "men", "F": "women"}),
        },
        index,
    )
    resampling = resampling.of(clusters=of_image["patient"])
    return {
        metric: agree_by_subgroup(
            truth, predictions, groups, metrics=(metric,), resampling=resampling
        )
        for metric, predictions in (("f1", called), ("auroc", scored))
    }


def training_shares(cohort: Cohort) -> pd.Series:
    """Return each finding's share of positives among the images of the training patients."""
    labels = cohort.home.labels["nlp"].assign(**{LUNG_OPACITY: report_labels(cohort.home)})
    return labels.loc[~held_out_images(cohort.home), list(ASKED_OF_ALL)].mean()


def gap(scores: SubgroupAgreement, finding: str, group: str, metric: str, seed: int) -> Estimate:
    """Estimate a gap, the first level of a group minus the second, patients and seeds resampled.

    Parameters
    ----------
    scores : SubgroupAgreement
        Of `population_scores`.
    finding, group, metric : str
    seed : int
        Of the draws of seeds.

    Returns
    -------
    Estimate
        NaN where nobody is in one of the levels.
    """
    first, second = (_by_seed(scores, finding, group, level, metric) for level in LEVELS[group])
    return over_seeds([a - b for a, b in zip(first, second, strict=True)], seed)


def fewest_positives(scores: SubgroupAgreement, finding: str, group: str) -> int:
    """Count the positives in the level of a group that has fewer.

    Parameters
    ----------
    scores : SubgroupAgreement
    finding, group : str

    Returns
    -------
    int
    """
    metric = next(iter(scores.agreement.estimates))[2]
    levels = (_by_seed(scores, finding, group, level, metric)[0] for level in LEVELS[group])
    return min(level.positives for level in levels)


def groups_table(scores: dict[str, SubgroupAgreement], seed: int) -> pd.DataFrame:
    """Tabulate F1 and AUROC by finding and group, with the floor of F1 and prevalence beside.

    Parameters
    ----------
    scores : dict of str to SubgroupAgreement
    seed : int

    Returns
    -------
    DataFrame
        Columns finding, group, quantity and the estimate's, and too_few: fewer than ten positives
        or negatives. The F1 of answering yes always and the prevalence are exact.
    """
    rows = []
    for metric, by_group in scores.items():
        for finding, group, level in by_group.cells.values():
            cell = {"finding": finding, "group": level, "too_few": False}
            mean = over_seeds(_by_seed(by_group, finding, group, level, metric), seed)
            rows.append(cell | {"quantity": metric} | mean.row() | {"too_few": _too_few(mean)})
            if metric == "f1":
                share = mean.positives / mean.n if mean.n else np.nan
                floor = {"f1_always_yes": 2 * share / (1 + share), "prevalence": share}
                rows += [
                    cell | {"quantity": quantity, "estimate": value, "n": mean.n}
                    for quantity, value in floor.items()
                ]
    return pd.DataFrame(rows)


def gaps_table(scores: dict[str, SubgroupAgreement], seed: int) -> pd.DataFrame:
    """Tabulate the gaps of all findings in F1 and AUROC.

    Parameters
    ----------
    scores : dict of str to SubgroupAgreement
    seed : int

    Returns
    -------
    DataFrame
        Columns finding, gap, metric and the estimate's, of the level that has fewer, and too_few:
        one of the levels has fewer than ten positives or negatives.
    """
    rows = []
    for metric, by_group in scores.items():
        for finding in ASKED_OF_ALL:
            for group, levels in LEVELS.items():
                sides = [_by_seed(by_group, finding, group, level, metric)[0] for level in levels]
                rows.append(
                    {"finding": finding, "gap": " minus ".join(levels), "metric": metric}
                    | gap(by_group, finding, group, metric, seed).row()
                    | {"too_few": any(map(_too_few, sides))}
                )
    return pd.DataFrame(rows)


def second_site_table(
    cohort: Cohort, trainings: Sequence[Kept], resampling: Resampling
) -> pd.DataFrame:
    """Score the question for opacity at the second hospital, where physicians called pneumonia.

    Parameters
    ----------
    cohort : Cohort
    trainings : sequence of Kept
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns method, place and the estimate's: AUROC of the model and of the file's bytes, the
        fewer the likelier pneumonia, over all images and as a mean over the deciles of bytes with
        ten or more images of each class; NaN without any.
    """
    items = cohort.second_site
    site = cohort.abroad.images
    truth = pd.Series([float(item.answer == YES_NO[0]) for item in items], site.index)
    deciles = pd.qcut(site["bytes"], N_DECILES, labels=False, duplicates="drop")

    def by_decile(values: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({f"{k}": values.where(deciles == k) for k in deciles.unique()})

    scored = {
        f"{FULL}/{seed}": pd.Series(margins(items, kept, SECOND_SITE).to_numpy(), site.index)
        for seed, kept in enumerate(trainings)
    } | {"bytes/0": -site["bytes"].astype(float)}  # sharp files are larger, and of normal chests
    resampling = resampling.of(clusters=site["patient"])
    options = {"metrics": ("auroc",), "resampling": resampling}
    whole = {method: values.to_frame("all") for method, values in scored.items()}
    overall = agree(truth.to_frame("all"), whole, **options)
    within = agree(by_decile(truth), {m: by_decile(v) for m, v in scored.items()}, **options)
    rows = []
    for method in (FULL, "bytes"):
        names = [name for name in scored if name.startswith(f"{method}/")]
        for place, scores, key in (("all", overall, "all"), (WITHIN, within, MACRO_AVERAGE)):
            by_seed = [scores.estimate(name, key, "auroc") for name in names]
            mean = over_seeds(by_seed, resampling.seed)
            rows.append({"method": method, "place": place} | mean.row())
    return pd.DataFrame(rows)


def _by_seed(
    scores: SubgroupAgreement, finding: str, group: str, level: str, metric: str
) -> list[Estimate]:
    names = {cell: name for name, cell in scores.cells.items()}
    # Few images may be of nobody of 65 and older: NaN, of no case.
    name = names.get((finding, group, level))
    methods = dict.fromkeys(method for method, _, _ in scores.agreement.estimates)
    if name is not None:
        return [scores.agreement.estimate(method, name, metric) for method in methods]
    whole = names[finding, ALL_ROWS, ALL_ROWS]
    found = [scores.agreement.estimate(method, whole, metric) for method in methods]
    return [
        Estimate.like(every, np.nan, np.full_like(every.replicates, np.nan), n=0, positives=0)
        for every in found
    ]


def _too_few(estimate: Estimate) -> bool:
    return min(estimate.positives, estimate.n - estimate.positives) < MINIMUM_EVENTS
