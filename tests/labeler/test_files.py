"""Files of reports: what is read is what was written, and one error for what cannot be read."""

import csv
import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.labeler.files import ReportFileError, read_reports

TRICKY = [
    ("007", "NA"),
    ("1e3", "null"),
    ("b", ""),
    ("c", 'Lungs, "clear".\nHeart\r\nnormal.\n\n'),
    ("d", "  Ödem, Lungs™ "),
    ("e", "id,report"),
    ("None", "None"),
]


def _write_csv(path, rows, header=("id", "report")):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _write_parquet(path, ids, reports, names=("id", "report")):
    pq.write_table(pa.table([pa.array(ids), pa.array(reports)], names=list(names)), path)
    return path


def _write_folder(path, rows):
    path.mkdir()
    for name, report in rows:
        (path / f"{name}.txt").write_bytes(report.encode())
    return path


def _rows(path, chunk_rows=2) -> list[tuple[str, str]]:
    table = pd.concat(list(read_reports(path, chunk_rows)))
    assert table.columns.tolist() == ["id", "report"]
    return list(table.itertuples(index=False, name=None))


def _error(path) -> str:
    with pytest.raises(ReportFileError) as caught:
        list(read_reports(path))
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_columns_are_found_by_name_and_empty_lines_passed_over(tmp_path):
    path = _write_csv(tmp_path / "r.csv", [("x", " a ", 1)], header=(" Report", "ID", "age"))
    assert _rows(path) == [("a", "x")]
    path.write_bytes(b"\xef\xbb\xbfid,report\r\n\r\n1,a\r\n\r\n")
    assert _rows(path) == [("1", "a")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"\n\n", ["empty"]),
        (b"id,report\n", ["no report"]),
        (b"id,text\n1,a\n", ["header", "column 'report' is missing", "'id', 'text'"]),
        (b"id;report\n1;a\n", ["column 'id' is missing", "commas"]),
        (b"id,report,Report\n1,a,b\n", ["column 'report' stands there 2 times"]),
        (b"id,report\n1,a\n,b\n", ["row 3", "column 'id'", "missing"]),
        (b"id,report\n1,a\n  ,b\n", ["row 3", "column 'id'", "missing"]),
        (b"id,report\n1,a\n2,b\n3,c\n1 ,d\n", ["row 5, column 'id'", "'1'", "row 2 already"]),
        (b"id,report\n1,a,b\n", ["row 2", "3 cells", "2", "quotes"]),
        (b"id,report\n1\n", ["row 2", "1 cells"]),
        (b'id,report\n1,"a\nb"\n2,"c\n', ["row 3", "quote"]),
        (b'id,report\n1,"a" b\n', ["row 2", "quote"]),
        (b'id,report\n1,"a\nb"\n2,\xe9\n', ["line 4", "0xe9", "UTF-8"]),
        ("id,report\n1,a\n".encode("utf-16"), ["line 1", "0xff", "UTF-8"]),
    ],
)
def test_a_csv_file_that_breaks_a_rule_is_one_clear_error(tmp_path, content, words):
    (tmp_path / "reports.csv").write_bytes(content)
    message = _error(tmp_path / "reports.csv")
    assert all(word in message for word in words), message


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.parquet", "r.pq", "folder"])
def test_every_kind_of_file_gives_back_what_was_written(tmp_path, name):
    """Ids keep their zeros, words that mean "missing" elsewhere are text, line breaks stay."""
    path = tmp_path / name
    if name == "folder":
        _write_folder(path, TRICKY)
    elif "csv" in name:
        _write_csv(path, TRICKY)
    else:
        _write_parquet(path, *zip(*TRICKY, strict=True))
    expected = sorted(TRICKY) if name == "folder" else TRICKY
    assert _rows(path) == expected


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8"))), max_size=5), st.integers(1, 3))
def test_any_text_survives_a_table(tmp_path_factory, texts, chunk_rows):
    rows = [(f"r{n}", text) for n, (text,) in enumerate([*texts, ("last",)])]
    path = tmp_path_factory.mktemp("csv") / "r.csv"
    assert _rows(_write_csv(path, rows), chunk_rows) == rows


