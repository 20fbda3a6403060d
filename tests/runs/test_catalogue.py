"""The list of studies and what must agree with it."""

import pytest

from cxrstudy.book.site import table_of_contents
from cxrstudy.data.registry import datasets
from cxrstudy.paths import project_root
from cxrstudy.runs import studies, study


def test_every_notebook_is_a_study_and_every_study_a_notebook():
    named = {entry.notebook for entry in studies().values()}
    assert named == {path.name for path in (project_root() / "notebooks").glob("*.ipynb")}


def test_contents_list_every_study_once():
    parts = table_of_contents()["parts"]
    chapters = [entry["file"] for part in parts for entry in part["chapters"]]
    listed = [file.removeprefix("studies/") for file in chapters if file.startswith("studies/")]
    assert listed == list(studies())
    assert all(entry.part and entry.question.endswith("?") for entry in studies().values())
    for file in chapters:
        page = project_root() / "book" / f"{file}.md"
        assert file.startswith("studies/") or page.is_file()


@pytest.mark.parametrize("entry", studies().values(), ids=lambda entry: entry.name)
def test_every_study_has_the_three_sets_and_known_data(entry):
    assert {"quick", "full", "test"} <= set(entry.sets)
    assert set(entry.data) <= set(datasets())
    assert entry.title


def test_a_run_asks_for_what_its_study_says_and_else_for_the_usual():
    usual = {"cores": 1, "mem_mb": 2000, "runtime": 60}
    plain = studies()["published_tables"].resources
    assert plain == dict.fromkeys(("quick", "full", "test"), usual)
    sweep = studies()["epoch_sweep"].resources
    assert sweep["quick"] == usual | {"mem_mb": 5000}
    assert sweep["full"]["gpu"] == 1 and sweep["full"]["runtime"] > usual["runtime"]


def test_a_mistyped_name_is_told_the_known_ones():
    with pytest.raises(KeyError, match="no study 'x'.*data_integrity"):
        study("x")
    with pytest.raises(KeyError, match="no parameter set 'x'.*quick"):
        study("data_integrity").parameters("x")


def test_looking_up_a_set_gives_a_copy():
    study("data_integrity").parameters("quick")["n"] = 1
    assert "n" not in study("data_integrity").parameters("quick")
