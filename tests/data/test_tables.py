"""Label tables: what is read, and what every kind of bad table is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.tables import LabelTableError, match_studies, read_label_table

GOOD = "study,Edema,Fracture\np1,1,0\np2,-1,\np3,0,1\n"


def _write(folder: Path, content: str | bytes, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _error(path: Path, **options) -> str:
    with pytest.raises(LabelTableError) as caught:
        read_label_table(path, **options)
    return str(caught.value)


def _expect(message: str, *parts: str) -> None:
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"


# What is accepted


def test_codes_are_read_as_numbers_and_blanks_as_missing(tmp_path):
    """The four label codes of a plain CSV come back as 1, 0, -1 and NaN."""
    table = read_label_table(_write(tmp_path, GOOD))
    expected = pd.DataFrame(
        {"Edema": [1.0, -1.0, 0.0], "Fracture": [0.0, np.nan, 1.0]},
        index=pd.Index(["p1", "p2", "p3"], name="study"),
    )
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip("\n").encode(),
        (GOOD + "\n\n,,\n").encode(),
        GOOD.replace(",", " , ").encode(),
        GOOD.replace("p1,1,0", '"p1","1","0"').encode(),
        GOOD.replace("p1,1,0", "p1,1.0,0.00").encode(),
        GOOD.replace("p2,-1,", "p2,-1,NaN").encode(),
        GOOD.replace("study,", "Study_ID,").encode(),
    ],
    ids=["BOM", "CRLF", "BOM and CRLF", "CR", "no last newline", "empty last rows", "spaces",
         "quotes", "floats", "NaN", "other id name"],
)  # fmt: skip
def test_harmless_variants_read_the_same(tmp_path, content):
    """Byte-order marks, line ends, spaces, quotes and float codes do not change the table."""
    plain = read_label_table(_write(tmp_path, GOOD, "plain.csv"))
    pd.testing.assert_frame_equal(read_label_table(_write(tmp_path, content)), plain)


def test_columns_come_in_chexpert_order_unless_kept(tmp_path):
    """Columns are sorted into the 14 observations' order; the file's order is kept on request."""
    path = _write(tmp_path, "Fracture,study,Edema\n1,p1,0\n")
    assert list(read_label_table(path)) == ["Edema", "Fracture"]
    assert list(read_label_table(path, keep_column_order=True)) == ["Fracture", "Edema"]


def test_a_quoted_newline_stays_inside_its_id(tmp_path):
    """A newline inside quotes belongs to the id and does not break the row."""
    table = read_label_table(_write(tmp_path, 'study,Edema\n"p\n1",1\np2,0\n'))
    assert table.index.tolist() == ["p\n1", "p2"]
    assert table["Edema"].tolist() == [1.0, 0.0]


def test_rows_count_records_after_a_quoted_newline(tmp_path):
    """After an id with a newline, a bad cell is named by its record, not by its line."""
    path = _write(tmp_path, 'study,Edema\n"p\n1",1\np2,9\n')
    _expect(_error(path), "row 3", "'Edema'", "'9'")


def test_markup_in_ids_passes_through_as_text(tmp_path):
    """HTML and formula-like ids are data: they come back unchanged."""
    ids = ["<script>alert(1)</script>", "=1+1", "<img src=x onerror=alert(1)>"]
    rows = "".join(f'"{name}",1\n' for name in ids)
    table = read_label_table(_write(tmp_path, f"study,Edema\n{rows}"))
    assert table.index.tolist() == ids


def test_numbers_as_ids_stay_text(tmp_path):
    """Leading zeros of an id survive, so that 007 and 7 are two studies."""
    table = read_label_table(_write(tmp_path, "study,Edema\n007,1\n7,0\n"))
    assert table.index.tolist() == ["007", "7"]


# What is refused, with file, row, column and remedy


def test_missing_file(tmp_path):
    """A path without a file is named."""
    _expect(_error(tmp_path / "none.csv"), "none.csv", "no such file", "Give the path")


@pytest.mark.parametrize("content", ["", "\n\n", "study,Edema\n", "study,Edema\n\n , \n"])
def test_empty_file_or_header_alone(tmp_path, content):
    """A file without a study is called empty and told what it needs."""
    _expect(_error(_write(tmp_path, content)), "own.csv", "empty", "at least one study")


def test_latin1_byte_names_its_row(tmp_path):
    """A UTF-8 file with one latin-1 byte in row 4 is told so, with the remedy."""
    content = "study,Edema\nü1,1\nü2,0\n".encode() + b"\xfc3,1\n"
    _expect(_error(_write(tmp_path, content)), "own.csv", "row 4", "0xfc", "UTF-8", "save it again")


def test_utf16_is_refused_in_row_1(tmp_path):
    """A spreadsheet's "Unicode text" is another encoding and is told so."""
    _expect(_error(_write(tmp_path, GOOD.encode("utf-16"))), "row 1", "UTF-8")


