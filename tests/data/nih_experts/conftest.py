"""The real NIH tables, or the reason why they are not here."""

import pytest

from cxrstudy.data.nih_experts import load_google, load_nih, load_rsna
from cxrstudy.data.registry import DataNotAvailableError


def _or_skip(load):
    try:
        return load()
    except DataNotAvailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def nih():
    """Text-mined labels of all images."""
    return _or_skip(load_nih)


@pytest.fixture(scope="session")
def google():
    """Google's two sets."""
    return _or_skip(load_google)


@pytest.fixture(scope="session")
def rsna(mirror):
    """RSNA's classes under NIH names."""
    return _or_skip(load_rsna)
