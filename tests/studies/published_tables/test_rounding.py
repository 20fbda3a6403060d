"""Recomputation from printed cells: exact ranges, honest verdicts, known slips of the papers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrstudy.published import published_table
from cxrstudy.studies.published_tables.quoted_figures import missing_term, relative_change
from cxrstudy.studies.published_tables.rounding import (
    Derived,
    Printed,
    between,
    check_averages,
    check_differences,
    check_f1,
    compare_all,
    printed_cells,
    printed_fact,
    propagate_rounding,
    tally,
)

_SCORES = arrays(np.float64, 5, elements=st.integers(5, 95).map(lambda unit: unit / 100))


def test_a_mean_carries_half_a_unit():
    derived = propagate_rounding(np.mean, Printed([0.52, 0.46], 0.005))
    assert (derived.low, derived.value, derived.high) == pytest.approx((0.485, 0.49, 0.495))


def test_a_relative_change_by_hand():
    """0.346 against 0.282 is a rise of 22.7 %, from 22.3 to 23.1 % within rounding."""
    derived = propagate_rounding(relative_change, Printed(0.346, 0.0005), Printed(0.282, 0.0005))
    assert derived.value == pytest.approx(22.695, abs=1e-3)
    assert derived.low == pytest.approx(100 * (0.3455 / 0.2825 - 1))
    assert derived.high == pytest.approx(100 * (0.3465 / 0.2815 - 1))
    assert derived.admits(Printed(23, 0.5)) and not derived.admits(Printed(24, 0.5))


@given(
    _SCORES,
    _SCORES,
    arrays(np.float64, (20, 2, 5), elements=st.floats(-0.005, 0.005)),
    st.sampled_from(
        [relative_change, lambda new, old: np.mean(new / old), lambda new, old: np.max(new - old)]
    ),
)
def test_no_unrounded_table_leaves_the_range(new, old, errors, derive):
    derived = propagate_rounding(derive, Printed(new, 0.005), Printed(old, 0.005))
    results = [derive(new + first, old + second) for first, second in errors]
    assert derived.low - 1e-9 <= min(results) and max(results) <= derived.high + 1e-9


def test_a_figure_that_enters_twice_keeps_its_exact_range():
    """The share x / (x + y) rises in x: two corners bound it, not interval division."""
    half = Printed(0.5, 0.05)
    derived = propagate_rounding(lambda x, y: float(x / (x + y)), half, half)
    assert (derived.low, derived.high) == pytest.approx((0.45, 0.55))


def test_a_derivation_that_is_not_monotone_is_refused():
    """A parabola's minimum lies between the corners, which then bound nothing."""
    with pytest.raises(ValueError, match="not monotone"):
        propagate_rounding(lambda x: float(abs(x[0] - x[1] + 0.004)), Printed([0.5, 0.5], 0.005))


def test_a_missing_figure_is_refused():
    with pytest.raises(ValueError, match="missing"):
        Printed([0.5, np.nan], 0.005)


@pytest.mark.parametrize(("value", "next_value", "half"), [(0.257, 0.258, 0.0005), (33, 34, 0.0)])
def test_ranges_that_touch_at_one_edge_are_not_consistent(value, next_value, half):
    """0.257 and 0.258 are two values of one quantity; counts have no rounding."""
    derived = propagate_rounding(float, Printed(value, half))
    assert derived.admits(Printed(value, half)) and not derived.admits(Printed(next_value, half))


def test_printed_figures_keep_their_decimals():
    assert str(Printed(0.9, 0.005)) == "0.90"
    assert str(Printed(23, 0.5)) == "23" and str(Printed(500, 0.0)) == "500"
    assert f"{Derived(0.88, 0.805, 0.955):.3f}" == "0.880 (rounding 0.805 to 0.955)"


def test_a_table_of_checks_counts_printed_figures_only():
    """A figure that the paper does not print has no verdict and is not counted."""
    values = {"a": 1.0, "b": 2.0, "c": 3.0}
    derived = {name: Derived(value, value, value) for name, value in values.items()}
    checks = compare_all(derived, {"a": Printed(1, 0.5), "b": Printed(9, 0.5)})
    assert checks["consistent"].tolist() == ["yes", "no", ""]
    assert tally(checks) == {"cells": 2, "matching": 1, "units_off": 7}
    with pytest.raises(KeyError, match="printed, but not derived"):
        compare_all(derived, {"d": Printed(1, 0.5)})


def test_bounds_carry_the_rounding_of_both():
    bounds = between(Printed(0.638, 0.0005), Printed(0.710, 0.0005))
    assert bounds.admits(Printed(0.65, 0.005)) and not bounds.admits(Printed(0.63, 0.005))


def test_missing_terms_by_hand():
    assert missing_term(0.5, np.array([0.4, 0.4]), np.ones(2), 1.0) == pytest.approx(0.7)
    assert missing_term(0.5, np.array([0.4]), [3.0], 1.0) == pytest.approx(0.8)


def test_a_wrong_average_is_found():
    """Table 4 with the text's 0.39 for Support Devices no longer has its printed averages."""
    positives = published_table("visualchexbert", "positives").values["positives"]
    assert positives.sum() == 1326
    for name, cells in (("table1", 8), ("table5", 8), ("table4", 4)):
        table = published_table("visualchexbert", name)
        found = tally(check_averages(table, positives))
        assert found == {"cells": cells, "matching": cells, "units_off": 0}
    table.values.loc["Support Devices", "zero_one"] = 0.39
    assert tally(check_averages(table, positives))["matching"] == 2


def test_differences_tell_the_caption_from_the_table():
    """Table 6 follows from the regression column and not from the thresholding column."""
    gains = (published_table("visualchexbert", "table6_over_zero_one"), "difference")
    zero_one = (published_table("visualchexbert", "table4"), "zero_one")
    table5 = published_table("visualchexbert", "table5")
    meant = check_differences(gains, (table5, "logreg_mimic"), zero_one)
    captioned = check_differences(gains, (table5, "thresholding_mimic"), zero_one)
    assert tally(meant) == {"cells": 10, "matching": 10, "units_off": 0}
    assert tally(captioned)["matching"] < 5


def test_a_wrong_f1_is_found():
    table = published_table("chexreason", "sft_medgemma")
    assert tally(check_f1(table)) == {"cells": 4, "matching": 4, "units_off": 0}
    table.values.loc["Only Label", "micro_f1"] = 0.464
    assert tally(check_f1(table))["matching"] == 3


def test_printed_cells_and_facts_bring_their_rounding():
    """Two decimals round by 0.005; a number without decimals is a count."""
    cells = printed_cells(published_table("visualchexbert", "table4"), "Edema", "logreg")
    assert (float(cells.cells), cells.half_unit) == (0.47, 0.005)
    assert printed_fact("deberta_rad", "n_test_reports").half_unit == 0
    assert printed_fact("chexreason", "chexpert_gain_percent").half_unit == 0.5
