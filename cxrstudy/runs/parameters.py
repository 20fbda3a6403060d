"""Read and check a notebook's parameters before a kernel starts.

Papermill passes an unknown parameter on with a log line and a word as a number without one. A
run that took minutes on a mistyped parameter is worse than none, so both are refused here.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}


class ParameterError(ValueError):
    """A parameter is unknown, has the wrong type, or the parameters cell breaks its form."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: ``name: type = default  # help``."""

    name: str
    type: str
    default: object
    help: str


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read the cell tagged ``parameters``.

    Parameters
    ----------
    notebook : str or Path
        A source notebook.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Raises
    ------
    ParameterError
        If there is not exactly one such cell, or a line is not ``name: type = value  # help``
        with one of the types int, float, str, bool.
    """
    cells = [
        cell.source
        for cell in nbformat.read(notebook, as_version=4).cells
        if "parameters" in cell.metadata.get("tags", [])
    ]
    if len(cells) != 1:
        raise ParameterError(f"{notebook}: {len(cells)} cells are tagged 'parameters', not one")
    lines = cells[0].splitlines()
    return {
        parameter.name: parameter
        for parameter in (
            _read_assignment(node, lines[node.end_lineno - 1], notebook)
            for node in ast.parse(cells[0]).body
        )
    }


def check_parameters(
    declared: Mapping[str, Parameter], given: Mapping[str, object]
) -> dict[str, object]:
    """Check overrides against a notebook's parameters and convert them.

    Parameters
    ----------
    declared : mapping of str to Parameter
        From `read_parameters`.
    given : mapping of str to object
        Values from YAML, or text from the command line.

    Returns
    -------
    dict of str to object
        The overrides in their declared types.

    Raises
    ------
    ParameterError
        If a name is unknown or a value does not have the declared type.
    """
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise ParameterError(
            f"unknown parameter {unknown[0]!r}; the notebook has: {', '.join(declared)}"
        )
    return {name: _convert(declared[name], value) for name, value in given.items()}


def _read_assignment(node: ast.stmt, line: str, notebook: str | Path) -> Parameter:
    # The parser counts bytes.
    comment = line.encode()[node.end_col_offset :].decode()
    help_text = comment.partition("#")[2].strip()
    if not (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.annotation, ast.Name)
        and node.annotation.id in _TYPES
        and _is_literal(node.value, _TYPES[node.annotation.id])
        and help_text
    ):
        raise ParameterError(
            f"{notebook}, parameters cell: {line.strip()!r} is not 'name: type = value  # help' "
            f"with a type among {', '.join(_TYPES)} and a literal of that type"
        )
    return Parameter(
        name=node.target.id,
        type=node.annotation.id,
        default=ast.literal_eval(node.value),
        help=help_text,
    )


def _is_literal(node: ast.expr | None, wanted: type) -> bool:
    try:
        return node is not None and type(ast.literal_eval(node)) is wanted
    except ValueError:
        return False


def _convert(parameter: Parameter, value: object) -> object:
    wanted = _TYPES[parameter.type]
    if type(value) is wanted or (wanted is float and type(value) is int):
        return wanted(value)
    if isinstance(value, str):
        try:
            return _from_text(parameter.type, value)
        except ValueError:
            pass
    raise ParameterError(
        f"parameter {parameter.name!r} must be {parameter.type} ({parameter.help}); got {value!r}"
    )


def _from_text(type_name: str, text: str) -> object:
    if type_name == "bool":
        if text.lower() not in {"true", "false"}:
            raise ValueError(text)
        return text.lower() == "true"
    return _TYPES[type_name](text.replace("_", "") if type_name == "int" else text)
