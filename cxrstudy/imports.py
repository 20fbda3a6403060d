"""What a module's behaviour depends on, from the package's import graph."""

import ast
from functools import cache
from pathlib import Path

import grimp

PACKAGE = "cxrstudy"


@cache
def upstream_modules(name: str) -> frozenset[str]:
    """Name a module of this package, all that it imports, directly or not, and their libraries.

    A module also runs the ``__init__`` of every package above it. Libraries are named without
    their submodules: "torch". A name that is no module gives an empty set.

    >>> sorted(upstream_modules("cxrstudy.philox"))
    ['cxrstudy.compiled', 'cxrstudy.philox', 'hashlib', 'numba', 'numpy', 'pathlib']
    """
    graph = _graph()
    found: set[str] = set()
    waiting = [name, *_handed_out(name)]
    while waiting:
        module = waiting.pop()
        if module not in graph.modules or module in found:
            continue
        found.add(module)
        if module.split(".")[0] != PACKAGE:
            continue
        for imported in graph.find_modules_directly_imported_by(module):
            waiting += [imported, *_handed_out(imported)]
        parent = module.rpartition(".")[0]
        if parent and parent != PACKAGE:
            waiting.append(parent)
    return frozenset(found)


def source_file(module: str) -> Path:
    """Return the file of a module of this package; of a package, its ``__init__``."""
    base = Path(__file__).parent.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)


def _handed_out(package: str) -> list[str]:
    """List the modules whose names a package loads on first use, which no import shows.

    ``lazy_loader.attach(__name__, submod_attrs={"config": ["TrainingConfig"]})`` in
    ``cxrstudy.vision.training`` gives ``["cxrstudy.vision.training.config"]``.
    """
    if package.split(".")[0] != PACKAGE or source_file(package).name != "__init__.py":
        return []
    tree = ast.parse(source_file(package).read_text("utf-8"))
    return [
        f"{package}.{module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs"
        for module in ast.literal_eval(node.value)
    ]
