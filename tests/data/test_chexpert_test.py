"""The CheXpert test-set labels: shapes, truth, repair, and what was published of them."""

import logging

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data import chexpert_test
from cxrstudy.data.chexpert_test import BENCHMARK_READERS, LABELER_FILES, TRUTH_READERS
from cxrstudy.data.registry import dataset
from cxrstudy.data.tables import LabelTableError, read_label_table
from cxrstudy.observations import COMPETITION_OBSERVATIONS, OBSERVATIONS

# Jain et al. 2021, Table 1; the last six are below the paper's rule of 50 and counted here once.
POSITIVES = {
    "Atelectasis": 153, "Cardiomegaly": 151, "Edema": 78, "Pleural Effusion": 104,
    "Enlarged Cardiomediastinum": 253, "Lung Opacity": 264, "Support Devices": 261,
    "No Finding": 62, "Consolidation": 29, "Pneumonia": 11, "Pneumothorax": 9,
    "Lung Lesion": 8, "Fracture": 5, "Pleural Other": 4,
}  # fmt: skip


def test_every_table_has_the_same_studies_and_columns(chexpert):
    tables = [chexpert.truth, chexpert.labeler, *chexpert.readers.values()]
    for table in tables:
        assert table.shape == (500, 14)
        assert tuple(table.columns) == OBSERVATIONS
        assert table.index.equals(chexpert.truth.index) and table.index.is_unique
    assert set(chexpert.readers) == {*TRUTH_READERS, *BENCHMARK_READERS}
    for binary in (chexpert.truth, *chexpert.readers.values()):
        assert set(np.unique(binary)) == {0.0, 1.0}
    assert set(chexpert.labeler.stack().dropna()) == {1.0, 0.0, -1.0}
    assert chexpert.labeler.isna().any(axis=None)


def test_ten_models_score_the_five_findings(chexpert):
    """Each model has a score for every study and competition finding; not all are probabilities."""
    assert len(chexpert.model_scores) == 10
    for scores in chexpert.model_scores.values():
        assert scores.shape == (500, 5) and tuple(scores.columns) == COMPETITION_OBSERVATIONS
        assert scores.index.equals(chexpert.truth.index)
        assert np.isfinite(scores).all(axis=None) and (scores >= 0).all(axis=None)


def test_truth_is_the_majority_of_its_five_readers_with_the_published_positives(chexpert):
    votes = sum(chexpert.readers[name] for name in TRUTH_READERS)
    pd.testing.assert_frame_equal((votes >= 3).astype(float), chexpert.truth)
    assert chexpert.truth.sum().astype(int).to_dict() == POSITIVES


def test_the_repair_is_the_alignment_by_row_position(chexpert, chexpert_as_released, caplog):
    """Repaired, row k of the labeler file belongs to row k of the truth file; 400 rows were so."""
    by_position = read_label_table(dataset(chexpert_test.NAME).path(LABELER_FILES[0]))
    np.testing.assert_array_equal(chexpert.labeler.to_numpy(), by_position.to_numpy())
    pd.testing.assert_frame_equal(chexpert.labeler[:400], chexpert_as_released.labeler[:400])
    assert not chexpert.labeler[400:].equals(chexpert_as_released.labeler[400:])
    with caplog.at_level(logging.INFO, logger="cxrstudy.data.chexpert_test"):
        chexpert_test.load.__wrapped__()
    assert "labeler/chexpert_labels.csv: rows 400 to 499 moved" in caplog.text


def test_released_tables_keep_ids_and_columns_as_printed(mirror):
    tables, paths = chexpert_test.released_tables()
    assert list(tables)[:2] == ["truth", "labels"] and len(tables) == 10
    assert "patient65240" in tables["labels"].index[400]
    assert "patient65240" in tables["truth"].index[499]
    assert len(paths) == 11
    assert paths[1].read_bytes() == paths[-1].read_bytes()


def test_scores_without_a_finding_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "own_predictions.csv"
    path.write_text("Study,Edema\np1,0.5\n")
    monkeypatch.setattr(
        chexpert_test, "dataset", lambda _: type("D", (), {"path": lambda *_: path})()
    )
    with pytest.raises(LabelTableError, match="own_predictions.csv.*each of the five findings"):
        chexpert_test.read_scores("own")
