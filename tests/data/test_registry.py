"""The registry: mirror before origin, terms that keep a data set off, and complete entries."""

import dataclasses
import hashlib
import os

import pytest

from cxrstudy.data import origins, registry
from cxrstudy.data.origins import (
    OFFLINE_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    NoNetworkError,
)
from cxrstudy.data.registry import (
    MIRROR_VARIABLE,
    TERMS_VARIABLE,
    Dataset,
    TermsNotAcceptedError,
    dataset,
    datasets,
    fetch,
)
from cxrstudy.paths import in_project

GOOD = b"study,Edema\np1,1\n" * 100
FILE = "labels/own.csv"


@pytest.fixture
def own(server) -> Dataset:
    server.body = GOOD
    return Dataset(
        name="own", title="Own labels", content="x", tier=1, licence="own terms", citation="x",
        homepage="https://own.example", base_url=server.url,
        files={FILE: hashlib.sha256(GOOD).hexdigest()},
    )  # fmt: skip


def _mirror(tmp_path, monkeypatch, content: bytes, folder: str = "own"):
    path = tmp_path / "mirror" / folder / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))
    return path


def test_the_mirror_comes_first(own, server, tmp_path, monkeypatch):
    path = _mirror(tmp_path, monkeypatch, GOOD)
    assert own.path(FILE) == path
    assert not server.starts and not (tmp_path / "cache").exists()
    # Two data sets can share a folder of the mirror.
    path = _mirror(tmp_path, monkeypatch, GOOD, "shared")
    assert dataclasses.replace(own, folder="shared").path(FILE) == path
    # What it lacks is downloaded.
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path))
    assert own.path(FILE).read_bytes() == GOOD
    assert len(server.starts) == 1


def test_wrong_bytes_in_the_mirror_are_refused(own, server, tmp_path, monkeypatch):
    path = _mirror(tmp_path, monkeypatch, GOOD + b"p2,0\n")
    with pytest.raises(CorruptDataError) as caught:
        own.path(FILE)
    assert str(path) in str(caught.value)
    assert "replace it" in str(caught.value) and MIRROR_VARIABLE in str(caught.value)
    assert not server.starts


def test_only_files_and_data_sets_of_the_registry_have_a_path(own):
    with pytest.raises(KeyError, match="none.csv"):
        own.path("none.csv")
    with pytest.raises(KeyError, match="no data set 'x'.*chexpert_test_set_labels"):
        dataset("x")


def test_no_mirror_shadows_the_box(own, tmp_path, monkeypatch):
    """The box of a checkout in a folder of its own, with one file."""
    monkeypatch.setattr(registry, "in_project", lambda path: tmp_path / "checkout" / path)
    box = tmp_path / "checkout" / "data" / "own" / FILE
    box.parent.mkdir(parents=True)
    box.write_bytes(GOOD)
    _mirror(tmp_path, monkeypatch, b"other")
    boxed = dataclasses.replace(own, box=True, base_url="")
    assert boxed.path(FILE) == box and boxed.place() == "in the box"
    box.write_bytes(b"changed")
    with pytest.raises(CorruptDataError, match="run `git restore data/own`"):
        boxed.path(FILE)


@pytest.mark.usefixtures("no_checkout")
def test_without_a_checkout_the_ways_to_the_box_are_named(own):
    boxed = dataclasses.replace(own, box=True, base_url="", instead="cxrstudy data fetch other")
    with pytest.raises(
        DataNotAvailableError, match="take data/own.*`cxrstudy data fetch other`.*_MIRROR"
    ):
        boxed.path(FILE)
    assert not boxed.place()


def test_a_network_that_does_not_answer_is_asked_once(own, server, tmp_path, monkeypatch):
    """What is at hand is found all the same, and other processes are told."""
    monkeypatch.setenv(OFFLINE_VARIABLE, "")
    _mirror(tmp_path, monkeypatch, GOOD, "here")
    entries = {name: dataclasses.replace(own, name=name) for name in ("first", "here", "last")}
    monkeypatch.setattr(registry, "datasets", lambda: entries)
    asked = []

    def nobody(server: str) -> None:
        asked.append(server)
        raise NoNetworkError(f"{server} does not answer")

    monkeypatch.setattr(origins, "_require_answer", nobody)
    assert registry.unavailable(entries) == ["first", "last"]
    assert asked == [server.url] and os.environ[OFFLINE_VARIABLE] == "1"