def test_semicolons_are_named_as_the_cause(tmp_path):
    """A semicolon-separated file has one column; the message says to use commas."""
    _expect(_error(_write(tmp_path, GOOD.replace(",", ";"))), "row 1", "one column", "commas")


@pytest.mark.parametrize(
    ("row", "cells"), [("p4,1", "2 cells"), ("p4,1,0,0", "4 cells"), ("", "0 cells")]
)
def test_ragged_rows(tmp_path, row, cells):
    """A row with too few, too many or no cells is named with its count."""
    content = GOOD.replace("p2,", f"{row}\np2,")
    _expect(_error(_write(tmp_path, content)), "own.csv", "row 3", cells, "header has 3", "quotes")


def test_unknown_column(tmp_path):
    """A column that is no observation is named, with the list of those that are."""
    message = _error(_write(tmp_path, GOOD.replace("Fracture", "Fractures")))
    _expect(message, "row 1", "unknown column 'Fractures'", "Pleural Other", "rename or drop")


def test_repeated_column(tmp_path):
    """An observation that stands in the header twice is refused."""
    _expect(
        _error(_write(tmp_path, GOOD.replace("Fracture", "Edema"))), "row 1", "'Edema'", "twice"
    )


def test_repeated_column_after_stripping(tmp_path):
    """Names that differ only in outer spaces are one name."""
    message = _error(_write(tmp_path, GOOD.replace("Fracture", " Edema ")))
    _expect(message, "'Edema'", "twice")


@pytest.mark.parametrize(
    ("header", "found"),
    [("patient,Edema,Fracture", "none of them"), ("study,ID,Fracture", "2 of them")],
)
def test_exactly_one_id_column(tmp_path, header, found):
    """No id column and two id columns are both refused, with the accepted names."""
    message = _error(_write(tmp_path, GOOD.replace("study,Edema,Fracture", header)))
    _expect(message, "row 1", "exactly one id column (study, study_id, id)", found)


def test_ids_alone_are_no_table(tmp_path):
    """A Parquet table with ids and no observation is refused."""
    path = tmp_path / "ids.parquet"
    pd.DataFrame({"study": ["p1"]}).to_parquet(path)
    _expect(_error(path), "no observation column")


def test_missing_ids(tmp_path):
    """Rows without an id are counted, the first is named."""
    message = _error(_write(tmp_path, GOOD.replace("p2,", " ,").replace("p3,", ",")))
    _expect(message, "row 3", "column 'study'", "2 such rows", "Give every study an id")


def test_duplicated_ids(tmp_path):
    """A repeated id is named with both rows."""
    message = _error(_write(tmp_path, GOOD.replace("p3,", "p1 ,")))
    _expect(message, "row 4", "id 'p1'", "row 2 already", "one row for each study")


@pytest.mark.parametrize(
    "cell",
    ["2", "-2", "0.5", "yes", "True", "1;0", "inf", "\N{ARABIC-INDIC DIGIT ONE}", "<b>1</b>"],
)
def test_values_outside_the_code(tmp_path, cell):
    """Anything but 1, 0, -1 and blank stops the reading at its row and column."""
    message = _error(_write(tmp_path, GOOD.replace("p3,0,1", f"p3,0,{cell}")))
    _expect(message, "own.csv", "row 4", "column 'Fracture'", repr(cell), "Use 1, 0, -1")


def test_uncertain_is_outside_the_code_of_a_truth_table(tmp_path):
    """A table that must hold 1 and 0 refuses -1 and names what it allows."""
    message = _error(_write(tmp_path, GOOD), codes=frozenset({0, 1}))
    _expect(message, "row 3", "column 'Edema'", "'-1'", "Use 1, 0 or leave the cell blank")


def test_wrong_cells_are_counted(tmp_path):
    """The first wrong cell is named and all of its column are counted."""
    message = _error(_write(tmp_path, "study,Edema\np1,1\np2,x\np3,y\n"))
    _expect(message, "row 3", "'x'", "2 such cells")


def test_an_unclosed_quote_is_one_clear_error(tmp_path):
    """A quote that never closes swallows the rest of a long file and is still told plainly."""
    rows = "".join(f"p{i},1\n" for i in range(40_000))
    message = _error(_write(tmp_path, f'study,Edema\n"p,1\n{rows}'))
    _expect(message, "own.csv", "row 2", "Close the quote")


