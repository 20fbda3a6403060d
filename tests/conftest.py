"""Fixtures that several test folders share.

Machines with a GPU may have little more than torch and pytest, so what not every test needs is
imported where it is used.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cxrstudy.data.chexpert_test import ChexpertTestLabels

with suppress(ImportError):
    import hypothesis

    # The same examples in every run; the first call of a compiled function may take its time.
    hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the registry's files; tests that need real data ask for it."""
    from cxrstudy.data.registry import MIRROR_VARIABLE

    folder = os.environ.get(MIRROR_VARIABLE)
    if not folder:
        pytest.skip(f"needs the data: name the mirror folder in {MIRROR_VARIABLE}")
    return Path(folder)


@pytest.fixture(scope="session")
def chexpert(mirror) -> ChexpertTestLabels:
    """The CheXpert test-set labels with the labeler file repaired."""
    from cxrstudy.data import chexpert_test

    return chexpert_test.load()


@pytest.fixture(scope="session")
def chexpert_as_released(mirror) -> ChexpertTestLabels:
    """The CheXpert test-set labels joined by the labeler file's printed ids."""
    from cxrstudy.data import chexpert_test

    return chexpert_test.load("as released")
