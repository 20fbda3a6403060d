"""The key of a training: data, configuration, libraries and code, but no prose."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrstudy.imports import upstream_modules
from cxrstudy.trainings import key
from cxrstudy.trainings.key import result_key, without_prose
from cxrstudy.vision.training import TrainingConfig

IMAGES, STUDENTS = "cxrstudy.vision.training.job", "cxrstudy.text.students.job"
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


@pytest.fixture
def edited(monkeypatch):
    """Return a module's key as if one file had something appended."""
    read = Path.read_text

    def key_with(module: str, name: str, addition: str) -> str:
        def read_edited(path, encoding):
            text = read(path, encoding)
            return text + addition if path.as_posix().endswith(name) else text

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", read_edited)
            return key._code.__wrapped__(module)

    return key_with


@pytest.mark.parametrize(
    ("module", "name", "decides"),
    [
        (IMAGES, "vision/backbones.py", True),
        (IMAGES, "training/loop.py", True),
        (IMAGES, "kernels/bce.py", True),
        (IMAGES, "kernels/augment.py", True),
        (IMAGES, "students/train.py", False),
        (IMAGES, "experiments/cross_fitting.py", False),
        (STUDENTS, "students/model.py", True),
        (STUDENTS, "students/train.py", True),
        (STUDENTS, "kernels/distill.py", True),
        (STUDENTS, "trainings/job.py", True),
        (STUDENTS, "vision/backbones.py", False),
        (STUDENTS, "trainings/many.py", False),
    ],
)
def test_new_code_that_decides_is_another_training(module, name, decides, edited):
    """Directly imported or not; a new comment is nothing."""
    before = edited(module, name, "")
    assert (edited(module, name, "\nlater = 1\n") != before) == decides
    assert edited(module, name, "\n# later\n") == before


@pytest.mark.parametrize(
    ("module", "library", "decides"),
    [
        (IMAGES, "torchvision", True),
        (IMAGES, "transformers", False),
        (STUDENTS, "transformers", True),
        (STUDENTS, "tokenizers", True),
        (STUDENTS, "tqdm", False),
    ],
)
def test_another_version_of_a_library_that_decides(module, library, decides, monkeypatch):
    before = key._code.__wrapped__(module)
    version = key.version
    monkeypatch.setattr(key, "version", lambda name: version(name) + "x" * (name == library))
    assert (key._code.__wrapped__(module) != before) == decides


@pytest.mark.parametrize("module", [IMAGES, "cxrstudy.vision.training.loop", STUDENTS])
def test_no_training_hangs_on_the_engine_of_agreement(module):
    """And code outside the package has no key."""
    upstream = upstream_modules(module)
    assert upstream and not any(name.startswith("cxrstudy.agreement") for name in upstream)
    with pytest.raises(ValueError, match="__main__ is no module of cxrstudy"):
        result_key("__main__")


def test_equal_parts_have_an_equal_key_in_every_process(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(96, dtype=np.uint8).reshape(6, 4, 4))
    images = np.load(tmp_path / "images.npy")
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    ours = result_key(IMAGES, TrainingConfig(), images, ["a", "b"])
    assert ours == result_key(IMAGES, TrainingConfig(), mapped, ["a", "b"])
    code = (
        "import sys, numpy as np\n"
        "from cxrstudy.trainings.key import result_key\n"
        "from cxrstudy.vision.training import TrainingConfig\n"
        "print(result_key(sys.argv[1], TrainingConfig(), np.load(sys.argv[2]), ['a', 'b']))"
    )
    arguments = [sys.executable, "-c", code, IMAGES, str(tmp_path / "images.npy")]
    theirs = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    assert theirs.strip() == ours


def test_any_change_of_data_or_configuration_changes_the_key():
    rng = np.random.default_rng(0)
    images, targets = rng.integers(0, 256, (6, 4, 4), np.uint8), rng.random((6, 2), np.float32)
    config = TrainingConfig()
    other_images, other_targets = images.copy(), targets.copy()
    other_images[5, 3, 3] += 1
    other_targets[0, 0] = np.nan
    other_backbone = replace(config.backbone, seed=1)
    parts = [
        (config, images, targets, images[:2]),
        (config, other_images, targets, images[:2]),
        (config, images, other_targets, images[:2]),
        (config, images, targets, images[:3]),
        (config, images.reshape(6, 2, 8), targets, images[:2]),
        (config, images.view(np.int8), targets, images[:2]),
        (replace(config, seed=1), images, targets, images[:2]),
        (replace(config, backbone=other_backbone), images, targets, images[:2]),
    ]
    assert len({result_key(IMAGES, *each) for each in parts}) == 8
