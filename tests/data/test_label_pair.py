"""The pair of tables under study: the test set, or two tables of one's own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.agreement import Resampling, agree
from cxrstudy.data.label_pair import (
    CHEXPERT_TEST,
    load_label_pair,
    study_orders,
    tables_as_given,
)
from cxrstudy.data.tables import LabelTableError

TRUTH = "study,Edema,Fracture\np1,1,0\np2,0,0\np3,1,0\np4,0,0\n"
LABELS = "study_id,Fracture,Edema,Pneumonia\np4,0,-1,1\np3,,1,\np2,0,,\np9,1,1,1\n"


@pytest.fixture
def own(tmp_path) -> tuple[str, str]:
    """Paths of two small tables that share three studies and two observations."""
    return _write(tmp_path, "truth.csv", TRUTH), _write(tmp_path, "labels.csv", LABELS)


def _write(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, "utf-8")
    return str(path)


def test_own_tables_are_matched_by_id(own):
    """Shared studies and observations are kept, the rest is counted and named."""
    pair = load_label_pair(*own)
    assert pair.truth.index.tolist() == pair.labels.index.tolist() == ["p2", "p3", "p4"]
    assert list(pair.labels) == ["Edema", "Fracture"]
    assert pair.labels["Edema"].tolist()[1:] == [1.0, -1.0]
    assert pair.name == "truth.csv and labels.csv"
    assert list(pair.alignments) == ["as given"]
    assert dict(zip(pair.left_out["table"], pair.left_out["examples"], strict=False)) == {
        "truth": "'p1'",
        "labels": "'Pneumonia'",
    }


def test_counts_by_hand(own):
    """Each code of truth and labels is counted over the shared studies."""
    counts = load_label_pair(*own).counts()
    assert counts.loc["Edema"].tolist() == [1, 2, 1, 0, 1, 1]
    assert counts.loc["Fracture"].tolist() == [0, 3, 0, 2, 0, 1]


def test_a_truth_with_uncertain_labels_is_refused(own, tmp_path):
    """The reference must be 1 and 0; the message names the table, row and column."""
    bad = _write(tmp_path, "bad.csv", TRUTH.replace("p3,1", "p3,-1"))
    with pytest.raises(LabelTableError, match=r"bad\.csv, row 4, column 'Edema'"):
        load_label_pair(bad, own[1])


@pytest.mark.parametrize("place", [0, 1])
def test_one_own_table_alone_is_refused(own, place):
    """Half a pair cannot be compared with the CheXpert test set."""
    given = [CHEXPERT_TEST, CHEXPERT_TEST]
    given[place] = own[place]
    with pytest.raises(LabelTableError, match="give both tables"):
        load_label_pair(*given)


def test_one_class_truth_is_left_out_in_sight(own):
    """An observation without positives is not scored, and none at all is a clear error."""
    pair = load_label_pair(*own)
    assert pair.scored_observations(1) == ["Edema"]
    with pytest.raises(LabelTableError, match="no observation has 2 image-positive.*lower"):
        pair.scored_observations(2)


def test_one_class_truth_is_flagged_by_agree(own):
    """Scored all the same, it is flagged as too few, has no kappa, and leaves the averages."""
    n = 40
    truth = pd.DataFrame({"Edema": [1.0, 0.0] * (n // 2), "Fracture": np.zeros(n)})
    table = agree(truth, {"reader": truth}, resampling=Resampling(50)).table()
    fracture = table.query("observation == 'Fracture'")
    assert fracture["too_few"].all()
    assert fracture.set_index("metric").loc["kappa", ["estimate", "low", "high"]].isna().all()
    average = table.query("observation == 'Average' and metric == 'f1'")
    assert average["estimate"].item() == 1.0


def test_studies_with_unknown_truth_are_dropped_and_counted(own, tmp_path):
    """A blank in the truth drops the study from the scored observations, in sight."""
    blank = _write(tmp_path, "blank.csv", TRUTH.replace("p3,1", "p3,"))
    pair = load_label_pair(blank, own[1])
    complete = pair.with_complete_truth(["Edema"])
    assert complete.truth.index.tolist() == complete.labels.index.tolist() == ["p2", "p4"]
    assert complete.alignments["as given"].equals(complete.labels)
    dropped = complete.left_out.iloc[-1]
    assert (dropped["count"], dropped["examples"]) == (1, "'p3'")
    unchanged = pair.with_complete_truth(["Fracture"])
    assert len(unchanged.truth) == 3 and unchanged.left_out.equals(pair.left_out)


def test_markup_in_ids_stays_text(tmp_path):
    """An id that is HTML is only ever shown as the examples' text."""
    script = "<script>alert(1)</script>"
    truth = _write(tmp_path, "truth.csv", TRUTH + f"{script},1,0\n")
    labels = _write(tmp_path, "labels.csv", LABELS)
    assert script in load_label_pair(truth, labels).left_out["examples"].iloc[0]


def test_as_given_keeps_order(own):
    """For the checks, columns and rows stay as in the files."""
    tables, paths = tables_as_given(*own)
    assert list(tables["labels"]) == ["Fracture", "Edema", "Pneumonia"]
    assert tables["labels"].index.tolist() == ["p4", "p3", "p2", "p9"]
    assert [str(path) for path in paths] == list(own)


def test_orders_hold_ids_only(own):
    """The order of ids needs no column."""
    orders = study_orders(*own)
    assert {name: table.shape for name, table in orders.items()} == {
        "truth": (4, 0), "labels": (4, 0),
    }  # fmt: skip


def test_the_test_set_has_two_alignments(chexpert, chexpert_as_released):
    """The repaired labels come first; the printed ids' alignment stands beside them."""
    pair = load_label_pair()
    assert list(pair.alignments) == ["repaired", "joined by printed id"]
    assert pair.labels.equals(chexpert.labeler)
    assert pair.alignments["joined by printed id"].equals(chexpert_as_released.labeler)
    assert pair.left_out.empty


def test_the_papers_rule_leaves_eight_conditions(chexpert):
    """50 image-positive studies of 500 leave the paper's eight conditions."""
    assert set(load_label_pair().scored_observations(50)) == {
        "Atelectasis", "Cardiomegaly", "Edema", "Pleural Effusion", "Enlarged Cardiomediastinum",
        "Lung Opacity", "Support Devices", "No Finding",
    }  # fmt: skip


def test_the_orders_of_the_test_set_include_the_models(chexpert):
    """Truth, labeler, eight readers and ten models have an order to compare."""
    assert len(study_orders()) == 20
