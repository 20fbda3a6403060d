"""Tables as users have them: spelling, codes, ids, and what cannot be read."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.audit import read_given
from cxrstudy.data.tables import LabelTableError


def _read(tmp_path, content: str | bytes, **options):
    path = tmp_path / "own.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_given(path, "labels", **options)


def test_observations_are_recognised_in_other_spellings_and_terms(tmp_path):
    table = _read(
        tmp_path, "Accession Number,pleural_effusion,LUNG-OPACITY,Effusion,site\n7,1,0,-1,A\n"
    )
    assert table.ids.tolist() == ["7"]
    # The observation's own name wins over a term for it; the term stays a column of its own.
    assert list(table.values) == ["Pleural Effusion", "Lung Opacity", "Effusion"]
    assert table.spelled(["Pleural Effusion"]) == ["pleural_effusion"]
    assert list(table.others) == ["site"] and not table.findings
    by_term = _read(tmp_path, "id,Effusion\n7,1\n")
    assert list(by_term.values) == ["Pleural Effusion"]


def test_own_columns_are_kept_if_they_hold_codes(tmp_path):
    table = _read(tmp_path, "id,Edema,Hernia,comment,age\na,1,1,fine,40\nb,,0,,41\n")
    assert list(table.values) == ["Edema", "Hernia"]
    assert list(table.others) == ["comment", "age"]


def test_words_are_read_as_codes_and_other_cells_are_reported(tmp_path):
    table = _read(tmp_path, "id,Edema\na,Positive\nb,no\nc,uncertain\nd,\ne,7\nf,<b>\n")
    assert table.values["Edema"].tolist()[:3] == [1.0, 0.0, -1.0]
    assert table.values["Edema"].isna().tolist() == [False] * 3 + [True] * 3
    (finding,) = table.findings
    assert (finding.kind, finding.severity, finding.rows) == ("encoding", "error", [4, 5])
    assert "2 cells" in finding.sentence and "first in row 4" in finding.sentence
    assert "<b>" not in str(finding.as_record())  # a cell may hold a patient's text


def test_two_notations_in_one_column_are_reported(tmp_path):
    table = _read(tmp_path, "id,Edema\na,1\nb,0\nc,1\nd,yes\n")
    assert table.values["Edema"].tolist() == [1, 0, 1, 1]
    (finding,) = table.findings
    assert (finding.severity, finding.rows) == ("warning", [3, 3])


def test_lines_in_another_encoding_are_read_and_reported(tmp_path):
    content = b"id,Edema,site\na,1,x\n" + "b,0,Köln\n".encode("cp1252")
    table = _read(tmp_path, content)
    assert table.others["site"].tolist() == ["x", "Köln"]
    (finding,) = table.findings
    assert (finding.kind, finding.rows, finding.columns) == ("encoding", [1, 1], ["site"])
    broken = _read(tmp_path, "id,Edema,site\na,1,KÃ¶ln\n")
    assert broken.findings[0].columns == ["site"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_understood(tmp_path, separator):
    table = _read(tmp_path, "id,Edema\na,1\n".replace(",", separator))
    assert table.values["Edema"].tolist() == [1]


def test_the_id_column_is_found_or_named(tmp_path):
    rows = "".join(f"x{k},g{k % 2},1\n" for k in range(9))
    found = _read(tmp_path, f"name,part,Edema\n{rows}")
    assert found.ids[0] == "x0"
    named = _read(tmp_path, f"name,part,Edema\n{rows}", id_column="Part")
    assert named.ids[0] == "g0"
    with pytest.raises(LabelTableError, match="no id column 'none'"):
        _read(tmp_path, f"name,part,Edema\n{rows}", id_column="none")
    with pytest.raises(LabelTableError, match=r"own\.csv, row 1: no id column found.*--id"):
        _read(tmp_path, "Fracture,Edema\n1,1\n0,0\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("id,Edema\n", "the file is empty"),
        ("id,Edema\na\n", "row 2: 1 "),
    ],
)
def test_what_is_no_table_is_one_clear_error(tmp_path, content, message):
    with pytest.raises(LabelTableError, match=message):
        _read(tmp_path, content)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(LabelTableError, match="no such file"):
        read_given(tmp_path / "none.csv", "labels")


def test_parquet_and_csv_read_alike(tmp_path):
    table = pd.DataFrame({"study": ["a", "b"], "Edema": [1, None]})
    table.to_parquet(tmp_path / "own.parquet")
    read = read_given(tmp_path / "own.parquet", "labels")
    assert read.values["Edema"].tolist()[0] == 1 and np.isnan(read.values["Edema"][1])


def test_scores_keep_any_number_and_report_percent_among_shares(tmp_path):
    table = _read(tmp_path, "id,Edema\na,0.5\nb,0.25\nc,61\nd,x\n", holds="scores")
    assert table.values["Edema"].tolist()[:3] == [0.5, 0.25, 61.0]
    assert [(f.severity, f.rows) for f in table.findings] == [("error", [3, 3])]
    percent = _read(tmp_path, "id,Edema\na,0.5\nb,0.25\nc,61\n", holds="scores")
    assert [(f.severity, f.rows) for f in percent.findings] == [("warning", [2, 2])]
    logits = _read(tmp_path, "id,Edema\na,-3.5\nb,1.25\nc,2\n", holds="scores")
    assert not logits.findings
