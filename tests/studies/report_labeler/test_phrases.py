"""Phrases inside longer words, and reports that only call a silhouette unchanged."""

import pandas as pd
import pytest

from cxrstudy.labeler import label_reports
from cxrstudy.studies.report_labeler.phrases import embedded_phrases, unchanged_silhouettes

TEXTS = [
    "No evidence of tuberculosis.",
    "Tuberculosis; endotracheal tube in place.",
    "Chest tubes removed.",
    "Tuberculous scarring. Platelike atelectasis and endplate change.",
    "Massive effusion.",
    "A masslike opacity.",
]


def _rows(show_words=True):
    return embedded_phrases(TEXTS, show_words).set_index("phrase")


def test_only_reports_without_the_word_itself_count():
    """Four reports hold "tube", two of them in tuberculosis only."""
    row = _rows().loc["tube"]
    assert row["observation"] == "Support Devices"
    assert (row["with_phrase"], row["inside_words_only"]) == (4, 2)
    assert row["longer_words"] == "tuberculosis 1, tuberculous 1"
    assert row["labeled_here"] == 0


def test_longer_words_are_counted_once_for_each_report():
    """Scarring is a scar to this labeler too; CheXpert's list excepts "massive", not "masslike"."""
    rows = _rows()
    assert rows.loc["plate", "longer_words"] == "endplate 1, platelike 1"
    assert rows.loc["scar", "labeled_here"] == 1
    assert rows.loc["mass", ["with_phrase", "longer_words"]].tolist() == [1, "masslike 1"]
    assert "catheter" not in rows.index and embedded_phrases(["A tube."], True).empty


def test_words_of_own_reports_are_not_given():
    """Counts only: a word of a patient's report may be a name."""
    table = _rows(show_words=False)
    assert set(table["longer_words"]) == {""} and table.loc["tube", "inside_words_only"] == 2


@pytest.mark.parametrize("word", ["plate-like", "PLATE-LIKE"])
def test_a_part_of_a_hyphenated_word_is_the_word_itself(word):
    """It is bounded, so a search for whole words finds it too."""
    assert embedded_phrases([f"A {word} opacity."], True, {"Support Devices": ("plate",)}).empty


SILHOUETTES = [
    "Stable cardiomediastinal silhouette.",
    "The cardiomediastinal silhouette is unchanged.",
    "The cardiomediastinal silhouette is stable and enlarged.",
    "Stable effusion. The cardiomediastinal silhouette is normal.",
    "The cardiac silhouette is unchanged.",
]


def test_only_reports_that_say_nothing_else_are_counted():
    observations = ["Enlarged Cardiomediastinum", "Cardiomegaly"]
    codes = pd.DataFrame(0.0, index=range(5), columns=observations)
    codes.loc[1, "Enlarged Cardiomediastinum"] = 1
    table = unchanged_silhouettes(SILHOUETTES, codes, label_reports(SILHOUETTES))
    table = table.set_index("observation")
    assert table.loc["Enlarged Cardiomediastinum", ["reports", "coded"]].tolist() == [2, 1]
    assert table.loc["Cardiomegaly", ["reports", "coded"]].tolist() == [1, 0]
    assert table.loc["Enlarged Cardiomediastinum", "share coded"] == 0.5
