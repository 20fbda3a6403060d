"""Every check: small tables by hand, and defects planted in real label tables."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.audit import check_all, read_given, read_tables, write_findings
from cxrstudy.audit.columns import check_constant, check_inverted
from cxrstudy.audit.pairs import Pair
from cxrstudy.audit.policies import check_hierarchy, check_policy
from cxrstudy.audit.rows import check_files, check_ids, check_patients
from cxrstudy.data.tables import LabelTableError
from tests.audit.planted import KINDS, Planted, clean, plant


def _table(tmp_path, text: str, name: str = "labels", **options):
    path = tmp_path / f"{name}.csv"
    path.write_text(text, "utf-8")
    return read_given(path, name, **options)


def _kinds(findings) -> list[tuple]:
    return [(each.kind, each.severity, each.columns, each.rows) for each in findings]


def test_repeated_and_missing_ids_are_counted(tmp_path):
    table = _table(tmp_path, "id,Edema\na,1\nb,0\na,0\n ,1\nb,0\n")
    found = _kinds(check_ids(table))
    assert found == [
        ("unmatched_ids", "error", [], [3, 3]),
        ("duplicate_ids", "error", [], [0, 4]),
        ("repeated_rows", "error", [], [4, 4]),
    ]
    assert table.by_id()["Edema"].tolist() == [1, 0]


def test_contradictions_are_notes_while_they_are_few(tmp_path):
    rows = "".join(f"s{k},1,{int(k >= 6)},0\n" for k in range(60))
    table = _table(tmp_path, f"id,Edema,Lung Opacity,No Finding\n{rows}")
    assert _kinds(check_hierarchy(table)) == [
        ("hierarchy_violation", "warning", ["Edema", "Lung Opacity"], [0, 5])
    ]
    few = _table(tmp_path, "id,Edema,Lung Opacity\na,1,0\nb,1,1\n")
    assert check_hierarchy(few)[0].severity == "note"


def test_a_constant_column_is_weighed_by_the_other_table(tmp_path):
    ids = [f"s{k}" for k in range(100)]
    truth = _table(
        tmp_path, "id,Edema,Fracture\n" + "".join(f"{i},{i[-1] == '1':d},0\n" for i in ids), "truth"
    )
    labels = _table(tmp_path, "id,Edema,Fracture\n" + "".join(f"{i},,0\n" for i in ids))
    assert [f[:3] for f in _kinds(check_constant(labels, [truth]))] == [
        ("constant_column", "error", ["Edema"]),
        ("constant_column", "note", ["Fracture"]),
    ]


def test_patients_on_both_sides_of_a_split_are_named_by_row(tmp_path):
    groups = _table(
        tmp_path, "id,patient,split\na,p,train\nb,q,train\nc,r,train\nd,q,test\n", "groups",
        holds="groups",
    )  # fmt: skip
    (finding,) = check_patients(groups, "patient", {"split": groups.others["split"]})
    assert (finding.kind, finding.severity, finding.rows) == ("patient_overlap", "error", [3, 3])
    (note,) = check_patients(groups, "patient", {})
    assert note.severity == "note"


def test_same_values_in_other_bytes_are_one_source(tmp_path):
    rows = [f"s{k},{k % 2},{k % 3 == 0:d}" for k in range(30)]
    first = _table(tmp_path, "id,Edema,Fracture\n" + "\n".join(rows), "truth")
    second = _table(tmp_path, "id,Edema,Fracture\n" + "\n".join(rows[::-1]) + "\n")
    (finding,) = check_files([first, second])
    assert finding.kind == "identical_files" and "same values" in finding.sentence


def test_ids_that_differ_in_spelling_are_told_how(tmp_path):
    rows = range(1, 31)
    for name, form in (("truth", "{:04}"), ("labels", "{}")):
        text = "".join(f"{form.format(k)},{k % 2}\n" for k in rows)
        (tmp_path / f"{name}.csv").write_text(f"id,Edema\n{text}")
    findings = check_all(read_tables(tmp_path / "truth.csv", tmp_path / "labels.csv"))
    unmatched = [each for each in findings if each.kind == "unmatched_ids"]
    assert [each.severity for each in unmatched] == ["error", "error"]
    assert all("without leading zeros" in each.repair for each in unmatched)


def test_labels_are_needed(tmp_path):
    (tmp_path / "truth.csv").write_text("id,Edema\na,1\n")
    with pytest.raises(LabelTableError, match="--reports"):
        read_tables(tmp_path / "truth.csv", None)
    (tmp_path / "labels.csv").write_text("id,comment\na,fine\n")
    with pytest.raises(LabelTableError, match="no column holds label codes"):
        read_tables(tmp_path / "truth.csv", tmp_path / "labels.csv")
    with pytest.raises(LabelTableError, match="'mrn' that --patient names"):
        read_tables(tmp_path / "truth.csv", tmp_path / "truth.csv", patient="mrn")


def test_a_truth_of_one_class_is_checked_without_an_exception(tmp_path):
    for name, value in (("truth", 1), ("labels", 0)):
        rows = "".join(f"s{k},{value}\n" for k in range(120))
        (tmp_path / f"{name}.csv").write_text(f"id,Edema\n{rows}")
    findings = check_all(read_tables(tmp_path / "truth.csv", tmp_path / "labels.csv"))
    assert {each.kind for each in findings} == {"constant_column", "not_checked"}


def test_findings_are_written_as_the_format_says(tmp_path):
    table = _table(tmp_path, "id,Edema\na,1\na,0\n")
    write_findings(tmp_path / "findings.json", check_ids(table))
    (record,) = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    assert list(record) == [
        "kind", "severity", "table", "columns", "rows", "evidence", "repair", "sentence"
    ]  # fmt: skip
    assert record["rows"] == [0, 1] and record["evidence"] == {"count": 1}


# --- planted in real tables -------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(chexpert) -> dict[str, pd.DataFrame]:
    return {"truth": chexpert.truth, "labels": chexpert.labeler, **chexpert.readers}


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_defect_is_found(tables, tmp_path, kind):
    case = plant(tables, kind, 2)
    assert case.is_found(kind, check_all(case.written(tmp_path)))


def test_clean_tables_raise_no_alarm(tables, tmp_path):
    for seed in range(3):
        case = clean(tables, seed, bootstrap=True)
        findings = check_all(case.written(tmp_path))
        assert {each.severity for each in findings} <= {"note"}


def test_labels_in_another_order_are_searched_in_their_own(tables, tmp_path):
    """A block that slipped in the file of labels is one there, wherever the truth's rows stand."""
    labels = tables["labels"].sample(frac=1, random_state=0)
    order = np.arange(500)
    order[100:220] = np.roll(order[100:220], 2)
    slipped = labels.iloc[order].set_axis(labels.index)
    case = Planted(tables["truth"], slipped, np.random.default_rng(0), rows=(100, 219))
    assert case.is_found("displaced_block", check_all(case.written(tmp_path)))


