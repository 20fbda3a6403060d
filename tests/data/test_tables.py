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
    table = read_label_table(_write(tmp_path, GOOD))
    expected = pd.DataFrame(
        {"Edema": [1.0, -1.0, 0.0], "Fracture": [0.0, np.nan, 1.0]},
        index=pd.Index(["p1", "p2", "p3"], name="study"),
    )
    pd.testing.assert_frame_equal(table, expected)


VARIANTS = {
    "BOM": "\ufeff" + GOOD,
    "CRLF": GOOD.replace("\n", "\r\n"),
    "BOM and CRLF": "\ufeff" + GOOD.replace("\n", "\r\n"),
    "CR": GOOD.replace("\n", "\r"),
    "no last newline": GOOD.rstrip("\n"),
    "empty last rows": GOOD + "\n\n,,\n",
    "spaces": GOOD.replace(",", " , "),
    "quotes": GOOD.replace("p1,1,0", '"p1","1","0"'),
    "floats": GOOD.replace("p1,1,0", "p1,1.0,0.00"),
    "NaN": GOOD.replace("p2,-1,", "p2,-1,NaN"),
    "other id name": GOOD.replace("study,", "Study_ID,"),
}


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS)
def test_harmless_variants_read_the_same(tmp_path, content):
    plain = read_label_table(_write(tmp_path, GOOD, "plain.csv"))
    pd.testing.assert_frame_equal(read_label_table(_write(tmp_path, content)), plain)


def test_columns_come_in_chexpert_order_unless_kept(tmp_path):
    path = _write(tmp_path, "Fracture,study,Edema\n1,p1,0\n")
    assert list(read_label_table(path)) == ["Edema", "Fracture"]
    assert list(read_label_table(path, keep_column_order=True)) == ["Fracture", "Edema"]


def test_a_quoted_newline_stays_inside_its_id(tmp_path):
    """It does not break the row, and after it a bad cell is named by its record."""
    table = read_label_table(_write(tmp_path, 'study,Edema\n"p\n1",1\np2,0\n'))
    assert table.index.tolist() == ["p\n1", "p2"]
    assert table["Edema"].tolist() == [1.0, 0.0]
    _expect(_error(_write(tmp_path, 'study,Edema\n"p\n1",1\np2,9\n')), "row 3", "'Edema'", "'9'")


def test_ids_stay_the_text_that_they_are(tmp_path):
    """Markup and formulas are data, and 007 and 7 are two studies."""
    ids = ["<script>alert(1)</script>", "=1+1", "<img src=x onerror=alert(1)>", "007", "7"]
    rows = "".join(f'"{name}",1\n' for name in ids)
    table = read_label_table(_write(tmp_path, f"study,Edema\n{rows}"))
    assert table.index.tolist() == ids


# What is refused, with file, row, column and remedy


@pytest.mark.parametrize("content", ["", "\n\n", "study,Edema\n", "study,Edema\n\n , \n"])
def test_missing_or_empty_file_or_header_alone(tmp_path, content):
    _expect(_error(tmp_path / "none.csv"), "none.csv", "no such file", "Give the path")
    _expect(_error(_write(tmp_path, content)), "own.csv", "empty", "at least one study")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        # A UTF-8 file with one latin-1 byte in row 4, and a spreadsheet's "Unicode text".
        (
            "study,Edema\n\u00fc1,1\n\u00fc2,0\n".encode() + b"\xfc3,1\n",
            ("own.csv", "row 4", "0xfc", "UTF-8", "save it again"),
        ),
        (GOOD.encode("utf-16"), ("row 1", "UTF-8")),
        (GOOD.replace(",", ";"), ("row 1", "one column", "commas")),
        (GOOD.replace("p2,", "p4,1\np2,"), ("row 3", "2 cells", "header has 3", "quotes")),
        (GOOD.replace("p2,", "p4,1,0,0\np2,"), ("row 3", "4 cells", "header has 3", "quotes")),
        (GOOD.replace("p2,", "\np2,"), ("row 3", "0 cells", "header has 3", "quotes")),
        (
            GOOD.replace("Fracture", "Fractures"),
            ("row 1", "unknown column 'Fractures'", "Pleural Other", "rename or drop"),
        ),
        (GOOD.replace("Fracture", "Edema"), ("row 1", "'Edema'", "twice")),
        (GOOD.replace("Fracture", " Edema "), ("'Edema'", "twice")),
        (
            GOOD.replace("study,", "patient,"),
            ("row 1", "exactly one id column (study, study_id, id)", "none of them"),
        ),
        (GOOD.replace("Edema", "ID"), ("exactly one id column", "2 of them")),
        (
            GOOD.replace("p2,", " ,").replace("p3,", ","),
            ("row 3", "column 'study'", "2 such rows", "Give every study an id"),
        ),
        (GOOD.replace("p3,", "p1 ,"), ("row 4", "id 'p1'", "row 2 already", "one row for each")),
        ("study,Edema\np1,1\np2,x\np3,y\n", ("row 3", "'x'", "2 such cells")),
        # The row in which the quote opens is named, not the end of the file.
        (GOOD.replace("p2,", '"p2,'), ("own.csv", "row 3", "Close the quote")),
        (
            'study,Edema\n"p,1\n' + "".join(f"p{i},1\n" for i in range(40_000)),
            ("own.csv", "row 2", "Close the quote"),
        ),
    ],
    ids=["latin-1 byte", "UTF-16", "semicolons", "too few cells", "too many cells", "no cells",
         "unknown column", "repeated column", "repeated after stripping", "no id", "two ids",
         "missing ids", "repeated id", "wrong cells", "unclosed quote", "long unclosed quote"],
)  # fmt: skip
def test_what_is_not_understood_is_named_with_its_place_and_remedy(tmp_path, content, parts):
    _expect(_error(_write(tmp_path, content)), *parts)


