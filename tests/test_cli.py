"""The command line: one line for what a user can mend, exit codes that scripts can use."""

import json
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cxrstudy import cli
from cxrstudy.book.printed_claims import HEADLINE_BEGIN, HEADLINE_END
from cxrstudy.data.images import read_image
from cxrstudy.data.registry import DataNotAvailableError
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.paths import in_project, project_root, recorded_folder
from cxrstudy.vision.backbones import BackboneName, build_backbone
from cxrstudy.vision.stored_classifier import StoredClassifier, load_classifier, save_classifier

RUNNER = CliRunner()
GOOD = "study,Edema\np1,1\np2,0\n"


def _call(*arguments: str):
    return RUNNER.invoke(cli.app, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("run", "none"), "data_integrity"),
        (("run", "data_integrity", "--set", "none"), "quick, full, test"),
        (("run", "data_integrity", "-p", "seed"), "NAME=VALUE"),
        (("data", "fetch", "none"), "chexpert_test_set_labels"),
    ],
)
def test_an_unknown_name_is_a_usage_error_that_lists_the_known_ones(arguments, hint):
    result = _call(*arguments)
    assert result.exit_code == 2 and hint in result.output


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], "numpy pandas matplotlib nbformat snakemake torch yaml"),
        (["label", "none", "--out", "none.csv"], "matplotlib nbformat snakemake torch"),
        (["predict", "--images", "none", "--out", "none.csv"], "nbformat snakemake numba"),
        (["run", "none"], "numpy pandas matplotlib nbformat snakemake torch"),
    ],
)
def test_a_command_waits_for_no_library_that_it_does_not_need(arguments, unwanted):
    code = (
        "import sys; from cxrstudy import cli\n"
        "try: cli.app(sys.argv[2:], standalone_mode=False)\n"
        "finally: print(set(sys.argv[1].split()) & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, unwanted, *arguments]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == "set()"


def test_data_sets_are_listed_with_their_terms():
    result = _call("data", "list")
    assert result.exit_code == 0
    assert "chexpert_test_set_labels" in result.output and "tier 1" in result.output


def test_fetch_verifies_the_mirror(mirror):
    result = _call("data", "fetch", "chexpert_test_set_labels")
    assert result.exit_code == 0
    assert "29 files verified" in result.output


def test_a_bad_table_is_one_line_and_exit_1(tmp_path, monkeypatch, capsys):
    path = tmp_path / "own.csv"
    path.write_text(GOOD.replace("1\n", "1,1\n", 1), "utf-8")
    monkeypatch.setattr(sys, "argv", ["cxrstudy", "audit", str(path), str(path)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert "own.csv, row 2: 3 cells where the header has 2" in message


def test_audit_of_the_released_tables_finds_the_error(mirror):
    result = _call("audit", "chexpert_test_set_labels", "chexpert_test_set_labels")
    assert result.exit_code == 1
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3 and "chexbert_labels.csv" in errors[0]
    # The file of labels, and its copy under the other name.
    assert all("in rows 400 to 499 stand 1 row too early" in error for error in errors[1:])


def test_audit_writes_findings_and_says_how_columns_were_read(tmp_path):
    """A cell outside the code is an error that is shown, counted, and names no id."""
    for name, first in (("truth", "1"), ("labels", "7")):
        (tmp_path / f"{name}.csv").write_text(f"study,pleural_effusion\n<p1>,{first}\n<p2>,0\n")
    paths = (str(tmp_path / f"{name}.csv") for name in ("truth", "labels"))
    result = _call("audit", *paths, "--json", str(tmp_path / "findings.json"))
    assert result.exit_code == 1
    assert "read: labels: pleural_effusion as Pleural Effusion" in result.output
    records = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    wrong = next(record for record in records if record["kind"] == "encoding")
    assert (wrong["severity"], wrong["rows"]) == ("error", [0, 0])
    assert wrong["columns"] == ["pleural_effusion"] and "7" not in wrong["sentence"]
    assert "p1" not in result.output + json.dumps(records)


def test_audit_labels_reports_by_rules(tmp_path):
    (tmp_path / "truth.csv").write_text("id,Edema\na,1\nb,0\n")
    (tmp_path / "reports.csv").write_text("id,report\na,Edema.\nb,No edema.\n")
    result = _call("audit", str(tmp_path / "truth.csv"), "--reports", str(tmp_path / "reports.csv"))
    assert result.exit_code == 0, result.output
    assert "labels and truth share 2 studies and 1 observations" in result.output
    assert _call("audit", str(tmp_path / "truth.csv")).exit_code == 1


def test_the_example_tables_give_what_their_page_prints():
    """The made-up files that a reader can download, and the lines below them."""
    book = in_project("book")
    truth, labels = (str(book / "examples" / f"{name}.csv") for name in ("truth", "labels"))
    result = _call("audit", truth, labels)
    assert result.exit_code == 1
    assert f"```text\n{result.output}```" in (book / "own_tables.md").read_text("utf-8")


def test_a_run_without_data_is_an_error_but_in_a_build(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrstudy.runs.execute.unavailable", list)
    command = ("run", "reader_panel", "--build", str(tmp_path))
    result = _call(*command)
    assert result.exit_code == 1
    assert "no data on this machine: CheXpert test-set labels" in str(result.exception)
    assert "cxrstudy data fetch chexpert_test_set_labels" in str(result.exception)
    assert _call(*command, "--in-build").exit_code == 0
    assert (tmp_path / "runs" / "reader_panel" / "stamp.json").is_file()


def test_the_ledger_is_written(tmp_path):
    """Without runs the ledger has verdicts only where a run was recorded."""
    result = _call("ledger", "--build", str(tmp_path))
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "ledger.json").read_text("utf-8"))
    unmeasured = ("not yet measured", "not measurable")
    measured = [row for row in rows if not row["verdict"].startswith(unmeasured)]
    recorded = {path.parent.name for path in recorded_folder().glob("*/stamp.json")}
    assert measured and {row["study"] for row in measured} <= recorded


def test_readme_is_written_and_checked(tmp_path, monkeypatch):
    # Of the book's project only its figure style is there, and neither images nor runs.
    (tmp_path / "matplotlibrc").symlink_to(project_root() / "matplotlibrc")
    (tmp_path / "book" / "_static").mkdir(parents=True)
    monkeypatch.setattr("cxrstudy.paths.project_root", lambda: tmp_path)
    monkeypatch.setattr("cxrstudy.book.landing.hero", Mock(side_effect=DataNotAvailableError()))
    readme = tmp_path / "README.md"
    readme.write_text(f"# T\n{HEADLINE_BEGIN}\nold\n{HEADLINE_END}\n", "utf-8")
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "ledger.json").write_text("[]", "utf-8")
    before = readme.read_text("utf-8")
    assert _call("readme", "--check").exit_code == 1
    assert readme.read_text("utf-8") == before
    assert _call("readme").exit_code == 0
    written = readme.read_text("utf-8")
    assert "old" not in written and "- Of 0 claims" in written
    assert _call("readme", "--check").exit_code == 0
    # The table is still right, the picture is not.
    (tmp_path / "book" / "_static" / "preview.png").unlink()
    assert _call("readme", "--check").exit_code == 1


def test_a_file_of_reports_becomes_a_file_of_labels(tmp_path):
    """Sections, labeler and writer together: what was feared is read only where it is asked for."""
    source, labels = tmp_path / "reports.csv", tmp_path / "labels.csv"
    source.write_text(
        "id,report\n"
        '007,"INDICATION: Rule out pneumonia.\nFINDINGS: No effusion. Heart normal.\n'
        'IMPRESSION: Possible oedema."\n'
        "b,\n",
        "utf-8",
    )
    command = ["label", str(source), "--out", str(labels)]
    result = _call(*command)
    assert result.exit_code == 0 and f"2 reports labeled in {labels}" in result.output
    table = pd.read_csv(labels, dtype=str, index_col="id", keep_default_na=False)
    found = {name: code for name, code in table.loc["007"].items() if code}
    assert found == {"Cardiomegaly": "0", "Edema": "-1", "Pleural Effusion": "0"}
    assert (table.loc["b"] == "").all()
    assert _call(*command, "--sections", "indication").exit_code == 0
    assert pd.read_csv(labels, index_col="id").loc["007", "Pneumonia"] == 0
    result = _call(*command, "--sections", "findings,history")
    assert result.exit_code == 2 and "indication, comparison" in result.output


def test_a_file_without_reports_is_one_clear_error(tmp_path):
    source = tmp_path / "reports.csv"
    source.write_text("id,text\na,Clear.\n", "utf-8")
    result = _call("label", str(source), "--out", str(tmp_path / "labels.csv"))
    assert result.exit_code == 1
    assert "reports.csv" in str(result.exception) and "column 'report'" in str(result.exception)
    assert not (tmp_path / "labels.csv").exists()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    name = BackboneName("mnasnet0_5", "random")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64), np.uint8)
    backbone = build_backbone(name, torch.from_numpy(pixels))
    heads = np.full((1, backbone.n_features), 0.001, np.float32)
    bias = np.zeros(1, np.float32)
    classifier = StoredClassifier(name, backbone, 64, ("Edema",), heads, bias, {})
    return save_classifier(classifier, tmp_path_factory.mktemp("models") / "own.safetensors")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(pixels).save(folder / "own.png")
    return folder


