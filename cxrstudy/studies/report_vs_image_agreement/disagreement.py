"""Counts behind every score: who disagrees with whom, how often, and what a constant scores."""

import pandas as pd

from cxrstudy.observations import NEGATIVE, POSITIVE, UNCERTAIN


def disagreement_counts(truth: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count the studies on which report and image label differ, as VisualCheXbert's Table 3 does.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Image labels 1 and 0.
    labels : DataFrame, same shape
        Report codes 1, 0, -1 and NaN; a blank counts as negative, an uncertain label as neither.

    Returns
    -------
    DataFrame of int
        Indexed by observation: image_positive_report_negative, image_negative_report_positive,
        uncertain_image_positive, uncertain_image_negative.

    References
    ----------
    Jain et al. 2021, Table 3. That its counts leave uncertain labels out follows from Table 1.
    """
    labels = labels[truth.columns]
    present, absent = truth == POSITIVE, truth == NEGATIVE
    denied = labels.isna() | (labels == NEGATIVE)
    return pd.DataFrame(
        {
            "image_positive_report_negative": (present & denied).sum(),
            "image_negative_report_positive": (absent & (labels == POSITIVE)).sum(),
            "uncertain_image_positive": (present & (labels == UNCERTAIN)).sum(),
            "uncertain_image_negative": (absent & (labels == UNCERTAIN)).sum(),
        }
    ).rename_axis("observation")


def always_positive_f1(truth: pd.DataFrame) -> pd.Series:
    """F1 of a labeler that calls every study positive: the floor of every F1.

    Parameters
    ----------
    truth : DataFrame, shape (n_studies, n_observations)
        Image labels 1 and 0.

    Returns
    -------
    Series
        ``2 p / (1 + p)`` for prevalence p, by observation.
    """
    prevalence = truth.mean()
    return (2 * prevalence / (1 + prevalence)).rename("always positive F1")
