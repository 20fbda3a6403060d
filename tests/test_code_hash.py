"""A hash of code: words do not change it, code does."""

import pytest
from cxrstudy.code_hash import code_hash, without_prose

CODE = '''
"""A module."""
import math


class Square:
    """A square."""

    side = 1.0  # of one side
    """In metres."""

    def area(self):
        """Return the area."""
        # By hand.
        return self.side**2


def empty():
    """Do nothing yet."""
'''
REWORDED = '''
# Another comment.
import math

class Square:
    """Four equal sides.

    It has more to say.
    """
    side = 1.0
    def area(self):
        return self.side ** 2

def empty():
    """Do nothing at all."""
'''


def test_better_words_do_not_change_what_is_hashed():
    """Docstrings, comments, blank lines and spacing are prose."""
    assert without_prose(CODE) == without_prose(REWORDED)
    assert "square" not in without_prose(CODE).lower().replace("class square", "")
    assert "metres" not in without_prose(CODE)


@pytest.mark.parametrize(
    ("old", "new"), [("**2", "**3"), ("1.0", "2.0"), ("import math", "import cmath")]
)
def test_other_code_does(old, new):
    """A number, an operator and an import are code; so is a string that is no docstring."""
    assert without_prose(CODE) != without_prose(CODE.replace(old, new))
    message = 'raise ValueError("{}")'.format
    assert without_prose(message("a")) != without_prose(message("b"))


def test_files_are_hashed_in_their_order(tmp_path):
    """A comment in one changes nothing; another order does."""
    paths = [tmp_path / name for name in ("a.py", "b.py")]
    for path, source in zip(paths, ("x = 1", "y = 2"), strict=True):
        path.write_text(source)
    before = code_hash(paths)
    paths[0].write_text("x = 1  # of some unit")
    assert code_hash(paths) == before != code_hash(paths[::-1])
