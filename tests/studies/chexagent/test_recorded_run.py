"""What the recorded run must show for its page to be worth reading."""

import pandas as pd
import pytest

from cxrstudy.runs import RunFolders


def recorded(name: str) -> pd.DataFrame:
    """A table of the recorded run."""
    return pd.read_csv(RunFolders.recorded("chexagent").results / f"{name}.csv")


def accuracy(table: pd.DataFrame, method: str) -> pd.Series:
    return table[table["method"] == method].set_index("task")["estimate"]


def test_exchanged_images_leave_what_a_model_without_images_answers():
    table = recorded("permuted")
    means = {name: accuracy(table, name)["Average"] for name in ("full", "permuted", "blind")}
    assert means["permuted"] == pytest.approx(means["blind"], abs=0.02)
    assert means["full"] > means["permuted"] + 0.05


def test_the_model_reads_what_the_features_hold():
    table = recorded("accuracy")
    model, probe = accuracy(table, "full"), accuracy(table, "probe")
    assert model["view"] >= 0.93 and model["sex"] >= 0.78
    diseases = [task for task in model.index if task.endswith("_matched")]
    assert len(diseases) >= 7
    assert model[diseases].mean() >= probe[diseases].mean() - 0.03


def test_likelihood_and_generation_name_the_same_option():
    table = recorded("scorings").dropna(subset=["same answer"])
    assert (table["same answer"] >= 0.95).all()


def test_only_the_parts_that_a_stage_trains_have_moved():
    moved = recorded("stages").set_index("stage")["moved"]
    assert moved["language"] == "language model"
    assert moved["encoder"] == "encoder, bridger"
    assert moved["bridger"] == "bridger"
