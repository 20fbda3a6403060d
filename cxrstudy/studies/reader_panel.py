"""Study 02b: eight radiologists who read the same images, beside a report labeler."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, mean_estimate
from cxrstudy.data.chexpert_test import BENCHMARK_READERS, ChexpertTestLabels
from cxrstudy.experiments.readers import MINIMUM_EVENTS, count_votes, majority
from cxrstudy.observations import COMPETITION_OBSERVATIONS, apply_uncertainty_policy
from cxrstudy.words import in_sentence

WORDS: Mapping[str, str] = {
    "labeler, zeros": "labeler, uncertain as negative",
    "labeler, ones": "labeler, uncertain as positive",
    "image reader - labeler, zeros": "reader minus labeler, uncertain as negative",
    "image reader - labeler, ones": "reader minus labeler, uncertain as positive",
    "labeler_pessimistic": "labeler, uncertain at worst",
    "labeler_optimistic": "labeler, uncertain at best",
    "fpr": "false-positive rate",
    "tpr": "true-positive rate",
}

# Claim, and how the names of its points in Figure 3 begin.
FIGURE3_CLAIMS = {
    "chexpert.reader_points": ("rad", "majority"),
    "chexpert.labeler_points": ("labeler",),
}


def positives_by_reader(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count the studies that each reader calls positive; readers as columns."""
    counts = {name: table.sum().astype(int) for name, table in readers.items()}
    return pd.DataFrame(counts).rename_axis("observation")


