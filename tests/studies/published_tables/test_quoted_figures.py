"""Figures that the papers quote, against values worked out from their tables by hand."""

import pytest

from cxrstudy.studies.published_tables.quoted_figures import (
    changes_between_sites,
    changes_by_reinforcement,
    chexreason_labels,
    chexreason_macro_means,
    left_for_support_devices,
    listed_student_gains,
    structured_reasoning_gains,
)
from cxrstudy.studies.published_tables.rounding import printed_fact, tally


def test_the_averages_of_table_4_exclude_the_texts_support_devices():
    """0.54 over eight rows leaves 8 x 0.54 - 3.44 = 0.88: 0.85 fits and 0.39 does not."""
    left = left_for_support_devices()
    assert left["Average"].value == pytest.approx(0.88)
    text = printed_fact("visualchexbert", "support_devices_zero_one_text")
    assert not any(value.admits(text) for value in left.values())


def test_like_for_like_the_gain_shrinks():
    """22.7 % on fourteen labels, 3.8 % on the nine shared ones; Lung Opacity brings 65 %."""
    values = [round(change.value, 1) for change in changes_by_reinforcement().values()]
    assert values == [22.7, -18.7, 3.8, 64.9]


def test_only_the_supervised_checkpoint_rises_on_shared_labels():
    """The other four models fall, by less than the printed percentages say."""
    labels = chexreason_labels()
    assert len(labels["CheXpert"]) == 14 and set(labels["NIH"]) < set(labels["CheXpert"])
    shared = {model: round(c.value, 1) for model, c in changes_between_sites(labels["NIH"]).items()}
    assert shared.pop("MedGemma SFT") == 13.3
    assert shared == {"NV-Reason": -56.8, "MedGemma": -19.7, "Qwen2.5": -60.7, "ChexReason": -11.1}


def test_all_macro_means_follow_from_their_rows():
    """Ten of ten, the one that rounds oddly (0.2976 printed as 0.297) within rounding."""
    assert tally(chexreason_macro_means()) == {"cells": 10, "matching": 10, "units_off": 0}


def test_listed_gains_and_scaffolds_by_hand():
    """0.9120 less 0.9047, 0.9014, 0.8864; Reasoning A less labels only."""
    gains = [round(gain.value, 2) for gain in listed_student_gains().values()]
    assert gains == [0.73, 1.06, 2.56]
    gains = structured_reasoning_gains()
    scaffolds = {model: round(gain.value, 3) for model, gain in gains.items()}
    assert scaffolds == {"Qwen2.5-VL": 0.128, "MedGemma": -0.102}
