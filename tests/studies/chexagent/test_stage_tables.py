"""Tables of questions, stages and copied sentences, counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import as_bytes
from cxrstudy.studies.chexagent.arms import FULL, stages
from cxrstudy.studies.chexagent.stage_tables import (
    copying_table,
    items_table,
    stage_table,
    task_words,
)
from cxrstudy.trainings.job import Kept

PARTS = ("encoder", "bridger", "language_model")


def staged(perplexity, losses, moved) -> Kept:
    """Keep a training: perplexities, the losses of four stages, and the parts that three moved."""
    names = ["language", "encoder", "bridger"]
    about = {f"loss.{name}": loss for name, loss in zip([*names, FULL], losses, strict=True)}
    for name, parts in zip(names, moved, strict=True):
        about |= {f"moved.{name}.{part}": float(part in parts) for part in PARTS}
    return Kept(Path(), {"perplexity": np.array(perplexity, np.float32)}, about)


def wrote(*texts: str) -> Kept:
    return Kept(Path(), {"composed": as_bytes(texts)}, {})


def test_tasks_are_written_without_marks():
    assert task_words(["lung_opacity_matched", "effusion_unmatched", "text_question", "sex"]) == {
        "lung_opacity_matched": "lung opacity, matched",
        "effusion_unmatched": "effusion, unmatched",
        "text_question": "text question",
        "sex": "sex",
    }


def test_questions_are_counted_by_side_and_groups_once():
    def about(patient, split):
        return Item("sex", f"Is {patient} male?", "yes", ("yes", "no"), group=patient, split=split)

    items = [
        about("one", "training"),
        about("two", "held_out"),
        about("two", "held_out"),
        about("three", "held_out"),
        Item("summary", "What is it?", "Clear.", context="Lungs are clear.", group="t"),
    ]
    table = items_table(items)
    assert table.index.name == "task"
    assert table.to_dict("index") == {
        "sex": {
            "training": 1, "held_out": 3, "held_out_groups": 2, "options": 2,
            "example": "Is three male?",
        },
        "summary": {
            "training": 1, "held_out": 0, "held_out_groups": 0, "options": 0,
            "example": "What is it?",
        },
    }  # fmt: skip
    # A report's text is never shown.
    assert not table["example"].str.contains("clear").any()


def test_stages_are_means_over_seeds_and_what_every_seed_moved():
    both = [{"language_model"}, {"encoder", "bridger"}, {"bridger"}]
    once = [{"language_model"}, {"encoder"}, {"bridger"}]
    trainings = [
        staged([100, 20, 22, 24], [4, 3, 2, 1], both),
        staged([200, 40, 42, 44], [6, 5, 4, 3], once),
    ]
    table = stage_table(trainings)
    assert table.index.tolist() == ["before", "language", "encoder", "bridger", "instructions"]
    assert table["perplexity"].tolist()[:-1] == [150, 30, 32, 34]
    assert np.isnan(table["perplexity"].iloc[-1])  # no report is scored after the last stage
    assert table["loss"].tolist()[1:] == [5, 4, 3, 2]
    # The bridger stays where it was in one of the trainings.
    assert table["moved"].tolist()[1:] == [
        "language model", "encoder", "bridger", "encoder, bridger, language model",
    ]  # fmt: skip
    for row in [*stages()["before"], stages()["last"]]:
        assert table.loc[row["name"], ["learns", "paper"]].tolist() == [row["learns"], row["paper"]]
    assert table.loc["before", ["learns", "moved", "loss", "paper"]].isna().all()


def test_a_stage_that_moved_nothing_says_so():
    frozen = [{"language_model"}, set(), {"bridger"}]
    table = stage_table([staged([9, 8, 7, 6], [4, 3, 2, 1], frozen)])
    assert table.loc["encoder", "moved"] == ""


def test_a_stage_that_was_not_trained_is_no_row_of_nothing():
    with pytest.raises(KeyError, match="moved.language.encoder"):
        stage_table([Kept(Path(), {"perplexity": np.ones(4)}, {})])


def test_sentences_count_as_copied_word_for_word():
    table = copying_table(
        [wrote("Clear lungs. No edema.", "Clear lungs. XXXX heart."), wrote("clear lungs.")],
        learned=["Heart is normal. Clear lungs.", "No edema"],
        held_out=["No fracture. Heart is normal."],
    )
    # Of five sentences two are learned ones; another case or full stop makes another sentence.
    assert table.loc["written by the model"].to_dict() == {
        "sentences": 5,
        "different": 4,
        "share that was learned": pytest.approx(2 / 5),
        "texts with XXXX": 1,
    }
    assert table.loc["held-out reports"].tolist() == [2, 2, 0.5, 0]


def test_a_model_that_writes_nothing_copied_no_share():
    table = copying_table([wrote("", "")], ["Clear lungs."], ["Clear lungs."])
    assert table["sentences"].tolist() == [0, 1]
    assert table["share that was learned"].tolist() == pytest.approx([np.nan, 1], nan_ok=True)
    assert isinstance(table, pd.DataFrame) and table.index.name == "text"