def test_a_site_without_a_rare_code_of_many_columns_has_another_policy(tmp_path):
    """Of 8 columns each has 8 uncertain cells or 9, none at site B: in one that may be chance."""
    cells = np.zeros((300, 8), int)
    sites = np.where(np.arange(300) % 3 == 0, "B", "A")
    places = np.flatnonzero(sites == "A")[::3][:64]
    cells[places, np.arange(len(places)) % 8] = -1
    names = ["Edema", "Fracture", "Pneumonia", "Atelectasis", "Cardiomegaly", "Consolidation",
             "Lung Lesion", "Pneumothorax"]  # fmt: skip
    rows = [",".join([f"s{k}", *map(str, row)]) for k, row in enumerate(cells)]
    table = _table(tmp_path, "\n".join([",".join(["id", *names]), *rows]))
    site = {"site": pd.Series(sites)}
    (found,) = check_policy(table, site)
    assert (found.kind, found.severity, set(found.columns)) == ("policy_change", "error", {*names})
    assert "where site is 'B'" in found.sentence
    one = replace(table, values=table.values[names[:1]])
    assert check_policy(one, site) == []


def test_an_own_column_that_is_blank_throughout_is_constant(tmp_path):
    """By itself a blank column may hold anything; the truth says that it should hold labels."""
    own = {"truth": lambda k: int(k < 30), "labels": lambda k: ""}
    for name, label in own.items():
        rows = "".join(f"s{k},{k % 2},{label(k)},\n" for k in range(90))
        (tmp_path / f"{name}.csv").write_text(f"id,Edema,Tube tip,notes\n{rows}", "utf-8")
    given = read_tables(str(tmp_path / "truth.csv"), str(tmp_path / "labels.csv"))
    assert [*given.labels.values] == ["Edema", "Tube tip"]
    (found,) = (each for each in check_all(given) if each.kind == "constant_column")
    assert (found.severity, found.table, found.columns) == ("error", "labels", ["Tube tip"])


