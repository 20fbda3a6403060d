"""Parameters: read from one cell, checked and converted before any kernel starts."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from cxrstudy.paths import project_root
from cxrstudy.runs import Parameter, ParameterError, check_parameters, read_parameters, studies

NOTEBOOKS = sorted((project_root() / "notebooks").glob("*.ipynb"))
DECLARED = {
    name: Parameter(name, kind, default, "what it sets")
    for name, kind, default in [
        ("n", "int", 10), ("rate", "float", 0.5), ("name", "str", "a"), ("fast", "bool", False),
        ("epochs", "list[int]", [1, 3]), ("rates", "list[float]", [0.1]),
    ]
}  # fmt: skip


def _notebook(folder, source, tags=("parameters",)):
    cells = [new_code_cell(source, metadata={"tags": list(tags)})]
    path = folder / "study.ipynb"
    kernel = {"name": "python3", "display_name": "Python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n": 3}, {"n": 3}),
        ({"n": "3"}, {"n": 3}),
        ({"n": "10_000"}, {"n": 10_000}),
        ({"n": "-1"}, {"n": -1}),
        ({"rate": 1}, {"rate": 1.0}),
        ({"rate": "1e-3"}, {"rate": 0.001}),
        ({"name": "5"}, {"name": "5"}),
        ({"fast": True}, {"fast": True}),
        ({"fast": "TRUE"}, {"fast": True}),
        ({"fast": "false"}, {"fast": False}),
        ({"epochs": [5]}, {"epochs": [5]}),
        ({"epochs": "[1, 3]"}, {"epochs": [1, 3]}),
        ({"rates": "[0.2, 1]"}, {"rates": [0.2, 1.0]}),
        ({"name": "1 3 9"}, {"name": "1 3 9"}),
        ({}, {}),
    ],
)
def test_values_are_converted_to_their_type(given, expected):
    found = check_parameters(DECLARED, given)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", "many"), ("n", "1.5"), ("n", 1.0), ("n", True), ("n", None), ("rate", "half"),
     ("rate", True), ("name", 5), ("fast", 1), ("fast", "yes"), ("fast", "1"),
     ("epochs", 3), ("epochs", "1 3"), ("epochs", "(1, 3)"), ("epochs", [1.5]), ("rates", "[a]")],
)  # fmt: skip
def test_ill_typed_values_are_refused(name, value):
    with pytest.raises(ParameterError) as caught:
        check_parameters(DECLARED, {name: value})
    message = str(caught.value)
    assert repr(name) in message and f"must be {DECLARED[name].type}" in message
    assert "what it sets" in message and repr(value) in message


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ParameterError, match="unknown parameter 'm'.*n, rate, name, fast, epochs"):
        check_parameters(DECLARED, {"m": 1})


def test_a_cell_is_read_in_order(tmp_path):
    source = (
        'n: int = 10_000  # resamples\nname: str = "a b"  # which\nlow: float = -0.5  # limit\n'
        "epochs: list[int] = [1, 3]  # lengths"
    )
    assert read_parameters(_notebook(tmp_path, source)) == {
        "n": Parameter("n", "int", 10_000, "resamples"),
        "name": Parameter("name", "str", "a b", "which"),
        "low": Parameter("low", "float", -0.5, "limit"),
        "epochs": Parameter("epochs", "list[int]", [1, 3], "lengths"),
    }


@pytest.mark.parametrize(
    "line",
    [
        "n: int | None = None  # union",
        "n: list = []  # list",
        "n = 3  # no type",
        "n: int = 3",
        "n: int  # no default",
        "import os  # code",
        "n: int = 2 * 3  # computed",
        'n: int = "three"  # text',
        "n: int = True  # bool",
        'color: str = "#fff"',
        "n: int = 3  #",
    ],
)
def test_other_lines_are_refused(tmp_path, line):
    with pytest.raises(ParameterError, match="parameters cell|no parameter in a cell"):
        read_parameters(_notebook(tmp_path, line))
    with pytest.raises(ParameterError, match="no parameter in a cell tagged 'parameters'"):
        read_parameters(_notebook(tmp_path, "n: int = 1  # n", tags=()))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_line_of_a_parameters_cell_is_a_parameter(path):
    """Papermill skips a line that it cannot read; no notebook has one."""
    (source,) = (
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", [])
    )
    assert list(read_parameters(path)) == [node.target.id for node in ast.parse(source).body]


@pytest.mark.parametrize("study", studies().values(), ids=lambda study: study.name)
def test_every_parameter_has_its_help_and_every_set_is_valid(study):
    """Tables go to scratch unless the runner says otherwise."""
    declared = read_parameters(study.notebook_path)
    assert all(len(parameter.help) > 5 for parameter in declared.values())
    alike = [each.name for each in studies().values() if each.notebook == study.notebook]
    assert declared["results"].default == f"_build/scratch/{alike[0]}"
    for name in study.sets:
        check_parameters(declared, study.parameters(name))
