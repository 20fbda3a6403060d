"""Sentences with what the labeler finds in them."""

from cxrstudy.labeler.evidence import mentions_table


def test_a_row_for_each_mention_and_one_for_a_sentence_without():
    """Codes are given by name; nothing found is not nothing shown."""
    table = mentions_table(["No pneumothorax but possible effusion.", "Rotated."])
    found = table.set_index("observation")
    assert found.loc["Pneumothorax", ["label", "cue"]].tolist() == ["negative", "No"]
    assert found.loc["Pleural Effusion", ["label", "finding"]].tolist() == ["uncertain", "effusion"]
    assert "Rotated." in set(table["sentence"])
    assert mentions_table([""]).to_numpy().tolist() == [[""] * 6]
