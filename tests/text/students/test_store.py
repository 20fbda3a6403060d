"""Students on disk: the same after loading, whole or not there."""

import dataclasses

import numpy as np
import pytest

from cxrstudy.text.students import load_student, predict, save_student, store


def test_a_loaded_student_predicts_the_same(toy, toy_student, tmp_path):
    _, held_out = toy
    folder = save_student(toy_student, tmp_path / "models" / "toy")
    loaded = load_student(folder)
    np.testing.assert_array_equal(predict(loaded, held_out), predict(toy_student, held_out))
    assert loaded.config == toy_student.config
    assert not [path for path in folder.rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]


def test_a_folder_is_never_written_over(toy_student, tmp_path):
    save_student(toy_student, tmp_path / "toy")
    with pytest.raises(FileExistsError, match="toy exists"):
        save_student(toy_student, tmp_path / "toy")


def test_a_failed_save_leaves_nothing(toy_student, tmp_path):
    """The weights are written before the tokenizer fails; no folder remains."""
    broken = dataclasses.replace(toy_student, tokenizer=None)
    with pytest.raises(AttributeError):
        save_student(broken, tmp_path / "toy")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_student_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no student"):
        load_student(tmp_path)


def test_a_kept_student_is_not_trained_again(toy, toy_config, teacher, tmp_path, monkeypatch):
    """The second call loads; another seed trains."""
    training, held_out = toy
    config = dataclasses.replace(toy_config, epochs=1)
    first = store.train_or_load(tmp_path, training, teacher(training), config)
    trained = []
    train = store.train_student
    monkeypatch.setattr(store, "train_student", lambda *data: trained.append(1) or train(*data))
    second = store.train_or_load(tmp_path, training, teacher(training), config)
    assert not trained
    np.testing.assert_array_equal(predict(first, held_out), predict(second, held_out))
    other = dataclasses.replace(config, seed=5)
    store.train_or_load(tmp_path, training, teacher(training), other)
    assert trained == [1] and len(list(tmp_path.iterdir())) == 2
