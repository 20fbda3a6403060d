"""The published reasons: each size is the score it names, and what is missing is said."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_vs_image_agreement.reasons import published_reasons


@pytest.fixture(scope="module")
def tables():
    """Simulate Lung Opacity that reports mark only through its child Edema, and four readers."""
    rng = np.random.default_rng(0)
    edema = rng.random(120) < 0.4
    truth = pd.DataFrame({"Lung Opacity": edema.astype(int), "Edema": edema.astype(int)})
    labels = pd.DataFrame({"Lung Opacity": np.nan, "Edema": np.where(edema, 1.0, np.nan)})
    readers = {
        f"r{i}": (truth.astype(bool) ^ (rng.random(truth.shape) < 0.1)).astype(float)
        for i in range(4)
    }
    return truth, labels, readers


def test_a_hierarchy_that_explains_everything_gains_the_whole_shortfall(tables):
    """F1 is 0 for the parent and 1 for the child; closing mends all of it."""
    truth, labels, _ = tables
    rows = published_reasons(truth, labels, {}, resampling=Resampling(20)).set_index("reason")
    assert rows.loc["all together", "estimate"] == pytest.approx(0.5)
    assert rows.loc["label hierarchy", "estimate"] == pytest.approx(0.5)


def test_noise_is_the_shortfall_of_one_reader(tables):
    """The yardstick is one minus the readers' mean F1 against the others' majority."""
    truth, labels, readers = tables
    rows = published_reasons(truth, labels, readers, resampling=Resampling(50)).set_index("reason")
    scores = []
    for name, table in readers.items():
        peers = sum(other for peer, other in readers.items() if peer != name) >= 2
        scores += [f1_score(peers[column], table[column]) for column in truth]
    row = rows.loc["noise of the labeling task"]
    assert row["estimate"] == pytest.approx(1 - np.mean(scores))
    assert row["low"] < row["estimate"] < row["high"]


def test_what_cannot_be_measured_names_the_data_it_needs(tables):
    """Without readers three reasons have no number, and each says what it would take."""
    truth, labels, _ = tables
    rows = published_reasons(truth, labels, {}, resampling=Resampling(20))
    missing = rows[rows["estimate"].isna()]
    assert missing["reason"].tolist() == [
        "access to clinical history", "impression only", "noise of the labeling task",
    ]  # fmt: skip
    assert missing["needs"].str.len().gt(0).all()


def test_a_table_without_parents_says_nothing_about_the_hierarchy(tables):
    """Where no parent is scored, closing cannot matter, and a gain of zero would mislead."""
    truth, labels, _ = tables
    rows = published_reasons(truth[["Edema"]], labels, {}, resampling=Resampling(20)).set_index(
        "reason"
    )
    assert np.isnan(rows.loc["label hierarchy", "estimate"])
    assert "parent" in rows.loc["label hierarchy", "needs"]