def test_an_unclosed_quote_in_a_short_file(tmp_path):
    """The row in which the quote opens is named, not the end of the file."""
    message = _error(_write(tmp_path, GOOD.replace("p2,", '"p2,')))
    _expect(message, "own.csv", "row 3", "Close the quote")


# Parquet


def test_parquet_reads_like_csv(tmp_path):
    """Floats, nullable integers and an id index of a Parquet file give the CSV's table."""
    plain = read_label_table(_write(tmp_path, GOOD))
    floats, nullable, indexed = (tmp_path / f"{name}.parquet" for name in "abc")
    plain.reset_index().to_parquet(floats)
    plain.astype("Int8").reset_index().to_parquet(nullable)
    plain.astype("Int64").to_parquet(indexed)
    for path in (floats, nullable, indexed):
        pd.testing.assert_frame_equal(read_label_table(path), plain)


def test_parquet_keeps_integer_ids_as_text(tmp_path):
    """Integer ids of a Parquet file match the same ids of a CSV."""
    path = tmp_path / "own.parquet"
    pd.DataFrame({"study_id": [7, 12], "Edema": [1, 0]}).to_parquet(path)
    assert read_label_table(path).index.tolist() == ["7", "12"]


def test_bytes_that_are_no_parquet(tmp_path):
    """A CSV that was renamed to .parquet is told that it is none."""
    message = _error(_write(tmp_path, GOOD, "own.parquet"))
    _expect(message, "own.parquet", "not a readable Parquet file")


def test_parquet_without_rows(tmp_path):
    """A Parquet table without a study is refused."""
    path = tmp_path / "own.parquet"
    pd.DataFrame({"study": [], "Edema": []}).to_parquet(path)
    _expect(_error(path), "own.parquet", "no rows")


def test_parquet_with_wrong_values(tmp_path):
    """A wrong value in a Parquet table is named with its column."""
    path = tmp_path / "own.parquet"
    pd.DataFrame({"study": ["p1", "p2"], "Edema": [1, 7]}).to_parquet(path)
    _expect(_error(path), "own.parquet", "column 'Edema'", "'7'")


def test_parquet_with_missing_ids(tmp_path):
    """A null id in a Parquet table counts as missing."""
    path = tmp_path / "own.parquet"
    pd.DataFrame({"study": ["p1", None], "Edema": [1, 0]}).to_parquet(path)
    _expect(_error(path), "column 'study'", "the id is missing")


def test_parquet_with_numbers_as_column_names(tmp_path):
    """Column names that are numbers are unknown columns, not a crash."""
    path = tmp_path / "own.parquet"
    with pytest.warns(UserWarning, match="converted to strings"):
        pd.DataFrame({"study": ["p1"], 0: [1]}).to_parquet(path)
    _expect(_error(path), "unknown column '0'")


# Matching two tables


def _table(ids: str, **columns) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(list(ids), name="study"))


def test_match_keeps_the_shared_part_in_the_truths_order():
    """Shared studies come in the truth's order, shared observations in CheXpert's."""
    truth = _table("cab", Fracture=[1, 0, 1], Edema=[0, 0, 1])
    labels = _table("bcx", Edema=[1, 0, 0], Fracture=[0, 1, 1], Pneumonia=[1, 1, 1])
    shared_truth, shared_labels, left_out = match_studies(truth, labels)
    assert shared_truth.index.tolist() == shared_labels.index.tolist() == ["c", "b"]
    assert list(shared_truth) == list(shared_labels) == ["Edema", "Fracture"]
    assert shared_labels["Edema"].tolist() == [0, 1]
    assert left_out.to_dict("records") == [
        {"what": "studies", "table": "truth", "count": 1, "examples": "'a'"},
        {"what": "studies", "table": "labels", "count": 1, "examples": "'x'"},
        {"what": "observations", "table": "labels", "count": 1, "examples": "'Pneumonia'"},
    ]


def test_match_of_equal_tables_leaves_nothing_out():
    """Nothing is reported when both tables hold the same studies and observations."""
    truth = _table("ab", Edema=[1, 0])
    assert match_studies(truth, truth)[2].empty


def test_ids_that_never_match_show_examples_of_both():
    """Ids written in two ways are shown side by side, with the remedy."""
    with pytest.raises(LabelTableError) as caught:
        match_studies(_table("ab", Edema=[1, 0]), _table("xy", Edema=[1, 0]))
    _expect(str(caught.value), "share no study id", "'a', 'b'", "'x', 'y'", "in the same way")


def test_tables_without_a_common_observation():
    """Two tables on different findings cannot be compared."""
    with pytest.raises(LabelTableError, match="share no observation.*'Edema'.*'Fracture'"):
        match_studies(_table("ab", Edema=[1, 0]), _table("ab", Fracture=[1, 0]))
