"""A pickle may hold numbers and text; one that names anything else is refused unrun."""

import os
import pickle

import numpy as np
import pytest

from cxrstudy.data.restricted_pickle import UnsafePickleError, load_restricted_pickle


class _Runs:
    """A pickle of this calls a function with arguments when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _write(tmp_path, content: bytes):
    path = tmp_path / "own.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_numbers_and_text_come_through(tmp_path, protocol):
    value = {"a": {"info": ["Normal"], "mse": np.float64(0.1), "n": np.int32(-3), "none": None}}
    found = load_restricted_pickle(_write(tmp_path, pickle.dumps(value, protocol)))
    assert found == value
    assert type(found["a"]["mse"]) is np.float64 and type(found["a"]["n"]) is np.int32


def test_both_numpy_names_are_read(tmp_path):
    """Pickles of numpy 1 and numpy 2 name the same function by different modules."""
    new = pickle.dumps(np.float64(2.5), 3)
    assert b"numpy._core.multiarray" in new
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert load_restricted_pickle(_write(tmp_path, new)) == 2.5
    assert load_restricted_pickle(_write(tmp_path, old)) == 2.5


@pytest.mark.parametrize(
    ("function", "name"),
    [(os.mkdir, "mkdir"), (eval, "builtins.eval"), (np.load, "numpy.load"), (open, "open")],
)
def test_a_malicious_pickle_is_refused_unrun(tmp_path, function, name):
    trace = tmp_path / "trace"
    argument = f"__import__('os').mkdir({str(trace)!r})" if function is eval else str(trace)
    extra = ("w",) if function is open else ()
    content = pickle.dumps({"a": [1, _Runs(function, argument, *extra)]})
    path = _write(tmp_path, content)
    with pytest.raises(UnsafePickleError, match=name) as caught:
        load_restricted_pickle(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()
    if function is os.mkdir:
        pickle.loads(content)
        assert trace.exists(), "the same pickle does harm when it is loaded without the restriction"


@pytest.mark.parametrize("name", [b"cnumpy\nload\n.", b"cos\nsystem\n.", b"cnumpy\ndtype.type\n."])
def test_a_bare_name_is_refused_too(tmp_path, name):
    with pytest.raises(UnsafePickleError):
        load_restricted_pickle(_write(tmp_path, name))
