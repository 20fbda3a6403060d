"""Reports that only call a silhouette unchanged."""

import pandas as pd

from cxrstudy.labeler import label_reports
from cxrstudy.studies.report_labeler.unchanged_silhouettes import unchanged_silhouettes

TEXTS = [
    "Stable cardiomediastinal silhouette.",
    "The cardiomediastinal silhouette is unchanged.",
    "The cardiomediastinal silhouette is stable and enlarged.",
    "Stable effusion. The cardiomediastinal silhouette is normal.",
    "The cardiac silhouette is unchanged.",
]


def test_only_reports_that_say_nothing_else_are_counted():
    codes = pd.DataFrame(
        0.0, index=range(5), columns=["Enlarged Cardiomediastinum", "Cardiomegaly"]
    )
    codes.loc[1, "Enlarged Cardiomediastinum"] = 1
    table = unchanged_silhouettes(TEXTS, codes, label_reports(TEXTS)).set_index("observation")
    assert table.loc["Enlarged Cardiomediastinum", ["reports", "coded"]].tolist() == [2, 1]
    assert table.loc["Cardiomegaly", ["reports", "coded"]].tolist() == [1, 0]
    assert table.loc["Enlarged Cardiomediastinum", "share coded"] == 0.5
