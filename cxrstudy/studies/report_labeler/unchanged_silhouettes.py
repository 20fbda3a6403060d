"""Silhouettes that a report only calls unchanged: how often people coded them as enlarged."""

import re
from collections.abc import Sequence

import pandas as pd

_UNCHANGED = r"(?:stable|unchanged|similar)"
_SILHOUETTES = {
    "Enlarged Cardiomediastinum": r"(?:cardio\s?)?mediastinal silhouettes?",
    "Cardiomegaly": r"(?:cardiac|heart) silhouettes?",
}


def unchanged_silhouettes(
    texts: Sequence[str], codes: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """Count reports that call a silhouette unchanged and say nothing else of its size.

    The CheXpert labeler's rules make such a mention uncertain, since an enlarged silhouette may
    be unchanged as well as a normal one.

    Parameters
    ----------
    texts : sequence of str, length n_reports
    codes : DataFrame, shape (n_reports, n_observations)
        Human codes, 1 or 0; an observation without a column is left out.
    labels : DataFrame, shape (n_reports, n_observations)
        Of a labeler that leaves such mentions blank; a report with any other label of the
        observation says more and is not counted.

    Returns
    -------
    DataFrame
        Columns observation, reports, coded, share coded.

    References
    ----------
    Irvin et al. 2019; rule file of the published labeler.
    """
    rows = []
    for observation in codes.columns.intersection(list(_SILHOUETTES)):
        silhouette = _SILHOUETTES[observation]
        within_sentence = re.compile(
            rf"{_UNCHANGED}[^.;]*\b{silhouette}|\b{silhouette}[^.;]*{_UNCHANGED}", re.IGNORECASE
        )
        found = pd.Series([bool(within_sentence.search(text)) for text in texts], codes.index)
        only = found & labels[observation].isna()
        coded = int(codes.loc[only, observation].sum())
        rows.append({"observation": observation, "reports": int(only.sum()), "coded": coded})
    table = pd.DataFrame(rows, columns=["observation", "reports", "coded"])
    return table.assign(**{"share coded": table["coded"] / table["reports"]})
