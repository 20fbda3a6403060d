"""Google's labels: two sets that stay apart."""

import pandas as pd
import pytest

from cxrstudy.data.nih_experts.google import FINDINGS, read_google
from cxrstudy.data.tables import LabelTableError

POSITIVES = {
    "test": {"Fracture": 72, "Pneumothorax": 195, "Airspace opacity": 1135, "Nodule or mass": 295},
    "validation": {
        "Fracture": 114, "Pneumothorax": 43, "Airspace opacity": 1031, "Nodule or mass": 310,
    },
}  # fmt: skip


def _table(answer="YES", set_id="val") -> pd.DataFrame:
    rows = {finding: ["NO", answer] for finding in FINDINGS}
    return pd.DataFrame({**rows, "Set Id": ["test", set_id]}, index=["a", "b"])


def test_answers_become_numbers_set_by_set():
    """YES is 1, NO is 0, and no image is in the other set."""
    labels = read_google(_table()).labels
    assert labels["test"].loc["a"].tolist() == [0.0] * 4
    assert labels["validation"].loc["b"].tolist() == [1.0] * 4
    assert len(labels["test"]) == len(labels["validation"]) == 1


@pytest.mark.parametrize("strange", [{"answer": "HEDGE"}, {"set_id": "train"}])
def test_unknown_answers_and_sets_are_refused(strange):
    """A hedged answer or a third set is not guessed at."""
    with pytest.raises(LabelTableError, match=next(iter(strange.values()))):
        read_google(_table(**strange))


def test_the_real_sets(google, nih):
    """4,376 NIH images: 1,962 and 2,414 of different patients."""
    test, validation = google.labels["test"], google.labels["validation"]
    assert (len(test), len(validation)) == (1962, 2414)
    names = test.index.append(validation.index)
    assert names.is_unique and names.isin(nih.labels.index).all()
    patients = [set(nih.images.loc[labels.index, "patient"]) for labels in google.labels.values()]
    assert not patients[0] & patients[1]


def test_positives_of_each_set(google):
    """Counts of each finding, which differ between the sets."""
    found = {name: labels.sum().astype(int).to_dict() for name, labels in google.labels.items()}
    assert found == POSITIVES
