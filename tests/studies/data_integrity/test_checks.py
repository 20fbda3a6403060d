"""Duplicate files, columns, ids, what cannot be checked, and all checks at once."""

from pathlib import Path

import pandas as pd
import pytest

from cxrstudy.data.chexpert_test import released_tables
from cxrstudy.studies.data_integrity.checks import audit_tables, check_alignment
from cxrstudy.studies.data_integrity.table_checks import (
    compare_columns,
    compare_ids,
    find_duplicate_files,
    group_by_id_sequence,
)


def _table(ids: str, columns: tuple[str, ...] = ("Edema", "Fracture")) -> pd.DataFrame:
    return pd.DataFrame(0, index=list(ids), columns=list(columns))


def test_identical_bytes_are_found_under_other_names(tmp_path):
    for name, text in {"a": "1,2\n", "b": "1,2\n", "c": "1,2"}.items():
        (tmp_path / name).write_text(text)
    (finding,) = find_duplicate_files(tmp_path.iterdir())
    assert finding.severity == "error"
    assert finding.summary == "2 files hold the same bytes: a, b."
    # A file is no duplicate of itself, and one that is absent is not skipped.
    assert find_duplicate_files([tmp_path / "a", str(tmp_path / "a")]) == []
    with pytest.raises(FileNotFoundError):
        find_duplicate_files([tmp_path / "absent"])


def test_moved_missing_unknown_and_duplicated_columns_are_distinguished():
    columns = {"a": "ABC", "b": "ACB", "t": "ACCZ"}
    found = compare_columns({name: _table("xy", tuple(each)) for name, each in columns.items()})
    assert [(finding.kind, finding.summary) for finding in found] == [
        ("column order", "b: same columns, other order: C, B."),
        ("duplicated columns", "t: duplicated columns C."),
        ("missing columns", "t: missing columns B."),
        ("unknown columns", "t: unknown columns Z."),
    ]


def test_missing_unknown_duplicated_and_moved_ids_are_counted_and_named():
    """Of a block that stands first, the last id is reported with the rows that it displaces."""
    assert compare_ids({"a": _table("xyz"), "b": _table("xyz")}) == []
    unknown, missing = compare_ids({"a": _table("vwxyz"), "b": _table("vxyzq")})
    assert unknown.summary == "1 ids of b absent from a, the first q."
    assert missing.summary == "1 ids of a absent from b, the first w."
    (finding,) = compare_ids({"a": _table("xyxx")})
    assert finding[:3] == ("duplicated ids", "error", "a: 1 ids stand on 3 rows.")
    (finding,) = compare_ids({"a": _table("pqrstu"), "b": _table("pqtrsu")})
    message = "b: 3 of 6 shared ids stand in another order than in a, rows 2 to 4."
    assert (finding.kind, finding.summary) == ("id order", message)


def test_tables_are_grouped_by_id_sequence():
    tables = {"a": _table("xyz"), "b": _table("xzy"), "c": _table("xyz")}
    assert group_by_id_sequence(tables) == [["a", "c"], ["b"]]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (_table("xyz"), "3 shared ids"),
        (_table("xyz", ("Z",)), "no shared columns"),
        (_table("xxy"), "duplicated ids"),
    ],
)
def test_alignment_that_cannot_be_checked_is_said_so(other, reason):
    (finding,) = check_alignment(_table("xyz"), other, ("a", "b"))
    assert finding.kind == "alignment not checked"
    assert reason in finding.summary


def test_audit_reports_every_kind_at_once(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("same")
    tables = {"a": _table("xyz"), "b": _table("xyz"), "c": _table("xzy", ("Fracture", "Edema"))}
    found = audit_tables(tables, tmp_path.glob("*.csv"))
    kinds = {"duplicate files", "column order", "id order", "shared order", "alignment not checked"}
    assert set(found["kind"]) == kinds
    nothing = audit_tables({"a": _table("xyz")})
    assert nothing.empty
    assert list(found) == list(nothing) == ["kind", "severity", "summary", "repair"]


def test_audit_of_the_released_tables_finds_both_defects(mirror):
    tables, paths = released_tables()
    tables = {name: tables[name] for name in ("truth", "bc4", "labels")}
    found = audit_tables(tables, paths).set_index("kind")["summary"]
    assert all(Path(name).name in found["duplicate files"] for name in paths[1:2] + paths[-1:])
    assert found["misaligned rows"].startswith(
        "labels: joined by id, the values of rows 400 to 499"
    )
    assert found["shared order"].startswith("2 of 3 tables")
    repairs = audit_tables(tables).set_index("kind")["repair"]
    assert "the values 1 row before it, cyclically" in repairs["misaligned rows"]