def labeler_readings(labeler: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read the labeler's uncertain labels as negative (zeros) and as positive (ones)."""
    policies = ("zeros", "ones")
    return {f"labeler, {policy}": apply_uncertainty_policy(labeler, policy) for policy in policies}


def benchmark_sources(released: ChexpertTestLabels) -> dict[str, pd.DataFrame]:
    """Collect who took no part in the truth: three readers' majority, the labeler, the three."""
    benchmark = {name: released.readers[name] for name in BENCHMARK_READERS}
    together = {"majority of three": majority(benchmark)}
    return together | labeler_readings(released.labeler) | benchmark


def figure3_sources(released: ChexpertTestLabels) -> dict[str, pd.DataFrame]:
    """Collect the labels behind the points of CheXpert's Figure 3, under the figure's names."""
    found = benchmark_sources(released)
    sources = {f"rad{i}": found[name] for i, name in enumerate(BENCHMARK_READERS, start=1)}
    sources["majority"] = found["majority of three"]
    for policy in ("pessimistic", "optimistic"):
        labels = apply_uncertainty_policy(released.labeler, policy, released.truth)
        sources[f"labeler_{policy}"] = labels
    return {name: table[list(COMPETITION_OBSERVATIONS)] for name, table in sources.items()}


def operating_points(
    truth: pd.DataFrame, predictions: Mapping[str, pd.DataFrame], resampling: Resampling
) -> pd.DataFrame:
    """Rates at which labels are positive where the truth is negative (fpr) and positive (tpr).

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Labels 1 and 0.
    predictions : mapping of str to DataFrame
        Labels 1 and 0 of each source, of some of these observations.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns source, rate ("fpr" or "tpr"), observation, estimate, low, high, n, positives.
    """
    observations = list(next(iter(predictions.values())))
    found = agree(
        truth[observations],
        predictions,
        metrics=("specificity", "recall"),
        resampling=resampling,
        min_events=0,
    )
    rows = []
    for source in predictions:
        for observation in observations:
            rates = {
                "fpr": 1 - found.estimate(source, observation, "specificity"),
                "tpr": found.estimate(source, observation, "recall"),
            }
            rows += [
                {"source": source, "rate": rate, "observation": observation} | estimate.row()
                for rate, estimate in rates.items()
            ]
    return pd.DataFrame(rows)


def answer_in_words(reader: pd.Series, kappa: pd.Series, behind: pd.Series, n_findings: int) -> str:
    """Say how far readers agree, and whether the labeler stays behind one of them."""
    answer = (
        f"To a mean F1 of {reader['estimate']:.3f} over {n_findings} findings, each against the "
        f"majority of the other seven; Fleiss' kappa is {kappa['estimate']:.2f}."
    )
    if behind["low"] > 0:
        return f"{answer} CheXpert's labeler stays behind a reader by {in_sentence(behind)}."
    where = "is ahead of a reader" if behind["high"] < 0 else "is not told from a reader"
    return f"{answer} CheXpert's labeler {where}: {in_sentence(behind, sign='+')}."


def points_as_printed(points: pd.DataFrame) -> pd.DataFrame:
    """Lay operating points out as CheXpert's Figure 3 does.

    >>> rows = [("rad1", "fpr", "Edema", 0.25), ("rad1", "tpr", "Edema", 0.75)]
    >>> names = ["source", "rate", "observation", "estimate"]
    >>> points_as_printed(pd.DataFrame(rows, columns=names))
    observation  Edema
    row
    rad1 fpr      0.25
    rad1 tpr      0.75
    """
    named = points.assign(row=points["source"] + " " + points["rate"])
    return named.pivot_table("estimate", index="row", columns="observation")


def points_in_words(cells: pd.DataFrame) -> dict[str, str]:
    """Word each point of Figure 3, such as "labeler, uncertain at best: true-positive rate"."""
    named = {point: point.split() for point in cells["point"].unique()}
    return {
        point: f"{WORDS.get(source, source)}: {WORDS[rate]}"
        for point, (source, rate) in named.items()
    }


def figure3_measurements(cells: pd.DataFrame) -> dict[str, dict]:
    """Count, for each claim about Figure 3, the cells that it is recorded with."""
    measured = {}
    for claim, beginnings in FIGURE3_CLAIMS.items():
        part = cells[cells["point"].str.startswith(beginnings)]
        named = ", ".join(part.loc[~part["agrees"], "observation"].unique())
        measured[claim] = {
            "published": f"{len(part)} coordinates",
            "cells": len(part),
            "matching": int(part["agrees"].sum()),
            "detail": f"Exceptions: {named}." if named else "",
        }
    return measured


def fleiss_kappas(readers: Mapping[str, pd.DataFrame], resampling: Resampling) -> pd.DataFrame:
    """Agreement of all readers with each other beyond chance, for each observation.

    Parameters
    ----------
    readers : mapping of str to DataFrame, each of shape (n_studies, n_observations)
        Labels 1 and 0.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Columns observation, estimate, low, high (BCa), positives (mean over readers), undefined
        (replicates), too_few and statistic; the last row is the mean over the observations with
        enough positives and negatives.

    References
    ----------
    Fleiss 1971, "Measuring nominal scale agreement among many raters".
    """
    votes = count_votes(readers)
    n, n_readers = len(votes), len(readers)
    counts = votes.to_numpy(np.float64)
    drawn = fleiss_kappa(counts, n_readers, resampling.drawn_rows(n))
    value = fleiss_kappa(counts, n_readers, np.ones((1, n)))[0]
    left_out = fleiss_kappa(counts, n_readers, 1 - np.eye(n))
    positives = votes.sum() / n_readers
    estimates = {
        name: Estimate(
            value=float(value[j]),
            replicates=drawn[:, j],
            jackknife=left_out[:, j],
            n=n,
            positives=round(positives[name]),
            resample_key=("fleiss", n, resampling.replicates, resampling.seed),
        )
        for j, name in enumerate(votes)
    }
    few = np.minimum(positives, n - positives) < MINIMUM_EVENTS
    judged = [estimates[name] for name in votes if not few[name]]
    if judged:
        estimates[MACRO_AVERAGE] = mean_estimate(judged)
    rows = [
        {"observation": name, "undefined": estimate.undefined, "too_few": bool(few.get(name))}
        | estimate.row()
        for name, estimate in estimates.items()
    ]
    names = ["observation", *LIMITS, "positives", "undefined", "too_few"]
    return pd.DataFrame(rows, columns=names).assign(statistic="Fleiss' kappa")


def fleiss_kappa(votes: NDArray, n_readers: int, weights: NDArray) -> NDArray[np.float64]:
    """Fleiss' kappa from the number of readers who say yes, shape (n_studies, n_observations).

    Each row of ``weights``, shape (n_weightings, n_studies), gives a row of values; NaN where all
    readers give the same answer to every study.
    """
    weights = np.asarray(weights, np.float64)
    pairs = n_readers * (n_readers - 1)
    same = (votes * (votes - 1) + (n_readers - votes) * (n_readers - votes - 1)) / pairs
    total = weights.sum(axis=1, keepdims=True)
    observed = weights @ same / total
    yes = weights @ votes / (total * n_readers)
    by_chance = yes**2 + (1 - yes) ** 2
    constant = (yes <= 0) | (yes >= 1)
    return np.where(
        constant, np.nan, (observed - by_chance) / np.where(constant, 1.0, 1 - by_chance)
    )
