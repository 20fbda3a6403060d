"""The command line: one line for what a user can mend, exit codes that scripts can use."""

import json
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from cxrstudy import cli
from cxrstudy.book.tables import HEADLINE_BEGIN, HEADLINE_END

RUNNER = CliRunner()
GOOD = "study,Edema\np1,1\np2,0\n"


def _call(*arguments: str):
    return RUNNER.invoke(cli.app, list(arguments))


def test_an_unknown_study_is_a_usage_error():
    """The message lists the studies, and nothing runs."""
    result = _call("run", "none")
    assert result.exit_code == 2
    assert "data_integrity" in result.output


def test_a_parameter_without_a_value_is_a_usage_error():
    """``-p`` needs NAME=VALUE."""
    result = _call("run", "data_integrity", "-p", "seed")
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output


def test_an_unknown_data_set_is_a_usage_error():
    """The message lists the data sets."""
    result = _call("data", "fetch", "none")
    assert result.exit_code == 2
    assert "chexpert_test_set_labels" in result.output


def test_data_sets_are_listed_with_their_terms():
    """Name, tier and licence of each data set are printed."""
    result = _call("data", "list")
    assert result.exit_code == 0
    assert "chexpert_test_set_labels" in result.output and "tier 1" in result.output


def test_fetch_verifies_the_mirror(mirror):
    """With the mirror, fetching verifies its files."""
    result = _call("data", "fetch", "chexpert_test_set_labels")
    assert result.exit_code == 0
    assert "29 files verified" in result.output


def test_a_bad_table_is_one_line_and_exit_1(tmp_path, monkeypatch, capsys):
    """An error that a user can mend is one line on stderr, without a traceback."""
    path = tmp_path / "own.csv"
    path.write_text(GOOD.replace("1\n", "7\n", 1), "utf-8")
    monkeypatch.setattr(sys, "argv", ["cxrstudy", "audit", str(path), str(path)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert "row 2, column 'Edema'" in message


def test_audit_of_the_released_tables_finds_the_error(mirror):
    """The displaced block is an error, so the exit code is 1."""
    result = _call("audit", "chexpert_test", "chexpert_test")
    assert result.exit_code == 1
    assert "error: " in result.output and "400" in result.output


def test_the_ledger_is_written(tmp_path):
    """Without results the ledger has verdicts only where a run was recorded."""
    result = _call("ledger", "--build", str(tmp_path))
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "ledger.json").read_text("utf-8"))
    unmeasured = [
        r for r in rows if r["verdict"].startswith(("not yet measured", "not measurable"))
    ]
    others = [row for row in rows if row not in unmeasured]
    assert len(unmeasured) > len(others)
    assert all(row["data"].endswith("recorded run") for row in others)


def test_readme_is_written_and_checked(tmp_path, monkeypatch):
    """--check fails on an old headline, writing mends it, and --check then passes."""
    monkeypatch.setattr("cxrstudy.paths.project_root", lambda: tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"# T\n{HEADLINE_BEGIN}\nold\n{HEADLINE_END}\n", "utf-8")
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "ledger.json").write_text("[]", "utf-8")
    before = readme.read_text("utf-8")
    assert _call("readme", "--check").exit_code == 1
    assert readme.read_text("utf-8") == before
    assert _call("readme").exit_code == 0
    assert "old" not in readme.read_text("utf-8")
    assert _call("readme", "--check").exit_code == 0


def test_a_file_of_reports_becomes_a_file_of_labels(tmp_path):
    """Sections, labeler and writer together: what was feared is not read."""
    source, labels = tmp_path / "reports.csv", tmp_path / "labels.csv"
    source.write_text(
        "id,report\n"
        '007,"INDICATION: Rule out pneumonia.\nFINDINGS: No effusion. Heart normal.\n'
        'IMPRESSION: Possible oedema."\n'
        "b,\n",
        "utf-8",
    )
    result = _call("label", str(source), "--out", str(labels))
    assert result.exit_code == 0, result.output
    table = pd.read_csv(labels, dtype=str, index_col="id", keep_default_na=False)
    found = {name: code for name, code in table.loc["007"].items() if code}
    assert found == {"Cardiomegaly": "0", "Edema": "-1", "Pleural Effusion": "0"}
    assert (table.loc["b"] == "").all()


def test_a_file_without_reports_is_one_clear_error(tmp_path):
    source = tmp_path / "reports.csv"
    source.write_text("id,text\na,Clear.\n", "utf-8")
    result = _call("label", str(source), "--out", str(tmp_path / "labels.csv"))
    assert result.exit_code == 1
    assert "reports.csv" in str(result.exception) and "column 'report'" in str(result.exception)
    assert not (tmp_path / "labels.csv").exists()
