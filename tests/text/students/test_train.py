"""Training: a toy rule is learned, runs repeat, wrong data are refused."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from cxrstudy.text.students import predict, train_student
from cxrstudy.text.students.train import class_frequencies, square_root_weights


def _macro_f1(probabilities, targets) -> float:
    truth, said = targets.argmax(-1) > 0, probabilities.argmax(-1) > 0
    return f1_score(truth, said, average="macro")


def test_both_architectures_learn_the_toy_rule(toy, toy_student, toy_config, teacher):
    training, held_out = toy
    config = dataclasses.replace(toy_config, architecture="bert")
    bert = train_student(training, teacher(training), config, device="cpu")
    for student in (toy_student, bert):
        assert _macro_f1(predict(student, held_out), teacher(held_out)) > 0.95


def test_same_seed_same_student_and_nothing_else_changes(toy, toy_config, teacher):
    training, held_out = toy
    config = dataclasses.replace(toy_config, epochs=1, dropout=0.1)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    untouched = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    threads = torch.get_num_threads()
    first = predict(train_student(training, teacher(training), config, device="cpu"), held_out)
    assert untouched == (random.random(), np.random.random(), torch.rand(1).item())  # noqa: NPY002
    assert torch.get_num_threads() == threads
    again = predict(train_student(training, teacher(training), config, device="cpu"), held_out)
    np.testing.assert_array_equal(first, again)
    other = dataclasses.replace(config, seed=1)
    changed = predict(train_student(training, teacher(training), other, device="cpu"), held_out)
    assert not np.array_equal(first, changed)


def test_unanswered_reports_teach_nothing(toy, toy_config, teacher):
    """A finding without any answer keeps its prior; the others are still learned."""
    training, held_out = toy
    targets = teacher(training)
    targets[:, 0] = np.nan
    student = train_student(training, targets, toy_config, device="cpu")
    probabilities = predict(student, held_out)
    np.testing.assert_allclose(student.model.bias[0].detach().softmax(0), 1 / 3, atol=1e-6)
    assert _macro_f1(probabilities[:, 1:], teacher(held_out)[:, 1:]) > 0.9


def test_predictions_do_not_depend_on_order_or_batch(toy, toy_student):
    _, held_out = toy
    mixed = [*held_out, "", held_out[0] * 3]
    probabilities = predict(toy_student, mixed, batch_size=7)
    assert probabilities.dtype == np.float32 and probabilities.shape == (len(mixed), 3, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    back = predict(toy_student, mixed[::-1], batch_size=1)[::-1]
    np.testing.assert_allclose(probabilities, back, atol=1e-5)
    assert predict(toy_student, []).shape == (0, 3, 3)


def test_wrong_data_are_refused_before_any_training(toy, toy_config, teacher):
    training, _ = toy
    targets = teacher(training)
    for texts, wrong, message in [
        ([], targets[:0], "no training reports"),
        ([*training[:-1], None], targets, "report 99 is None"),
        (training, targets[:-1], "targets have shape"),
        (training, targets * 2, "targets of report 0, finding 0"),
        (training, targets * np.nan, "no target is an answer"),
    ]:
        with pytest.raises(ValueError, match=message):
            train_student(texts, wrong, toy_config, device="cpu")


def test_weights_go_with_the_inverse_root_of_frequencies_and_average_to_one():
    """Six answers (3, 2, 1) and one more of each class: 4, 3, 2 of 9; NaN is not counted."""
    targets = np.eye(3)[[0, 0, 0, 1, 1, 2, 0]][:, None, :]
    targets[-1] = np.nan
    np.testing.assert_allclose(class_frequencies(targets), [[4 / 9, 3 / 9, 2 / 9]])
    frequencies = np.array([[0.81, 0.09, 0.10], [1 / 3, 1 / 3, 1 / 3]])
    weights = square_root_weights(frequencies)
    np.testing.assert_allclose(weights[0, 1] / weights[0, 0], 3, rtol=1e-6)
    np.testing.assert_allclose((weights * frequencies).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[1], 1, rtol=1e-6)
