"""Sampling error of printed scores: counts by enumeration, spreads against known formulas."""

import numpy as np
import pytest
from scipy import stats

from cxrstudy.published import published_table
from cxrstudy.studies.published_tables.f1_sampling import (
    chexreason_errors,
    compatible_counts,
    count_compatible,
    error_of_mean,
    f1_standard_error,
    label_differences,
    macro_difference,
    policy_errors,
    typical_f1_error,
)
from cxrstudy.studies.published_tables.rounding import Printed


def test_counts_behind_a_printed_f1_by_hand():
    """With 4 positives an F1 of 0.667 is 2/6, 3/9 or 4/12 true positives over the sum, halved."""
    counts = compatible_counts(Printed(0.667, 0.0005), positives=4, n=500)
    assert counts.tolist() == [[2, 0], [3, 2], [4, 4]]


def test_an_impossible_f1_has_no_counts():
    assert len(compatible_counts(Printed(0.9, 0.0005), positives=4, n=500)) == 0
    with pytest.raises(ValueError, match="cannot be the assumed one"):
        f1_standard_error(np.empty((0, 2)), 4, 500, 10, 0)


def test_counts_above_chance_have_a_precision_of_at_least_the_prevalence():
    everything = compatible_counts(Printed(0.1, 0.0005), positives=50, n=500)
    kept = compatible_counts(Printed(0.1, 0.0005), positives=50, n=500, above_chance=True)
    precision = everything[:, 0] / everything.sum(axis=1)
    assert kept.tolist() == everything[precision >= 0.1].tolist() and len(kept) < len(everything)


def test_the_spread_agrees_with_a_parametric_bootstrap():
    """On many positives the posterior spread is the sampling spread of the F1."""
    rng = np.random.default_rng(1)
    hits, alarms = rng.binomial(200, 0.8, 50_000), rng.binomial(800, 0.05, 50_000)
    sampled = 2 * hits / (200 + hits + alarms)
    spread = f1_standard_error([[160, 40]], 200, 1000, 50_000, seed=2)
    assert spread == pytest.approx(sampled.std(), rel=0.03)


def test_an_f1_of_zero_on_four_positives_is_not_certain():
    """Few positives leave a wide spread, many a narrow one."""
    few = f1_standard_error([[0, 0]], 4, 500, 20_000, seed=0)
    many = f1_standard_error([[0, 0]], 250, 500, 20_000, seed=0)
    assert few > 0.1 and many < 0.02
    assert typical_f1_error(0.9, 25, 500, 20_000, 0) > typical_f1_error(0.9, 100, 500, 20_000, 0)


def test_macro_difference_by_hand():
    """Two terms with errors of 0.03 and 0.04: variances add up, correlation takes away."""
    rows = macro_difference("x", 0.1, ([0.03, 0.0], [0.0, 0.04]), [0.0])
    assert rows["standard_error"].item() == pytest.approx(0.025)
    assert rows["low"].item() == pytest.approx(0.1 - stats.norm.ppf(0.975) * 0.025)
    assert rows["more_cases"].item() == pytest.approx((rows["detectable"].item() / 0.1) ** 2)
    equal = macro_difference("x", 0.1, ([0.03], [0.03]), [0.0, 0.5, 1.0])["standard_error"]
    assert equal.tolist() == pytest.approx([0.03 * 2**0.5, 0.03, 0.0])


def test_errors_of_means_and_of_printed_intervals():
    """A mean of four equal errors halves them; an interval of 3.92 errors gives one."""
    assert error_of_mean([0.2] * 4) == pytest.approx(0.1)
    low, high = (published_table("chexpert", f"policy_auroc_{end}") for end in ("low", "high"))
    width = 2 * stats.norm.ppf(0.975) * policy_errors()
    np.testing.assert_allclose(width, high.values - low.values)


def test_every_printed_f1_of_chexreason_fits_the_public_test_set():
    """No cell of Table 5 refutes the 500 public studies; every label gets a spread."""
    assert (count_compatible() > 0).all(axis=None)
    errors = chexreason_errors(n_draws=500, seed=0)
    assert (errors[["new", "old"]] > 0).all(axis=None)
    assert errors.loc["Pleural Other", "new"] > errors.loc["Lung Opacity", "new"]


def test_labels_with_few_positives_have_no_interval():
    errors = chexreason_errors(n_draws=500, seed=0)
    table = label_differences(errors, correlation=0.5)
    few = table["positives"] < 10
    assert few.any() and table["low"].isna().equals(few)
    assert table.index.equals(errors.index)
    scored = table[~few]
    assert ((scored["low"] < scored["estimate"]) & (scored["estimate"] < scored["high"])).all()