def test_pieces_have_the_wanted_size(tmp_path):
    pieces = list(read_reports(_write_csv(tmp_path / "r.csv", TRICKY), 3))
    assert [piece.index.tolist() for piece in pieces] == [[0, 1, 2], [0, 1, 2], [0]]


def test_parquet_ids_may_be_whole_numbers_and_reports_missing(tmp_path):
    path = _write_parquet(tmp_path / "a.parquet", [7, 8], ["a", None])
    assert _rows(path) == [("7", "a"), ("8", "")]
    ids = pa.array(["x", "y"]).dictionary_encode()
    path = _write_parquet(tmp_path / "b.parquet", ids, pa.array(["a", "b"], pa.large_string()))
    assert _rows(path) == [("x", "a"), ("y", "b")]


def test_paths_that_are_no_reports_are_refused_at_once(tmp_path):
    other = tmp_path / "r.xlsx"
    other.write_bytes(b"x")
    with pytest.raises(ReportFileError, match=r"r\.xlsx: unknown kind of file '.xlsx'.*\.csv"):
        read_reports(other)
    with pytest.raises(ReportFileError, match="none.csv: no such file"):
        read_reports(tmp_path / "none.csv")


def test_a_folder_is_read_by_name_and_other_files_are_ignored(tmp_path):
    """Of its text files the one that is not UTF-8 is named, and no two may share an id."""
    folder = _write_folder(tmp_path / "f", [("s10", "b"), ("s1", "a")])
    (folder / "notes.md").write_text("x")
    assert _rows(folder) == [("s1", "a"), ("s10", "b")]
    (folder / "t.txt").write_bytes(b"one\ntwo \xff\n")
    assert "t.txt, line 2: byte 0xff" in _error(folder)
    (folder / "t.txt").unlink()
    (folder / "s1.TXT").write_text("y")
    if len(list(folder.iterdir())) == 4:  # some file systems ignore case
        assert "s1.TXT already" in _error(folder)
    (tmp_path / "g" / "inner").mkdir(parents=True)
    (tmp_path / "g" / "inner" / "a.txt").write_text("x")
    assert "no .txt file" in _error(tmp_path / "g")


def test_a_damaged_archive_is_named(tmp_path):
    path = _write_csv(tmp_path / "r.csv.gz", [(n, "text " * 50) for n in range(500)])
    path.write_bytes(path.read_bytes()[:-40])
    assert "not readable" in _error(path) and "damaged" in _error(path)
    path.write_bytes(b"id,report\n1,a\n")
    assert "not readable" in _error(path)


@pytest.mark.parametrize(
    ("ids", "reports", "names", "words"),
    [
        (["a"], ["x"], ("id", "text"), ["column 'report' is missing"]),
        (["a"], ["x"], ("id", "ID"), ["column 'id' stands there 2 times"]),
        ([1.0], ["x"], ("id", "report"), ["column 'id'", "double", "strings"]),
        (["a"], [1], ("id", "report"), ["column 'report'", "int64"]),
        (["a", None], ["x", "y"], ("id", "report"), ["row 2, column 'id'", "missing"]),
        (["a", "b", "a"], ["x", "y", "z"], ("id", "report"), ["row 3", "'a'", "row 1 already"]),
        (pa.array([], pa.string()), pa.array([], pa.string()), ("id", "report"), ["no rows"]),
    ],
)
def test_a_parquet_file_that_breaks_a_rule_is_one_clear_error(tmp_path, ids, reports, names, words):
    message = _error(_write_parquet(tmp_path / "r.parquet", ids, reports, names))
    assert all(word in message for word in words), message


def test_parquet_bytes_that_are_no_parquet_or_no_text_are_refused(tmp_path):
    path = tmp_path / "r.parquet"
    path.write_bytes(b"id,report\n1,a\n")
    assert "not a readable Parquet file" in _error(path)
    wrong = pa.StringArray.from_buffers(
        1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff")
    )
    _write_parquet(path, ["a"], wrong)
    assert "rows 1 to 1" in _error(path) and "UTF-8" in _error(path)


def test_a_repeated_id_is_found_across_pieces(tmp_path):
    rows = [(n, "x") for n in range(9999)] + [(0, "y")]
    path = _write_csv(tmp_path / "r.csv", rows)
    with pytest.raises(ReportFileError, match="row 10001, column 'id': id '0' stands in .*row 2 "):
        list(read_reports(path, 64))