def test_a_file_that_the_network_lacks_stops_no_other(own, server, monkeypatch):
    monkeypatch.setenv(OFFLINE_VARIABLE, "")
    server.status = 404
    package = dataclasses.replace(own, base_url="", package="no_such==1")
    corrupt = dataclasses.replace(own, name="corrupt", files={FILE: "0" * 64})
    entries = {"own": own, "package": package, "corrupt": corrupt}
    monkeypatch.setattr(registry, "datasets", lambda: entries)
    assert registry.unavailable(["own", "package"]) == ["own", "package"]
    server.status = 200
    # Bytes that are wrong are no missing data: the run that reads them says so.
    assert registry.unavailable(["corrupt", "own"]) == []
    assert not os.environ[OFFLINE_VARIABLE]


def test_what_is_read_in_place_is_not_fetched(own, monkeypatch):
    in_place = dataclasses.replace(own, files={}, base_url="", instead="load_it(FOLDER)")
    monkeypatch.setattr(registry, "datasets", lambda: {"own": in_place})
    with pytest.raises(DataNotAvailableError, match=r"https://own.example, then use `load_it"):
        fetch("own")
    assert not in_place.place()


@pytest.mark.parametrize("accepted", [None, "", "other", "own_labels", "OWN"])
def test_an_agreement_keeps_a_data_set_off_until_it_is_named(own, monkeypatch, accepted):
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    if accepted is not None:
        monkeypatch.setenv(TERMS_VARIABLE, accepted)
    guarded = dataclasses.replace(own, agreement=True)
    with pytest.raises(TermsNotAcceptedError, match="own terms.*https://own.example") as caught:
        guarded.path(FILE)
    assert f"{TERMS_VARIABLE}=own" in str(caught.value)
    for named in ("own", "other, own", "own,other"):
        monkeypatch.setenv(TERMS_VARIABLE, named)
        assert guarded.path(FILE).read_bytes() == GOOD


def test_the_tables_with_agreements_are_off(monkeypatch):
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    guarded = {name: entry for name, entry in datasets().items() if entry.agreement}
    assert set(guarded) == {
        "vinbigdata_train_labels", "padchest_labels", "chexpert_train_labels"
    }  # fmt: skip
    for name, entry in guarded.items():
        assert "ggregates only" in entry.content and entry.tier == 2
        assert entry.fetch_command.startswith(f"export {TERMS_VARIABLE}={name} && ")
        with pytest.raises(TermsNotAcceptedError, match=f"{TERMS_VARIABLE}={name}"):
            entry.path(next(iter(entry.files)))


@pytest.mark.parametrize(
    "changes", [{"base_url": ""}, {"wheel": "x==1"}, {"package": "x==1", "box": True}]
)
def test_an_entry_has_one_origin(own, changes):
    with pytest.raises(ValueError, match="data set own: give either base_url or package"):
        dataclasses.replace(own, **changes)


@pytest.mark.parametrize("entry", datasets().values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry, monkeypatch):
    """And the box holds what the registry says."""
    assert entry.title and entry.content and entry.licence and entry.citation
    assert entry.tier in (0, 1, 2)
    assert entry.homepage.startswith("https://")
    address = entry.base_url or entry.archive_url or entry.repository
    pinned = "==" in entry.package or "==" in entry.wheel
    assert address.startswith("https://") or pinned or entry.instead or entry.box
    bibliography = in_project("book/references.bib").read_text("utf-8")
    assert f"{{{entry.citation}," in bibliography
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    digits = {"sha256": 64, "md5": 32, "commit": 40}
    for file, known_hash in entry.files.items():
        algorithm, _, digest = known_hash.rpartition(":")
        assert len(digest) == digits[algorithm or "sha256"] and int(digest, 16)
        if entry.box:
            assert entry.tier == 0 and entry.path(file).is_relative_to(in_project("data"))
            assert known_hash in in_project("data/README.md").read_text("utf-8")
