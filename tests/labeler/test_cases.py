"""Sentences whose labels are clear to a reader, in every layout that a report may have."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from cxrstudy.labeler import explain_report, label_reports, mentions_table

GROUPS = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text("utf-8"))
CASES = [pytest.param(case, id=case["text"][:60]) for cases in GROUPS.values() for case in cases]


def _labels(text: str) -> dict[str, int]:
    return label_reports([text]).iloc[0].dropna().astype(int).to_dict()


@pytest.mark.parametrize("case", CASES)
def test_sentence_has_the_labels_that_a_reader_gives_it(case):
    expected = {name: code for name, code in case.items() if name != "text"}
    found = _labels(case["text"])
    if "No Finding" not in expected:
        found.pop("No Finding", None)
    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_case_white_space_and_line_breaks_do_not_matter(case):
    text = case["text"]
    wanted = _labels(text)
    assert _labels(text.upper()) == wanted
    assert _labels(text.lower()) == wanted
    if "-\n" not in text:
        assert _labels(text.replace(" ", "\n")) == wanted
        assert _labels(text.replace(" ", " \t\r\n\n ")) == wanted
        assert _labels(" ".join(text.split())) == wanted


@pytest.mark.parametrize("case", CASES)
def test_evidence_alone_gives_the_label_again(case):
    text = case["text"]
    mentions = explain_report(text)
    for observation, label in _labels(text).items():
        decisive = [m for m in mentions if (m.observation, m.label) == (observation, label)]
        assert decisive, f"no evidence for {observation}"
        alone = text[decisive[0].start : decisive[0].end]
        assert _labels(alone)[observation] == label


def test_a_report_is_labeled_alike_alone_and_in_a_batch():
    texts = [case["text"] for cases in GROUPS.values() for case in cases]
    together = label_reports(texts).to_numpy()
    alone = np.vstack([label_reports([text]).to_numpy() for text in texts])
    np.testing.assert_array_equal(together, alone)
    assert label_reports(["", " \n\t ", "...", "\0"]).isna().to_numpy().all()
    assert label_reports([]).shape == (0, 14)


def test_sentences_of_a_second_hand_have_its_labels():
    """Written without sight of the lexicon; all are checked before the test fails."""
    path = Path(__file__).with_name("independent_cases.yaml")
    failures = []
    for case in yaml.safe_load(path.read_text("utf-8")):
        free = {"text", "unscored", *case.get("unscored", ())}
        free |= set() if "No Finding" in case else {"No Finding"}
        wanted = {k: v for k, v in case.items() if k not in free and v is not None}
        found = {k: v for k, v in _labels(case["text"]).items() if k not in free}
        if found != wanted:
            failures.append((case["text"], wanted, found))
    assert not failures


def test_a_row_for_each_mention_and_one_for_a_sentence_without():
    """Codes are given by name; nothing found is not nothing shown."""
    table = mentions_table(["No pneumothorax but possible effusion.", "Rotated."])
    found = table.set_index("observation")
    assert found.loc["Pneumothorax", ["label", "cue"]].tolist() == ["negative", "No"]
    assert found.loc["Pleural Effusion", ["label", "finding"]].tolist() == ["uncertain", "effusion"]
    assert "Rotated." in set(table["sentence"])
    assert mentions_table([""]).to_numpy().tolist() == [[""] * 6]
