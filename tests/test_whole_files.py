"""A file is whole or absent."""

import pytest

from cxrstudy.whole_files import written_whole


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "table.csv"
    with written_whole(path) as temporary:
        temporary.write_text("half")
        assert not path.exists() and temporary.suffix == ".csv"
    assert path.read_text() == "half" and list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]
