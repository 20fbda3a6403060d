"""Fixtures that several test folders share."""

import os
from pathlib import Path

import hypothesis
import pytest

from cxrstudy.data import chexpert_test
from cxrstudy.data.registry import MIRROR_VARIABLE

# The same examples in every run; the first call of a compiled function may take its time.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

NO_MIRROR = f"needs the data: name the mirror folder in {MIRROR_VARIABLE}"


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the registry's files; tests that need real data ask for it."""
    folder = os.environ.get(MIRROR_VARIABLE)
    if not folder:
        pytest.skip(NO_MIRROR)
    return Path(folder)


@pytest.fixture(scope="session")
def chexpert(mirror) -> chexpert_test.ChexpertTestLabels:
    """The CheXpert test-set labels with the labeler file repaired."""
    return chexpert_test.load()


@pytest.fixture(scope="session")
def chexpert_as_released(mirror) -> chexpert_test.ChexpertTestLabels:
    """The CheXpert test-set labels joined by the labeler file's printed ids."""
    return chexpert_test.load("as released")
