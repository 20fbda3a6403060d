"""The reference page: every function and class that a notebook names, from its docstring.

Sphinx reads the docstrings; this lists whose. A name enters the page by being used. Where it is
defined is read from the source, since the models' libraries take longer to import than the page
to build.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

from cxrstudy.imports import definition
from cxrstudy.runs.stamp import parsed_notebook

_DIRECTIVES = {
    ast.FunctionDef: ".. autofunction:: {}\n",
    ast.ClassDef: ".. autoclass:: {}\n   :members:\n",
}


def api_markdown(notebooks: Iterable[Path]) -> str:
    """Write the body of the reference page, a section for each module in alphabetical order."""
    named = sorted({name for path in notebooks for name in _named_in(path)})
    by_module: dict[str, list[str]] = {}
    for module, node in filter(None, map(definition, named)):
        directive = _DIRECTIVES[type(node)].format(f"{module}.{node.name}")
        by_module.setdefault(module, []).append(directive)
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
