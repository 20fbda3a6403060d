"""`cxrstudy audit` as a user meets it: one file to hand on, from a checkout or from the wheel."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pandas as pd
import pytest

from cxrstudy.cli import main

EXAMPLES = Path(__file__).parents[2] / "book" / "examples"
EVIL = "<script>document.title='owned'</script>"


def _audit(*arguments, folder) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "cxrstudy.cli", "audit", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report on the book's made-up tables, with hostile ids, names and cells put in."""
    folder = tmp_path_factory.mktemp("audit")
    for name in ("truth", "labels"):
        table = pd.read_csv(EXAMPLES / f"{name}.csv", dtype=str)
        table.iloc[5, 0] = EVIL
        table[EVIL] = table["Edema"]
        table["sex"] = [EVIL, "M", "F"] * (len(table) // 3)
        if name == "labels":
            table.iloc[9, 1] = EVIL
        table.to_csv(folder / f"{name}.csv", index=False)
    done = _audit(
        "truth.csv", "labels.csv", "--out", "r.html", "--json", "f.json", "--tables", "t",
        folder=folder,
    )  # fmt: skip
    return done, folder


def test_report_and_findings(report):
    """Exit code 1 for the displaced block; sentences, findings and tables are left behind."""
    done, folder = report
    assert done.returncode == 1, done.stderr
    found = json.loads((folder / "f.json").read_text())
    kinds = {each["kind"] for each in found}
    assert {"displaced_block", "encoding"} <= kinds
    (block,) = (each for each in found if each["kind"] == "displaced_block")
    assert abs(block["rows"][0] - 120) <= 10 and block["table"] == "labels"
    page = (folder / "r.html").read_text()
    top = page[page.index("<ol") : page.index("</ol>")]
    assert 4 <= top.count("<li>") <= 5 and "Repair first" in page
    assert len(page) < 3e6
    assert {"findings.json", "agreement.csv", "precision.csv"} <= {
        path.name for path in (folder / "t").iterdir()
    }


def test_nothing_of_a_table_is_run_or_shown(report):
    """Text of tables is inert, and ids and odd cells stay out unless they are asked for."""
    page = (report[1] / "r.html").read_text()
    assert "<script" not in page
    assert "S0007" not in page and "S0120" not in page


def test_no_request_leaves_the_file(report):
    """The page names no other address, nor does its style."""
    page = (report[1] / "r.html").read_text()
    rest = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)|url\((?![\"']?#)|@import", rest)


@pytest.mark.browser
def test_the_file_in_a_browser(report, open_page):
    """No dialog, no request, nothing serious for axe, in both schemes; it fits a phone."""
    from axe_playwright_python.sync_playwright import Axe

    address = (report[1] / "r.html").as_uri()
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(address)
        assert asked == [address] and page.title().startswith("Audit of")
        violations = Axe().run(page).response["violations"]
        assert not [v["id"] for v in violations if v["impact"] in {"serious", "critical"}]
        top = page.locator(".repair").bounding_box()
        assert top["y"] + top["height"] <= 900
    page = open_page(viewport={"width": 390, "height": 800})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_book_prints_what_the_command_prints(monkeypatch, capsys):
    """The page on own tables shows the line of the made-up files."""
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "argv", ["cxrstudy", "audit", "truth.csv", "labels.csv"])
    with pytest.raises(SystemExit):
        main()
    page = (EXAMPLES.parent / "own_tables.md").read_text("utf-8")
    assert f"```text\n{capsys.readouterr().out}```" in page


BAD = {
    "no such file": ("none.csv", "labels.csv", "no such file"),
    "empty": ("empty.csv", "labels.csv", "empty.csv"),
    "no ids": ("no_ids.csv", "labels.csv", "no id column"),
    "no labels": ("words.csv", "labels.csv", "no column holds label codes"),
}


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A folder of tables that an audit refuses, as the working folder."""
    table = pd.read_csv(EXAMPLES / "truth.csv", dtype=str)
    (tmp_path / "labels.csv").write_bytes((EXAMPLES / "labels.csv").read_bytes())
    (tmp_path / "empty.csv").write_text("")
    table[["Edema", "Cardiomegaly"]].to_csv(tmp_path / "no_ids.csv", index=False)
    table[["study"]].assign(note="x").to_csv(tmp_path / "words.csv", index=False)
    table.assign(study="z" + table["study"]).to_csv(tmp_path / "other_ids.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("truth", "labels", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_error(truth, labels, message, bad, monkeypatch, capsys):
    """One line, no traceback."""
    monkeypatch.setattr(sys, "argv", ["cxrstudy", "audit", truth, labels])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error:") and message in line


def test_bad_input_leaves_no_report(bad):
    """The notebook's error is the command's, in one line; tables that share no study are one."""
    done = _audit("other_ids.csv", "labels.csv", "--out", "r.html", folder=bad)
    assert done.returncode == 1 and not (bad / "r.html").exists()
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error:") and "no study" in line


def test_the_wheel_alone(tmp_path):
    """Built, installed without a checkout and without torch, it audits in an empty folder."""
    root, wheels, copy = Path(__file__).parents[2], tmp_path / "wheels", tmp_path / "source"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "cxrstudy", "pyproject.toml", "README.md", "LICENSE",
         "matplotlibrc", "notebooks", "snakemake_logger_plugin_cxrstudy"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, tracked):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((root / name).read_bytes())
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(copy)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = wheels.glob("*.whl")
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", wheel], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # Everything else as here, but whoever imports torch fails.
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    (site / "torch.py").write_text("raise ImportError('no torch here')\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in ("truth", "labels"):
        (folder / f"{name}.csv").write_bytes((EXAMPLES / f"{name}.csv").read_bytes())
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    where = [python, "-c", "import cxrstudy; print(cxrstudy.__file__)"]
    assert str(site) in subprocess.run(where, **options).stdout
    command = [python, "-m", "cxrstudy.cli", "audit", "truth.csv", "labels.csv", "--out", "r.html"]
    done = subprocess.run(command, **options)
    assert done.returncode == 1 and not done.stderr
    assert "Repair first" in (folder / "r.html").read_text()
