"""The pair of tables under study: the test set, or two tables of one's own."""

from pathlib import Path

import pytest

from cxrstudy.data.chexpert_test import NAME as CHEXPERT
from cxrstudy.data.label_pair import load_label_pair, tables_as_given
from cxrstudy.data.tables import LabelTableError

TRUTH = "study,Edema,Fracture\np1,1,0\np2,0,0\np3,1,0\np4,0,0\n"
LABELS = "study_id,Fracture,Edema,Pneumonia\np4,0,-1,1\np3,,1,\np2,0,,\np9,1,1,1\n"


@pytest.fixture
def own(tmp_path) -> tuple[str, str]:
    return _write(tmp_path, "truth.csv", TRUTH), _write(tmp_path, "labels.csv", LABELS)


def _write(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, "utf-8")
    return str(path)


def test_own_tables_are_matched_by_id_and_counted(own):
    pair = load_label_pair(*own)
    assert pair.truth.index.tolist() == pair.labels.index.tolist() == ["p2", "p3", "p4"]
    assert list(pair.labels) == ["Edema", "Fracture"]
    assert pair.labels["Edema"].tolist()[1:] == [1.0, -1.0]
    assert pair.name == "truth.csv and labels.csv" and not pair.is_chexpert
    left_out = zip(pair.left_out["table"], pair.left_out["examples"], strict=False)
    assert dict(left_out) == {"truth": "'p1'", "labels": "'Pneumonia'"}
    counts = pair.counts()
    assert counts.loc["Edema"].tolist() == [1, 2, 1, 0, 1, 1]
    assert counts.loc["Fracture"].tolist() == [0, 3, 0, 2, 0, 1]


def test_an_uncertain_truth_and_one_own_table_alone_are_refused(own, tmp_path):
    bad = _write(tmp_path, "bad.csv", TRUTH.replace("p3,1", "p3,-1"))
    with pytest.raises(LabelTableError, match=r"bad\.csv, row 4, column 'Edema'"):
        load_label_pair(bad, own[1])
    for pair in ((own[0], CHEXPERT), (CHEXPERT, own[1])):
        with pytest.raises(LabelTableError, match="give both tables"):
            load_label_pair(*pair)


def test_one_class_truth_is_left_out_in_sight(own):
    pair = load_label_pair(*own)
    assert pair.scored_observations(1) == ["Edema"]
    with pytest.raises(LabelTableError, match="no observation has 2 image-positive.*lower"):
        pair.scored_observations(2)


def test_studies_with_unknown_truth_are_dropped_and_counted(own, tmp_path):
    blank = _write(tmp_path, "blank.csv", TRUTH.replace("p3,1", "p3,"))
    pair = load_label_pair(blank, own[1])
    complete = pair.with_complete_truth(["Edema"])
    assert complete.truth.index.tolist() == complete.labels.index.tolist() == ["p2", "p4"]
    dropped = complete.left_out.iloc[-1]
    assert (dropped["count"], dropped["examples"]) == (1, "'p3'")
    unchanged = pair.with_complete_truth(["Fracture"])
    assert len(unchanged.truth) == 3 and unchanged.left_out.equals(pair.left_out)


def test_as_given_keeps_order(own):
    tables, paths = tables_as_given(*own)
    assert list(tables["labels"]) == ["Fracture", "Edema", "Pneumonia"]
    assert tables["labels"].index.tolist() == ["p4", "p3", "p2", "p9"]
    assert [str(path) for path in paths] == list(own)


def test_the_papers_rule_leaves_eight_conditions(chexpert):
    """Of the test set, repaired, 50 image-positive studies leave the paper's eight conditions."""
    pair = load_label_pair(CHEXPERT, CHEXPERT)
    assert pair.is_chexpert and pair.labels.equals(chexpert.labeler) and pair.left_out.empty
    assert set(pair.scored_observations(50)) == {
        "Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion", "Enlarged Cardiomediastinum",
        "Lung Opacity", "Support Devices", "No Finding",
    }  # fmt: skip
