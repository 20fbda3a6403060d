"""Check a notebook's parameters before a kernel starts.

Papermill passes an unknown parameter on with a log line and a word as a number without one. A
run that took minutes on a mistyped parameter is worse than none, so both are refused here.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import papermill

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}


class ParameterError(ValueError):
    """A parameter is unknown, has the wrong type, or the parameters cell breaks its form."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: ``epochs: list[int] = [1, 3]  # run lengths``."""

    name: str
    type: str  # int, float, str, bool, or list[...] of one of them
    default: object
    help: str


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read the cell tagged ``parameters``; each line has a type, a literal and a help text."""
    found = papermill.inspect_notebook(notebook)
    if not found:
        raise ParameterError(f"{notebook}: no parameter in a cell tagged 'parameters'")
    return {name: _declared(entry, notebook) for name, entry in found.items()}


def check_parameters(
    declared: Mapping[str, Parameter], given: Mapping[str, object]
) -> dict[str, object]:
    """Convert overrides, values of YAML or text of the command line, to their declared types."""
    for name in given:
        if name not in declared:
            raise ParameterError(
                f"unknown parameter {name!r}; the notebook has: {', '.join(declared)}"
            )
    return {name: _convert(declared[name], value) for name, value in given.items()}


def _declared(entry: Mapping[str, str], notebook: str | Path) -> Parameter:
    name, kind, text, help_text = entry.values()
    try:
        default = _of_type(kind, ast.literal_eval(text))
    except (KeyError, SyntaxError, TypeError, ValueError):
        default = None
    if default is None or not help_text:
        raise ParameterError(
            f"{notebook}, parameters cell: {name} is not 'name: type = value  # help' with a type "
            f"among {', '.join(_TYPES)}, or list[...] of one, and a literal of that type"
        )
    return Parameter(name, kind, default, help_text)


def _convert(parameter: Parameter, value: object) -> object:
    try:
        is_text = isinstance(value, str) and parameter.type != "str"
        return _of_type(parameter.type, _literal(value) if is_text else value)
    except (SyntaxError, TypeError, ValueError):
        raise ParameterError(
            f"parameter {parameter.name!r} must be {parameter.type} ({parameter.help}); "
            f"got {value!r}"
        ) from None


def _literal(text: str) -> object:
    """Read text of the command line, such as ``10_000``, ``[1, 3]`` or ``true``."""
    words = {"true": True, "false": False}
    return words[text.lower()] if text.lower() in words else ast.literal_eval(text)


def _of_type(kind: str, value: object) -> object:
    """Return a value of the type `kind`; a whole number may stand for a float."""
    if kind.startswith("list["):
        if type(value) is not list:
            raise TypeError(value)
        return [_of_type(kind[5:-1], item) for item in value]
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise TypeError(value)
    return value
