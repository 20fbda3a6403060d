"""Contingency tables rebuilt from VisualCheXbert's Tables 1 and 3."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from cxrstudy.agreement import Resampling
from cxrstudy.studies.report_vs_image_agreement.reconstruction import (
    average_intervals,
    exceptions_in_words,
    optimistic_scores,
    reconstruct,
    resample_reconstructed,
    units_off,
)

# Jain et al. 2021: positives, (missed, overcalled) of Table 3, and Table 1's row;
# last, the uncertain counts among image-positive and image-negative studies that they imply.
PUBLISHED = {
    "Atelectasis": (153, (75, 31), (0.230, 0.595, -0.014, 0.457), (49, 39)),
    "Cardiomegaly": (151, (101, 15), (0.422, 0.463, 0.290, 0.344), (4, 6)),
    "Edema": (78, (26, 49), (0.453, 0.581, 0.335, 0.492), (11, 13)),
    "Pleural Effusion": (104, (11, 65), (0.638, 0.710, 0.511, 0.613), (5, 19)),
    "Enlarged Cardiomediastinum": (253, (223, 5), (0.089, 0.208, -0.053, 0.097), (17, 21)),
    "Lung Opacity": (264, (100, 50), (0.683, 0.686, 0.401, 0.405), (1, 0)),
    "Support Devices": (261, (53, 13), (0.863, 0.863, 0.737, 0.737), (0, 0)),
    "No Finding": (62, (38, 40), (0.381, 0.381, 0.292, 0.292), (0, 0)),
}


def _pessimistic_scores(positives, missed, overcalled, n, uncertain):
    """Score uncertain labels as missed where the image is positive, else as overcalled."""
    return optimistic_scores(positives, missed + uncertain[0], overcalled + uncertain[1], n)


def _uncertain(table):
    return table.image_positive[2], table.image_negative[2]


def _rebuilt(name):
    positives, counts, (low_f1, _, low_kappa, _), _ = PUBLISHED[name]
    return reconstruct(name, positives, *counts, low_f1, low_kappa, n=500, half_unit=0.0005)


@pytest.mark.parametrize("name", PUBLISHED)
def test_high_scores_follow_from_table_3_but_for_one_kappa(name):
    """All but one come out to three decimals; Edema's kappa is 0.49148, printed as 0.492."""
    positives, counts, (_, high_f1, _, high_kappa), _ = PUBLISHED[name]
    f1, kappa = optimistic_scores(positives, *counts, 500)
    assert round(f1, 3) == high_f1
    if name == "Edema":
        assert kappa == pytest.approx(0.49148, abs=1e-5) and high_kappa == 0.492
    else:
        assert round(kappa, 3) == high_kappa


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_pair_of_uncertain_counts_prints_the_low_scores(name):
    """The rebuilt table holds 500 studies and its pessimistic scores print as published."""
    table = _rebuilt(name)
    positives, counts, (low_f1, _, low_kappa, _), uncertain = PUBLISHED[name]
    assert _uncertain(table) == uncertain and table.solutions == 1
    assert sum(table.image_positive) == positives
    assert sum(table.image_negative) == 500 - positives
    row = table.as_row()
    assert (row["observation"], row["solutions"]) == (name, 1)
    assert sum(count for key, count in row.items() if key.startswith("image")) == 500
    scores = _pessimistic_scores(positives, *counts, 500, uncertain)
    assert [round(score, 3) for score in scores] == [low_f1, low_kappa]


def test_a_table_by_hand():
    """Of 10 studies, 4 positive: one missed, one overcalled, one uncertain on each side."""
    # Pessimistic: 2 missed and 2 overcalled, so TP 2, F1 = 4 / 8, kappa = 1 - 10*4/(4*6+4*6).
    assert _pessimistic_scores(4, 1, 1, 10, (1, 1)) == pytest.approx((0.5, 1 / 6))
    # Optimistic: TP 3, F1 = 6 / 8, kappa = 1 - 10*2/48.
    assert optimistic_scores(4, 1, 1, 10) == pytest.approx((0.75, 7 / 12))
    table = reconstruct("Edema", 4, 1, 1, 0.500, 0.167, n=10, half_unit=0.0005)
    assert table.image_positive == (2, 1, 1)
    assert table.image_negative == (1, 4, 1)