def test_other_columns_tell_where_an_inverted_run_begins(tables, tmp_path):
    """By the column alone a run from row 158 on seems to begin at row 195."""
    case = plant(tables, "inverted_column", 20_048)
    assert case.columns == ["Edema"]
    assert case.rows == (158, 336)
    assert case.is_found("inverted_column", check_all(case.written(tmp_path)))


def test_an_inverted_run_whose_blanks_became_positive(tables, tmp_path):
    """Blanks taken for negatives are positive after it; the rows before it say where it begins."""
    ids = [f"s{number:03}" for number in range(400)]
    truth, labels = (
        tables[name].iloc[:400].astype(float).set_axis(ids) for name in ("truth", "labels")
    )
    run = labels["No Finding"].iloc[160:].map({1.0: 0.0, -1.0: -1.0}).fillna(1.0)
    labels.loc[ids[160:], "No Finding"] = run
    turned = Planted(
        truth, labels, np.random.default_rng(0), columns=["No Finding"], rows=(160, 399)
    )
    assert turned.is_found("inverted_column", check_all(turned.written(tmp_path)))


def test_a_rare_column_that_is_nearly_always_positive_is_inverted(tmp_path):
    """Of 334 rows 9 are positive, and 316 in the other table: too few agree to tell by them."""
    truth = np.arange(334) < 9
    labels = 1 - ((np.arange(334) >= 6) & (np.arange(334) < 18))
    given = {}
    for name, values in (("truth", truth), ("labels", labels)):
        rows = "".join(f"s{k},{int(value)}\n" for k, value in enumerate(values))
        given[name] = _table(tmp_path, f"id,Pneumonia\n{rows}", name)
    (found,) = check_inverted(Pair.of(given["truth"], given["labels"]))
    assert (found.kind, found.table, found.rows) == ("inverted_column", "labels", [0, 333])
    assert "lines 2 to 335 of a CSV file" in found.sentence
    assert (
        found.evidence["kappa_inside_repaired"] > 0.2 > 0 > found.evidence["kappa_inside_as_given"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_power(tables, tmp_path, kind):
    """Of 100 planted defects of each kind, 95 are found with kind, column and rows."""
    cases = (plant(tables, kind, 20_000 + seed) for seed in range(100))
    found = [case.is_found(kind, check_all(case.written(tmp_path))) for case in cases]
    print(f"\n{kind}: {np.mean(found):.0%}, missed {np.flatnonzero(~np.array(found)) + 20_000}")
    assert np.mean(found) >= 0.95


@pytest.mark.slow
def test_false_alarms(tables, tmp_path):
    """Of 1,000 clean bootstrap tables at most 1 % have an error and 5 % a warning."""
    alarms = []
    for seed in range(1000):
        findings = check_all(clean(tables, 50_000 + seed, bootstrap=True).written(tmp_path))
        alarms.append({each.severity for each in findings})
    print(
        "errors", sum("error" in e for e in alarms), "warnings", sum("warning" in e for e in alarms)
    )
    assert np.mean(["error" in each for each in alarms]) <= 0.01
    assert np.mean(["warning" in each for each in alarms]) <= 0.05
