"""Duplicate files, columns, ids, and the table of findings."""

import pandas as pd
import pytest

from cxrstudy.data.integrity import (
    Finding,
    audit_tables,
    check_alignment,
    compare_columns,
    compare_ids,
    find_duplicate_files,
    findings_to_frame,
    group_by_id_sequence,
)


def _table(ids: str, columns: tuple[str, ...] = ("Edema", "Fracture")) -> pd.DataFrame:
    return pd.DataFrame(0, index=list(ids), columns=list(columns))


def _kinds(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.kind for finding in findings]


def test_identical_bytes_are_found_under_other_names(tmp_path):
    """Two files of the same bytes are one finding; a third that differs is not part of it."""
    for name, text in {"a": "1,2\n", "b": "1,2\n", "c": "1,2"}.items():
        (tmp_path / name).write_text(text)
    (finding,) = find_duplicate_files(tmp_path.iterdir())
    assert finding.subjects == (f"{tmp_path.name}/a", f"{tmp_path.name}/b")
    assert finding.evidence["bytes"] == 4


def test_one_path_given_twice_is_no_duplicate(tmp_path):
    """A file is not a duplicate of itself."""
    (tmp_path / "a").write_text("x")
    assert find_duplicate_files([tmp_path / "a", str(tmp_path / "a")]) == ()


def test_absent_file_is_an_error(tmp_path):
    """A path that does not exist is refused, not skipped."""
    with pytest.raises(FileNotFoundError):
        find_duplicate_files([tmp_path / "absent"])


def test_column_order_names_the_moved_columns():
    """Swapped columns are reported by name, and not as missing or unknown."""
    tables = {"a": _table("xy", ("A", "B", "C")), "b": _table("xy", ("A", "C", "B"))}
    (finding,) = compare_columns(tables)
    assert (finding.kind, finding.subjects) == ("column order", ("b",))
    assert finding.summary == "b: same columns, other order: C, B."


def test_missing_unknown_and_duplicated_columns_are_distinguished():
    """Each column problem has its own kind."""
    found = compare_columns({"t": _table("xy", ("A", "A", "Z"))}, ["A", "B"])
    assert _kinds(found) == ["duplicated columns", "missing columns", "unknown columns"]


def test_equal_tables_have_no_id_findings():
    """The same ids in the same order raise nothing."""
    assert compare_ids({"a": _table("xyz"), "b": _table("xyz")}) == ()


def test_missing_and_unknown_ids_are_located():
    """Ids on one side only are counted and located in the table that holds them."""
    missing_or_unknown = compare_ids({"a": _table("vwxyz"), "b": _table("vxyzq")})
    unknown, missing = missing_or_unknown
    assert (unknown.kind, unknown.subjects, unknown.start, unknown.first_id) == (
        "unknown ids",
        ("a", "b"),
        4,
        "q",
    )
    assert (missing.kind, missing.subjects, missing.start, missing.first_id) == (
        "missing ids",
        ("b", "a"),
        1,
        "w",
    )


def test_duplicated_ids_are_counted():
    """Every row of a duplicated id counts."""
    (finding,) = compare_ids({"a": _table("xyxx")})
    assert finding.kind == "duplicated ids"
    assert finding.evidence == {"ids": 1, "rows": 3}


def test_id_order_is_located_in_the_deviating_table():
    """The last id of the block standing first is reported with the rows it displaces."""
    (finding,) = compare_ids({"a": _table("pqrstu"), "b": _table("pqtrsu")})
    assert finding.kind == "id order"
    assert (finding.start, finding.stop) == (2, 5)
    assert (finding.first_id, finding.last_id) == ("t", "s")


def test_tables_are_grouped_by_id_sequence():
    """Tables share a group only if their ids agree in order as well."""
    tables = {"a": _table("xyz"), "b": _table("xzy"), "c": _table("xyz")}
    assert group_by_id_sequence(tables) == (("a", "c"), ("b",))


def test_findings_become_one_tidy_row_each():
    """Rows that have no place stay missing; evidence is readable text."""
    finding = Finding("k", ("a", "b"), "info", "s", evidence={"n": 3, "p": 0.25})
    row = findings_to_frame([finding, Finding("k", ("c",), "info", "s", start=2, stop=4)]).iloc[0]
    assert row["evidence"] == "n 3; p 0.25"
    assert row["subjects"] == "a; b"
    assert pd.isna(row["start"])


def test_no_findings_make_an_empty_table_with_columns():
    """A page can show the table even if nothing was found."""
    frame = findings_to_frame([])
    assert frame.empty
    assert {"kind", "severity", "summary", "repair"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (_table("xyz"), "3 shared ids"),
        (_table("xyz", ("Z",)), "no shared columns"),
        (_table("xxy"), "duplicated ids"),
    ],
)
def test_alignment_that_cannot_be_checked_is_said_so(other, reason):
    """Too few rows, no common column or duplicated ids give a reason, not silence."""
    (finding,) = check_alignment(_table("xyz"), other, ("a", "b"))
    assert finding.kind == "alignment not checked"
    assert reason in finding.summary


def test_audit_reports_every_kind_at_once(tmp_path):
    """One call gathers duplicates, columns, ids, order and alignment."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("same")
    tables = {"a": _table("xyz"), "b": _table("xyz"), "c": _table("xzy", ("Fracture", "Edema"))}
    kinds = set(audit_tables(tables, paths=tmp_path.glob("*.csv"))["kind"])
    assert kinds == {
        "duplicate files",
        "column order",
        "id order",
        "shared order",
        "alignment not checked",
    }