@pytest.mark.parametrize("name", ["Edema", "Pleural Effusion"])
def test_studies_score_as_the_table_says(name):
    positives, counts, _, uncertain = PUBLISHED[name]
    image, report = _rebuilt(name).studies()
    assert (image.size, image.sum()) == (500, positives)
    worst = np.where(report == -1, 1 - image, report)
    expected = _pessimistic_scores(positives, *counts, 500, uncertain)
    assert f1_score(image, worst) == pytest.approx(expected[0])
    assert cohen_kappa_score(image, worst) == pytest.approx(expected[1])


def test_impossible_scores_are_refused():
    """No uncertain counts turn an optimistic F1 of 0.58 into a pessimistic one of 0.90."""
    with pytest.raises(ValueError, match=r"Edema: no counts .* low F1 of 0\.9"):
        reconstruct("Edema", 78, 26, 49, 0.900, 0.335, n=500, half_unit=0.0005)


@settings(max_examples=30)
@given(st.data())
def test_any_table_is_among_its_solutions(data):
    positives = data.draw(st.integers(5, 55))
    missed = data.draw(st.integers(0, positives - 2))
    overcalled = data.draw(st.integers(0, 40 - 2))
    uncertain = (
        data.draw(st.integers(0, positives - missed - 1)),
        data.draw(st.integers(0, 60 - positives + 40 - overcalled - 1)),
    )
    low = _pessimistic_scores(positives, missed, overcalled, 100, uncertain)
    assume(not np.isnan(low).any())
    rounded = [round(score, 3) for score in low]
    table = reconstruct("Edema", positives, missed, overcalled, *rounded, 100, 0.0005)
    found = _pessimistic_scores(positives, missed, overcalled, 100, _uncertain(table))
    assert table.solutions >= 1
    assert found == pytest.approx(rounded, abs=0.0005 + 1e-9)


def test_intervals_hold_their_estimates():
    scores = resample_reconstructed([_rebuilt("Edema")], resampling=Resampling(400, 1))
    assert len(scores) == 4
    printed = {("low", "f1"): 0.453, ("high", "f1"): 0.581,
               ("low", "kappa"): 0.335, ("high", "kappa"): 0.491}  # fmt: skip
    for row in scores.itertuples():
        assert round(row.estimate, 3) == printed[row.bound, row.metric]
        assert row.low < row.estimate < row.high
        assert row.high - row.low == pytest.approx(3.92 * row.standard_error, rel=0.25)


def test_average_interval_by_hand():
    """Errors of 0.03 and 0.04: independent 0.05 / 2, all together 0.07 / 2."""
    scores = pd.DataFrame({"bound": "low", "metric": "f1", "estimate": [0.4, 0.6]})
    table = average_intervals(scores.assign(standard_error=[0.03, 0.04])).set_index("dependence")
    for dependence, error in (("independent", 0.025), ("worst case", 0.035)):
        limits = table.loc[dependence, ["low", "high"]].tolist()
        assert limits == pytest.approx([0.5 - 1.96 * error, 0.5 + 1.96 * error], abs=1e-5)


def test_a_cell_is_off_by_whole_units_and_named_in_words():
    """0.49148 prints as 0.491, one unit below the printed 0.492; 0.4 is as printed."""
    cells = pd.DataFrame(
        {
            "row": ["Edema", "Edema"], "column": ["high_kappa", "high_f1"],
            "published": [0.492, 0.4], "measured": [0.49148, 0.4], "agrees": [False, True],
        }
    )  # fmt: skip
    assert units_off(cells, unit=0.001) == 1
    words = "Edema, Cohen's kappa, uncertain at best, prints 0.492, the counts give 0.49148"
    assert exceptions_in_words(cells) == words
