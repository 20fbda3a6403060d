"""Augmentation: labeled by the teacher, made of training reports, never a held-out text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.studies.distillation.augment import augment_reports, shares_sentence, split_sentences
from cxrstudy.text.reports import text_hash_fraction

TRAINING = [
    "there is edema. no effusion.",
    "no effusion.\n\nNo acute disease.",
    "possible fracture. Heart is normal.",
    "Heart is normal.",
]
HELD_OUT = ["no effusion", "HEART IS  NORMAL.", "there is effusion. New words."]


def test_sentences():
    sentences = split_sentences("1. No edema. Size 1.5 cm; clear\nLungs?\n\n XXXX. .")
    assert sentences == ["No edema.", "Size 1.5 cm;", "clear", "Lungs?", "XXXX."]


@given(st.text(alphabet="ab .\n;1", max_size=60))
def test_sentences_lose_no_letter(text):
    found = "".join(split_sentences(text))
    assert list(filter(str.isalpha, found)) == list(filter(str.isalpha, text))


def test_shared_sentences():
    assert shares_sentence(HELD_OUT, TRAINING).tolist() == [True, True, False]


def test_new_texts_come_from_training_alone_and_carry_the_teachers_labels(teacher):
    targets = teacher(TRAINING)
    texts, augmented = augment_reports(TRAINING, targets, teacher, HELD_OUT, splice_until=20)
    assert texts[: len(TRAINING)] == TRAINING
    np.testing.assert_array_equal(augmented[: len(TRAINING)], targets)
    np.testing.assert_array_equal(augmented[len(TRAINING) :], teacher(texts[len(TRAINING) :]))
    known = {sentence for text in TRAINING for sentence in split_sentences(text)}
    assert all(set(split_sentences(text)) <= known for text in texts)
    held_out = {text_hash_fraction(text) for text in HELD_OUT}
    assert not held_out & {text_hash_fraction(text) for text in texts[len(TRAINING) :]}


def test_the_teacher_never_sees_a_held_out_text(teacher):
    """Not even as a sentence that also is a whole held-out report."""
    asked = []

    def listening(texts):
        asked.extend(texts)
        return teacher(texts)

    augment_reports(TRAINING[:3], teacher(TRAINING[:3]), listening, HELD_OUT, splice_until=20)
    held_out = {text_hash_fraction(text) for text in HELD_OUT}
    assert asked and not held_out & {text_hash_fraction(text) for text in asked}


def test_rare_classes_reach_their_number(teacher):
    """Present edema and uncertain fracture, in one report each, get nine more; others none."""
    texts, targets = augment_reports(TRAINING, teacher(TRAINING), teacher, splice_until=10)
    said = targets[len(TRAINING) + 5 :].argmax(-1)
    assert len(texts) == len(targets) == len(TRAINING) + 5 + 9 + 9
    assert (said[:, 1] == 1).sum() >= 9 and (said[:, 2] == 2).sum() >= 9
    assert (said[:, 0] == 0).all()


def test_no_splicing_and_repeatability(teacher):
    targets = teacher(TRAINING)
    plain, _ = augment_reports(TRAINING, targets, teacher, splice_until=0)
    assert len(plain) == len(TRAINING) + 5
    runs = [augment_reports(TRAINING, targets, teacher, splice_until=10, seed=s) for s in (0, 0, 1)]
    assert runs[0][0] == runs[1][0] != runs[2][0]


def test_unanswered_sentences_stay_unanswered(teacher):
    def silent(texts):
        return np.full((len(texts), 3, 3), np.nan, dtype=np.float32)

    texts, targets = augment_reports(TRAINING, teacher(TRAINING), silent, splice_until=10)
    assert len(texts) == len(TRAINING) + 5
    assert np.isnan(targets[len(TRAINING) :]).all()


def test_a_teacher_of_another_shape_is_refused(teacher):
    with pytest.raises(ValueError, match="teacher"):
        augment_reports(TRAINING, teacher(TRAINING), lambda texts: teacher(texts)[:, :2])
