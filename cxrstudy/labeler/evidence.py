"""How the labeler reads sentences, as a table."""

from collections.abc import Iterable

import pandas as pd

from cxrstudy.labeler import explain_report
from cxrstudy.observations import LABEL_CODES


def mentions_table(sentences: Iterable[str]) -> pd.DataFrame:
    """List what the labeler finds in each sentence, and why.

    Parameters
    ----------
    sentences : iterable of str

    Returns
    -------
    DataFrame of str
        Columns sentence, observation, label, rule, finding and cue: a row for each mention, or
        one with blanks for a sentence without any.
    """
    rows = []
    for sentence in sentences:
        mentions = explain_report(sentence)
        rows += [
            (sentence, m.observation, LABEL_CODES[m.label], m.rule, m.finding, m.cue)
            for m in mentions
        ] or [(sentence, "", "", "", "", "")]
    return pd.DataFrame(
        rows, columns=["sentence", "observation", "label", "rule", "finding", "cue"]
    )
