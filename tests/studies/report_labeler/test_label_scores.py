"""Scores against codes equal scikit-learn's, under both policies and as averages."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from cxrstudy.agreement import Resampling, agree
from cxrstudy.studies.report_labeler import label_scores

N = 200
NAMES = ["No Finding", "Edema", "Fracture", "Pneumonia"]


@pytest.fixture(scope="module")
def tables():
    """Codes and two readings with uncertain and blank labels; Pneumonia has 4 positives."""
    random = np.random.default_rng(8)
    codes = pd.DataFrame(random.integers(0, 2, (N, 4)), columns=NAMES).astype(float)
    codes["Pneumonia"] = (np.arange(N) < 4).astype(float)
    noise = pd.DataFrame(random.random((N, 4)), columns=NAMES)
    whole = codes.mask(noise < 0.1, -1).mask(noise > 0.9, np.nan)
    return codes, {"whole": whole, "part": whole.mask((noise > 0.3) & (noise < 0.5), np.nan)}


@pytest.fixture(scope="module")
def scores(tables):
    return label_scores.score_readings(
        *tables, NAMES[:3], Resampling(50, clusters=np.arange(N) // 2), [("whole", "part")]
    )  # fmt: skip


def _value(table, reading, policy, observation, metric):
    keys = ["reading", "policy", "observation", "metric"]
    return table.set_index(keys).loc[(reading, policy, observation, metric), "estimate"]


@pytest.mark.parametrize(("policy", "value"), [("ones", 1), ("zeros", 0)])
def test_scores_are_scikit_learns(tables, scores, policy, value):
    codes, labels = tables
    guess = labels["whole"].fillna(0).replace(-1, value)
    table = label_scores.scores_table(scores)
    each = {name: f1_score(codes[name], guess[name]) for name in NAMES}
    pooled = f1_score(codes[NAMES[1:]], guess[NAMES[1:]], average="micro")
    expected = {
        "Edema": each["Edema"],
        "Macro, 3 observations": np.mean([each[name] for name in NAMES[:3]]),
        "Macro, 2 findings": np.mean([each[name] for name in NAMES[1:3]]),
        "Micro, 3 findings": pooled,
    }
    for observation, score in expected.items():
        found = _value(table, "whole", policy, observation, "f1")
        assert found == pytest.approx(score, abs=1e-12), observation


def test_every_reading_policy_and_average_is_in_the_table_once(scores):
    """2 readings and a difference, 2 policies, 4 observations and 3 averages, 3 metrics."""
    table = label_scores.scores_table(scores)
    assert not table.duplicated(["reading", "policy", "observation", "metric"]).any()
    assert len(table) == 3 * 2 * 7 * 3
    assert set(table["reading"]) == {"whole", "part", "whole - part"}
    assert list(dict.fromkeys(table["observation"]))[4:] == [
        "Macro, 3 observations", "Macro, 2 findings", "Micro, 3 findings",
    ]  # fmt: skip


def test_rare_observations_are_flagged_and_leave_the_macro_average(scores):
    table = label_scores.scores_table(scores)
    flagged = set(table.loc[table["too_few"].astype(bool), "observation"])
    assert flagged == {"Pneumonia"}


def test_the_macro_difference_is_over_findings(tables, scores):
    """Recall lost by the shorter reading, without No Finding, as paired resamples."""
    codes, labels = tables
    both = ["Edema", "Fracture"]
    recall = {
        name: recall_score(codes[both], table[both].fillna(0).abs(), average="macro")
        for name, table in labels.items()
    }
    name = label_scores.contrast("whole", "part", "ones")
    found = scores.estimate(name, "Macro, 2 findings", "recall")
    assert found.value == pytest.approx(recall["whole"] - recall["part"], abs=1e-12)
    assert found.value > 0 and found.replicates.size == 50
    assert found.jackknife.size == N // 2


def test_cells_of_a_row_are_neighbours_and_missing_ones_stay():
    """Row by row, so that repeating each row's cluster label fits."""
    table = pd.DataFrame({"a": [1, np.nan], "b": [0, 1]}, index=["x", "y"], dtype=float)
    pooled = label_scores.pool_observations(table, "all")
    assert pooled.index.tolist() == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    np.testing.assert_array_equal(pooled["all"], [1, 0, np.nan, 1])


def test_its_score_is_the_micro_average():
    random = np.random.default_rng(3)
    truth = pd.DataFrame(random.integers(0, 2, (60, 4)), columns=list("abcd")).astype(float)
    guess = truth.where(random.random(truth.shape) < 0.8, 1 - truth)
    cells, guessed = (label_scores.pool_observations(table, "all") for table in (truth, guess))
    resampling = label_scores.resampling_of_cells(Resampling(20), 60, 4)
    found = agree(cells, {"m": guessed}, metrics=("f1",), resampling=resampling)
    estimate = found.estimate("m", "all", "f1")
    expected = f1_score(truth.to_numpy(), guess.to_numpy(), average="micro")
    assert estimate.value == pytest.approx(expected, abs=1e-12)
    assert estimate.jackknife.size == 60