def _predict(checkpoint, images, out):
    paths = {"checkpoint": checkpoint, "images": images, "out": out}
    return _call("predict", *(f"--{name}={path}" for name, path in paths.items()))


def test_a_folder_of_images_becomes_a_table(checkpoint, images, tmp_path):
    result = _predict(checkpoint, images, tmp_path / "own.csv")
    assert result.exit_code == 0 and result.stderr == "", result.output
    table = pd.read_csv(tmp_path / "own.csv", index_col="image")
    assert list(table) == list(OBSERVATIONS) and list(table.index) == ["own.png"]
    wanted = load_classifier(checkpoint).predict(read_image(images / "own.png")[None])
    assert table["Edema"].item() == pytest.approx(wanted["Edema"].item(), rel=1e-5)


def test_unreadable_images_are_exit_1(checkpoint, images, tmp_path):
    (images / "empty.png").touch()
    (images / "text.jpg").write_text("no image", "utf-8")
    result = _predict(checkpoint, images, tmp_path / "own.csv")
    assert result.exit_code == 1
    named = [line.split(":")[0] for line in result.stderr.splitlines()]
    assert named == [str(images / name) for name in ("empty.png", "text.jpg")]
    assert "1 images predicted" in result.stdout
    assert list(pd.read_csv(tmp_path / "own.csv")["image"]) == ["own.png"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"images": "none"}, "none: no such folder"),
        ({"checkpoint": "images/own.png"}, "own.png: not a safetensors file"),
    ],
)
def test_a_prediction_that_cannot_start_is_one_line_and_exit_2(
    checkpoint, images, tmp_path, changed, reason
):
    """Exit code 1 is left to tables that lack some images."""
    paths = {"checkpoint": checkpoint, "images": images, "out": tmp_path / "own.csv"}
    paths |= {name: tmp_path / path for name, path in changed.items()}
    result = _predict(**paths)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert reason in result.stderr and not (tmp_path / "own.csv").exists()


def test_without_a_checkpoint_that_of_study_06_is_looked_for(tmp_path, monkeypatch):
    """Before a first build there is none, and the message says how it is made."""
    monkeypatch.setattr("cxrstudy.paths.project_root", lambda: tmp_path)
    result = _call("predict", "--images", str(tmp_path), "--out", str(tmp_path / "own.csv"))
    assert result.exit_code == 2
    assert "_build/models/nih_frozen_linear.safetensors: no such file" in result.stderr
    assert "make book" in result.stderr


def test_a_head_that_ships_predicts_a_folder(images, tmp_path):
    """Lung Opacity alone; a name that is none and two classifiers at once are refused."""
    out = tmp_path / "own.csv"
    arguments = ("predict", f"--images={images}", f"--out={out}")
    assert _call(*arguments, "--head=travel/experts").exit_code == 0
    table = pd.read_csv(out, index_col="image")
    assert table["Lung Opacity"].between(0, 1).all()
    assert table.drop(columns="Lung Opacity").isna().all(axis=None)
    result = _call(*arguments, "--head=experts")
    assert result.exit_code == 2 and "experts: no such head" in result.stderr
    assert _call(*arguments, "--head=travel/experts", "--checkpoint=x").exit_code == 2
