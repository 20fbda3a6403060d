"""Where files come from: packages, folders of a mirror, and agreements that keep a data set off."""

import hashlib
import sys

import pytest

from cxrstudy.data.registry import (
    CACHE_VARIABLE,
    MIRROR_VARIABLE,
    TERMS_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    Dataset,
    TermsNotAcceptedError,
    dataset,
    datasets,
)

GOOD = b"a,b\n1,2\n"
WITH_AGREEMENT = [name for name, entry in datasets().items() if entry.agreement]


def _entry(**fields) -> Dataset:
    stated = {
        "name": "own", "title": "Own labels", "content": "x", "tier": 0, "licence": "own terms",
        "citation": "x", "homepage": "https://own.example", "package": "own_package==1.0",
        "files": {"data/own.csv": hashlib.sha256(GOOD).hexdigest()},
    }  # fmt: skip
    return Dataset(**(stated | fields))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The data file of an importable package that fails if it is ever imported."""
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    folder = tmp_path / "site" / "own_package"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "data" / "own.csv").write_bytes(GOOD)
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_a_file_is_found_inside_the_package_without_importing_it(package):
    """The file is used where the package lies; importing may be slow, so it never happens."""
    assert _entry().path("data/own.csv") == package / "data" / "own.csv"
    assert "own_package" not in sys.modules


def test_the_mirror_comes_before_the_package(package, tmp_path, monkeypatch):
    """A mirror without the package's file is passed over; one that has it is used."""
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))
    assert _entry().path("data/own.csv").is_relative_to(package)
    copy = tmp_path / "mirror" / "own" / "data" / "own.csv"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(GOOD)
    assert _entry().path("data/own.csv") == copy


def test_other_bytes_in_the_package_are_refused(package):
    """Another version of the package may ship another table."""
    (package / "data" / "own.csv").write_bytes(GOOD + b"3,4\n")
    with pytest.raises(CorruptDataError, match="run `pip install own_package==1.0`"):
        _entry().path("data/own.csv")


def test_a_package_without_the_file_says_what_to_install(package):
    """A package that lacks the file is named with the command that mends it."""
    (package / "data" / "own.csv").unlink()
    with pytest.raises(DataNotAvailableError, match="pip install own_package.*_MIRROR"):
        _entry().path("data/own.csv")


def test_a_package_that_is_not_installed_says_so():
    """No package: one command."""
    with pytest.raises(DataNotAvailableError, match="not installed.*pip install no_such==2"):
        _entry(package="no_such==2").path("data/own.csv")


def test_a_data_set_may_name_its_mirror_folder(tmp_path, monkeypatch):
    """Two data sets can share a folder of the mirror."""
    path = tmp_path / "shared" / "data" / "own.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(GOOD)
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path))
    assert _entry(folder="shared").path("data/own.csv") == path


@pytest.mark.parametrize("origins", [{}, {"package": "p==1", "base_url": "https://own.example/"}])
def test_an_entry_names_exactly_one_origin(origins):
    """An entry without an origin, or with two, is refused when the registry is read."""
    with pytest.raises(ValueError, match="own: give either base_url or package"):
        _entry(**({"package": "", "base_url": ""} | origins))


@pytest.mark.parametrize("accepted", [None, "", "other", "own_labels", "OWN"])
def test_an_agreement_keeps_a_data_set_off(package, monkeypatch, accepted):
    """Although the file is here, nothing is read before its name is accepted."""
    if accepted is not None:
        monkeypatch.setenv(TERMS_VARIABLE, accepted)
    with pytest.raises(TermsNotAcceptedError) as caught:
        _entry(agreement=True).path("data/own.csv")
    message = str(caught.value)
    assert f"{TERMS_VARIABLE}=own" in message
    assert "own terms" in message and "https://own.example" in message


@pytest.mark.parametrize("accepted", ["own", "other, own", "own,other"])
def test_accepting_by_name_turns_it_on(package, monkeypatch, accepted):
    """Names stand in one variable with commas between them."""
    monkeypatch.setenv(TERMS_VARIABLE, accepted)
    assert _entry(agreement=True).path("data/own.csv").read_bytes() == GOOD


def test_the_tables_with_agreements_are_off(monkeypatch):
    """VinBigData, PadChest and CheXpert's training labels ask for acceptance, in one error."""
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    assert set(WITH_AGREEMENT) == {
        "vinbigdata_train_labels", "padchest_labels", "chexpert_train_labels"
    }  # fmt: skip
    for name in WITH_AGREEMENT:
        entry = dataset(name)
        assert "ggregates only" in entry.content and entry.tier == 2
        assert entry.fetch_command.startswith(f"export {TERMS_VARIABLE}={name} && ")
        with pytest.raises(TermsNotAcceptedError, match=f"{TERMS_VARIABLE}={name}"):
            entry.path(next(iter(entry.files)))


def test_nothing_else_asks_for_acceptance(monkeypatch, tmp_path):
    """A data set without an agreement never raises that error."""
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path))
    with pytest.raises(DataNotAvailableError) as caught:
        _entry(package="no_such==2").path("data/own.csv")
    assert not isinstance(caught.value, TermsNotAcceptedError)
