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


def definition(name: str) -> tuple[str, ast.FunctionDef | ast.ClassDef] | None:
    """Find the module and the statement that define a function or class, in the source alone.

    "cxrstudy.agreement.agree" gives ``("cxrstudy.agreement.compare", <def agree>)``; None for a
    module, a constant, or what no module of this package defines.
    """
    module, _, attribute = name.rpartition(".")
    if not module.startswith(PACKAGE) or not source_file(module).is_file():
        return None
    for node in _parsed(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module:
            # A relative import stands in an ``__init__``: "from .compare import agree".
            source = f"{module}.{node.module}" if node.level else node.module
            for alias in node.names:
                if attribute == (alias.asname or alias.name):
                    return definition(f"{source}.{alias.name}")
    for submodule, names in _lazily_loaded(module).items():
        if attribute in names:
            return definition(f"{module}.{submodule}.{attribute}")
    return None


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)


def _handed_out(package: str) -> list[str]:
    """List the modules whose names a package loads on first use, which no import shows."""
    if package.split(".")[0] != PACKAGE or source_file(package).name != "__init__.py":
        return []
    return [f"{package}.{module}" for module in _lazily_loaded(package)]


def _lazily_loaded(module: str) -> dict[str, list[str]]:
    """Read which of its modules holds which of the names that a package loads on first use.

    ``lazy_loader.attach(__name__, submod_attrs={"config": ["TrainingConfig"]})`` gives
    ``{"config": ["TrainingConfig"]}``.
    """
    found: dict[str, list[str]] = {}
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            found |= ast.literal_eval(node.value)
    return found


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse(source_file(module).read_text("utf-8"))
