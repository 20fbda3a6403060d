"""RSNA's draw by text-mined label, and the weights that undo it."""

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.nih_experts import (
    compare_terms,
    inverse_sampling_weights,
    sampling_fractions,
    sampling_fractions_by_group,
    sampling_strata,
)
from cxrstudy.data.nih_experts.sampling import STRATA

STRATUM = pd.Series(["x"] * 4 + ["y"] * 6, index=list("abcdefghij"), name="stratum")
DRAWN = pd.Index(["a", "b", "e"])


def test_fractions_and_weights_by_hand():
    """Two of four and one of six were drawn: they stand for two and for six images each."""
    table = sampling_fractions(STRATUM, DRAWN)
    assert table["drawn"].tolist() == [2, 1]
    assert table["fraction"].tolist() == [0.5, 1 / 6]
    assert inverse_sampling_weights(STRATUM, DRAWN).tolist() == [2, 2, 6]


def test_splitting_by_a_group_keeps_the_totals():
    """Within each group the levels add up to the strata."""
    groups = pd.DataFrame({"view": list("AABBAABBAA")}, index=STRATUM.index)
    table = sampling_fractions_by_group(STRATUM, DRAWN, groups)
    assert table.groupby("stratum")["images"].sum().tolist() == [4, 6]
    assert table.query("level == 'A' and stratum == 'x'")["fraction"].item() == 1.0


def test_the_real_draw_is_two_to_one_to_one(rsna, nih):
    """Half of the images come from the terms under test, a quarter from each other stratum."""
    table = sampling_fractions(sampling_strata(nih), rsna.labels.index).loc[list(STRATA)]
    assert table["images"].tolist() == [24084, 27675, 60361]
    assert table["drawn"].tolist() == [13300, 6649, 6636]


def test_the_real_draw_did_not_depend_on_the_view(rsna, nih):
    """Within a stratum the same fraction of AP and PA images was drawn, to one point."""
    table = sampling_fractions_by_group(
        sampling_strata(nih), rsna.labels.index, nih.images[["view", "sex"]]
    )
    spread = table.groupby(["group", "stratum"])["fraction"].agg(np.ptp)
    assert (spread < 0.01).all()


def test_weights_restore_the_nih_table(rsna, nih):
    """Weighted, the drawn images have the size and the text-mined prevalence of all."""
    strata = sampling_strata(nih)
    weights = inverse_sampling_weights(strata, rsna.labels.index)
    assert weights.sum() == pytest.approx(112120)
    drawn = compare_terms(rsna.labels, nih, "rsna").text_mined["Lung Opacity, narrow"]
    assert (weights * drawn).sum() == pytest.approx((strata == STRATA[0]).sum())


def test_weights_move_sensitivity_and_specificity_but_not_ppv(rsna, nih):
    """0.724 falls to 0.449 and 0.565 rises to 0.829; PPV lies within one stratum and stays."""
    found = compare_terms(rsna.labels, nih, "rsna")
    truth, label = (t["Lung Opacity, narrow"] for t in (found.expert, found.text_mined))
    weights = inverse_sampling_weights(sampling_strata(nih), rsna.labels.index)

    def mean(values, among):
        return np.average(values[among == 1], weights=weights[among == 1])

    assert mean(label, truth) == pytest.approx(0.449, abs=5e-4)
    assert mean(1 - label, 1 - truth) == pytest.approx(0.829, abs=5e-4)
    assert mean(truth, label) == pytest.approx(truth[label == 1].mean())
