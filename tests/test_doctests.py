"""The examples in docstrings hold."""

import doctest
import importlib
from pathlib import Path

import pytest

import cxrstudy

FOLDER = Path(cxrstudy.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_hold(module):
    options = doctest.NORMALIZE_WHITESPACE
    tested = doctest.testmod(importlib.import_module(module), optionflags=options)
    assert tested.attempted and not tested.failed


def test_there_are_examples():
    assert len(WITH_EXAMPLES) >= 12