@pytest.mark.parametrize(
    "cell",
    ["2", "-2", "0.5", "yes", "True", "1;0", "inf", "\N{ARABIC-INDIC DIGIT ONE}", "<b>1</b>"],
)
def test_values_outside_the_code(tmp_path, cell):
    """A truth table has no uncertain code."""
    message = _error(_write(tmp_path, GOOD.replace("p3,0,1", f"p3,0,{cell}")))
    _expect(message, "own.csv", "row 4", "column 'Fracture'", repr(cell), "Use 1, 0, -1")
    message = _error(_write(tmp_path, GOOD), codes=frozenset({0, 1}))
    _expect(message, "row 3", "column 'Edema'", "'-1'", "Use 1, 0 or leave the cell blank")


# Parquet


def test_parquet_reads_like_csv_and_keeps_integer_ids_as_text(tmp_path):
    plain = read_label_table(_write(tmp_path, GOOD))
    floats, nullable, indexed = (tmp_path / f"{name}.parquet" for name in "abc")
    plain.reset_index().to_parquet(floats)
    plain.astype("Int8").reset_index().to_parquet(nullable)
    plain.astype("Int64").to_parquet(indexed)
    for path in (floats, nullable, indexed):
        pd.testing.assert_frame_equal(read_label_table(path), plain)
    pd.DataFrame({"study_id": [7, 12], "Edema": [1, 0]}).to_parquet(floats)
    assert read_label_table(floats).index.tolist() == ["7", "12"]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"study": ["p1"]}, ("no observation column",)),
        ({"study": [], "Edema": []}, ("no rows",)),
        ({"study": ["p1", "p2"], "Edema": [1, 7]}, ("column 'Edema'", "'7'")),
        ({"study": ["p1", None], "Edema": [1, 0]}, ("column 'study'", "the id is missing")),
        ({"study": ["p1"], "0": [1]}, ("unknown column '0'",)),
    ],
)
def test_parquet_is_held_to_the_same_schema(tmp_path, columns, parts):
    path = tmp_path / "own.parquet"
    pd.DataFrame(columns).to_parquet(path)
    _expect(_error(path), "own.parquet", *parts)
    renamed = _write(tmp_path, GOOD, "csv.parquet")
    _expect(_error(renamed), "csv.parquet", "not a readable Parquet file")


# Matching two tables


def _table(ids: str, **columns) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(list(ids), name="study"))


def test_match_keeps_the_shared_part_in_the_truths_order():
    same = _table("ab", Edema=[1, 0])
    assert match_studies(same, same)[2].empty
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


def test_tables_that_share_nothing_show_examples_of_both():
    with pytest.raises(LabelTableError) as caught:
        match_studies(_table("ab", Edema=[1, 0]), _table("xy", Edema=[1, 0]))
    _expect(str(caught.value), "share no study id", "'a', 'b'", "'x', 'y'", "in the same way")
    with pytest.raises(LabelTableError, match="share no observation.*'Edema'.*'Fracture'"):
        match_studies(_table("ab", Edema=[1, 0]), _table("ab", Fracture=[1, 0]))
