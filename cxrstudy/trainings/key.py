"""A key that changes with whatever decides a result that took long to compute."""

import ast
from functools import cache
from importlib.metadata import version

import joblib

from cxrstudy.imports import PACKAGE, source_file, upstream_modules

_DECIDING = {
    "accelerate",
    "peft",
    "tokenizers",
    "torch",
    "torchvision",
    "torchxrayvision",
    "transformers",
}
"""Libraries that hold optimisers, architectures and weights; others only carry data."""


def result_key(module: str, *parts: object) -> str:
    """Return a hash of a module's code, of the libraries that decide, and of anything else.

    The code is that of the module and of all that it imports. Equal arrays have equal keys,
    whether they lie in memory or in a file.
    """
    return joblib.hash((_code(module), *parts), hash_name="sha1", coerce_mmap=True)


@cache
def _code(module: str) -> str:
    """Hash every module's name and code, and every deciding library's version."""
    upstream = sorted(upstream_modules(module))
    if not upstream:
        raise ValueError(f"{module} is no module of {PACKAGE}: its code cannot be part of a key")
    own = [name for name in upstream if name.split(".")[0] == PACKAGE]
    code = [(name, without_prose(source_file(name).read_text("utf-8"))) for name in own]
    versions = [(name, version(name)) for name in upstream if name in _DECIDING]
    return joblib.hash((code, versions), hash_name="sha1")


def without_prose(source: str) -> str:
    """Drop comments and docstrings: better words must not cost hours of training.

    >>> without_prose('rate = 1e-3  # of AdamW')
    'rate = 0.001'
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_prose(part)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_prose(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, of a module, class, function or attribute."""
    match statement:
        case ast.Expr(ast.Constant(str())):
            return True
    return False
