"""Labeling a file: whole or not at all, piece by piece, and as a table that the package reads."""

import csv
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.tables import read_label_table
from cxrstudy.labeler.files import ReportFileError
from cxrstudy.labeler.label_file import label_file
from cxrstudy.observations import OBSERVATIONS

WORDS = {"edema": 1.0, "no edema": 0.0, "maybe edema": -1.0}
REPORTS = [("007", "edema"), ("b", "no edema"), ("c,d", "maybe edema"), ("NA", " "), ("e", "x")]


def label_texts(texts: list[str]) -> pd.DataFrame:
    """Stand in for a labeler: one word, one observation."""
    labels = pd.DataFrame(np.nan, index=range(len(texts)), columns=list(OBSERVATIONS))
    labels["Edema"] = [WORDS.get(text, np.nan) for text in texts]
    return labels


def _write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "report"), *rows])
    return path


@pytest.fixture
def source(tmp_path):
    return _write(tmp_path / "reports.csv", REPORTS)


def test_the_written_table_is_a_label_table(source, tmp_path):
    """Ids and codes come back through the package's own strict reader; codes are whole numbers."""
    assert label_file(source, tmp_path / "labels.csv", label_texts) == len(REPORTS)
    table = read_label_table(tmp_path / "labels.csv")
    assert table.index.tolist() == [name for name, _ in REPORTS]
    assert tuple(table.columns) == OBSERVATIONS
    np.testing.assert_array_equal(table["Edema"], [1, 0, -1, np.nan, np.nan])
    assert table.drop(columns="Edema").isna().all(axis=None)
    whole = (tmp_path / "labels.csv").read_text("utf-8")
    lines = whole.split("\n")
    assert lines[0] == ",".join(["id", *OBSERVATIONS])
    assert lines[1] == "007,,,,,,1,,,,,,,,"
    assert lines[3] == '"c,d",,,,,,-1,,,,,,,,'
    assert lines[-1] == "" and len(lines) == 7
    for chunk_rows in (1, 2, 5, 100):
        label_file(source, tmp_path / "pieces.csv", label_texts, chunk_rows)
        assert (tmp_path / "pieces.csv").read_text("utf-8") == whole


def test_a_wrong_row_leaves_no_file(tmp_path):
    source = _write(tmp_path / "reports.csv", [*REPORTS, ("b", "edema")])
    with pytest.raises(ReportFileError, match="row 7, column 'id': id 'b' stands in .*row 3"):
        label_file(source, tmp_path / "labels.csv", label_texts, chunk_rows=1)
    assert [path.name for path in tmp_path.iterdir()] == ["reports.csv"]


def test_a_labeler_that_fails_leaves_the_older_file(source, tmp_path):
    destination = tmp_path / "labels.csv"
    destination.write_text("older")

    def fails(texts):
        if "maybe edema" in texts:
            raise KeyboardInterrupt
        return label_texts(texts)

    with pytest.raises(KeyboardInterrupt):
        label_file(source, destination, fails, chunk_rows=1)
    assert destination.read_text() == "older"
    assert {path.name for path in tmp_path.iterdir()} == {"reports.csv", "labels.csv"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("reports.csv", "is the file of reports itself"),
        ("link.csv", "is the file of reports itself"),
        ("folder.csv", "is a folder"),
        ("none/labels.csv", "no such folder"),
        ("labels.parquet", "written as CSV"),
    ],
)
def test_a_destination_that_cannot_be_is_refused_first(source, tmp_path, name, words):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(source)
    with pytest.raises(ReportFileError, match=words):
        label_file(source, tmp_path / name, _never)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels.iloc[1:], "4, 14"),
        (lambda labels: labels.drop(columns="Edema"), "5, 13"),
        (lambda labels: labels[labels.columns[::-1]], "columns"),
        (lambda labels: labels.assign(Edema=2.0), "code 2"),
    ],
)
def test_a_labeler_must_keep_its_contract(source, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        label_file(source, tmp_path / "labels.csv", lambda texts: change(label_texts(texts)))
    assert not (tmp_path / "labels.csv").exists()


GROWTH = """
import resource, sys
import pandas as pd
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.labeler.label_file import label_file

def label_texts(texts):
    return pd.DataFrame(0.0, index=range(len(texts)), columns=list(OBSERVATIONS))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

label_file(sys.argv[1], sys.argv[3], label_texts)
before = peak()
label_file(sys.argv[2], sys.argv[3], label_texts)
print((peak() - before) / (1024**2 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """200,000 reports of 1,000 characters, 200 MB of text: less than 100 MB more at the peak."""
    pytest.importorskip("resource")
    text = "No focal consolidation, effusion or pneumothorax. " * 20
    few = _write(tmp_path / "few.csv", ((f"s{n}", text) for n in range(100)))
    many = _write(tmp_path / "many.csv", ((f"s{n}", f"{text}{n}") for n in range(200_000)))
    # A process of its own, as a peak that an earlier test reached would hide this one.
    command = [sys.executable, "-c", GROWTH, few, many, tmp_path / "labels.csv"]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 100


def _never(texts):
    raise AssertionError("nothing should be labeled")
