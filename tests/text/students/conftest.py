"""A toy language of reports with a rule that a student can learn in seconds."""

import itertools

import numpy as np
import pytest

from cxrstudy.text.students import StudentConfig, train_student

FINDINGS = ("effusion", "edema", "fracture")
PHRASES = ("no {}", "there is {}", "possible {}")


TOY_CONFIG = StudentConfig(
    size="tiny", epochs=12, batch_size=16, learning_rate=1e-2, dropout=0.0, vocabulary_size=200,
    max_tokens=32,
)  # fmt: skip


@pytest.fixture(scope="session")
def toy() -> tuple[list[str], list[str]]:
    """Training and held-out reports that share no text."""
    openings = ("Chest", "Two views", "Portable", "Frontal view", "Lateral view")
    said = [[phrase.format(name) for phrase in PHRASES] for name in FINDINGS]
    every = [". ".join(parts) + "." for parts in itertools.product(openings, *said)]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[i] for i in order[:100]], [every[i] for i in order[100:]]


@pytest.fixture(scope="session")
def toy_student(toy, teacher):
    """A DeBERTa of the smallest size that learned the toy language."""
    training, _ = toy
    return train_student(training, teacher(training), TOY_CONFIG, device="cpu")


@pytest.fixture(scope="session")
def toy_config() -> StudentConfig:
    return TOY_CONFIG
