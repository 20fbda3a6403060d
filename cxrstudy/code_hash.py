"""A hash of code without its prose, for keys of what took long to compute."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_hash(files: Iterable[str | Path]) -> str:
    """Hash Python files, whatever their comments and docstrings say.

    Parameters
    ----------
    files : iterable of path

    Returns
    -------
    str
        Hexadecimal sha256; another order of files is another hash.
    """
    digest = hashlib.sha256()
    for path in files:
        digest.update(without_prose(Path(path).read_text("utf-8")).encode())
    return digest.hexdigest()


def without_prose(source: str) -> str:
    """Drop comments and strings that stand alone: better words must not cost hours of training.

    Parameters
    ----------
    source : str
        Of a Python module.

    Returns
    -------
    str
        The same code, laid out anew.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_prose(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_prose(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, of a module, class, function or attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
