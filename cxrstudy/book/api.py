"""The reference page: every function and class that a notebook names, from its docstring.

Sphinx reads the docstrings; this lists whose. A name enters the page by being used.
"""

import ast
import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path

from cxrstudy.runs.stamp import parsed_notebook


def api_markdown(notebooks: Iterable[Path]) -> str:
    """Write the body of the reference page, a section for each module in alphabetical order."""
    named = sorted({name for path in notebooks for name in _named_in(path)})
    by_module: dict[str, list[str]] = {}
    for name in named:
        thing = _resolve(name)
        if inspect.isclass(thing) or callable(thing):
            by_module.setdefault(thing.__module__, []).append(_directive(thing))
    return "\n".join(
        f"## {module}\n\n```{{eval-rst}}\n" + "\n".join(dict.fromkeys(directives)) + "```\n"
        for module, directives in sorted(by_module.items())
    )


def _named_in(notebook: Path) -> set[str]:
    """List the dotted names of this package that a notebook's code uses."""
    tree = parsed_notebook(notebook)
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cxrstudy")
        for alias in node.names
    }
    # `claims.record`: the notebook imports the module and names what it uses of it.
    attributes = {
        f"{imported[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in imported
    }
    return set(imported.values()) | attributes


def _resolve(name: str) -> object:
    """Import what a dotted name stands for; None for a module, or an attribute of a value."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        # "cxrstudy.agreement.Resampling.of" looks for a module "Resampling"; "torch" is missing.
        if error.name != module:
            raise
        return None
    return None if inspect.ismodule(found) else found


def _directive(thing) -> str:
    path = f"{thing.__module__}.{thing.__qualname__}"
    if inspect.isclass(thing):
        return f".. autoclass:: {path}\n   :members:\n"
    return f".. autofunction:: {path}\n"
