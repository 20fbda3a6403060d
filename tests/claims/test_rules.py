"""The rules of the verdicts, on cases worked out by hand and against statsmodels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cxrstudy.claims import rules

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12).map(
    lambda values: {f"claim {i}": value for i, value in enumerate(values)}
)


def test_counted_rules_need_every_cell_and_like_label_sets():
    assert rules.decide_exact(20, 20) == "reproduced"
    assert rules.decide_exact(19, 20) == "not reproduced"
    assert rules.decide_internal(16, 16) == "consistent"
    assert rules.decide_internal(15, 16) == "inconsistent"
    assert rules.decide_internal(16, 16, comparable=False) == "not comparable"


@pytest.mark.parametrize(
    ("low", "high", "side", "margin", "verdict"),
    [
        (0.01, 0.20, 1, 0.0, "supported"),
        (0.01, 0.20, 1, 0.03, "supported"),
        (0.01, 0.029, 1, 0.03, "supported, negligible"),
        (0.01, 0.03, 1, 0.03, "supported"),
        (0.0, 0.20, 1, 0.0, "inconclusive"),
        (-0.10, 0.0, 1, 0.0, "inconclusive"),
        (-0.10, 0.20, 1, 0.0, "inconclusive"),
        (-0.20, -0.01, 1, 0.0, "contradicted"),
        (-0.029, -0.01, 1, 0.03, "negligible"),
        (-0.004, 0.004, 1, 0.02, "negligible"),
        (-0.004, 0.004, -1, 0.02, "negligible"),
        (-0.004, 0.020, 1, 0.02, "inconclusive"),  # a limit on the margin is not within it
        (-0.020, -0.01, 1, 0.02, "contradicted"),
        (-0.20, -0.01, -1, 0.0, "supported"),
        (-0.02, -0.01, -1, 0.03, "supported, negligible"),
        (0.01, 0.20, -1, 0.0, "contradicted"),
        (float("nan"), float("nan"), 1, 0.0, "inconclusive"),
    ],
)
def test_direction(low, high, side, margin, verdict):
    """Within the margin it is negligible; else it must lie wholly on one side of zero."""
    assert rules.decide_direction(low, high, side, margin) == verdict


@pytest.mark.parametrize(
    ("interval_90", "interval_95", "verdict"),
    [
        ((-0.019, 0.019), (-0.025, 0.025), "supported"),
        ((-0.020, 0.010), (-0.025, 0.015), "inconclusive"),
        ((-0.010, 0.020), (-0.015, 0.025), "inconclusive"),
        ((0.005, 0.030), (0.000, 0.035), "inconclusive"),
        ((0.021, 0.030), (0.0199, 0.035), "inconclusive"),
        ((0.022, 0.030), (0.0201, 0.035), "contradicted"),
        ((-0.030, -0.022), (-0.035, -0.0201), "contradicted"),
    ],
)
def test_equivalence(interval_90, interval_95, verdict):
    """The 90 % interval inside the margin supports, the 95 % interval outside contradicts."""
    assert rules.decide_equivalence(interval_90, interval_95, 0.02) == verdict


@pytest.mark.parametrize(
    ("published_error", "measured", "measured_error", "verdict"),
    [
        (0.003, 0.909, 0.004, "compatible"),  # 1.96 * 0.005 = 0.0098 around 0.900
        (0.003, 0.911, 0.004, "differs"),
        (0.003, 0.889, 0.004, "differs"),
        (0.008, 0.900, 0.008, "inconclusive"),  # 1.96 * 0.0113 > 0.02
        (None, 0.900, 0.001, "inconclusive"),
        (0.0, 0.919, 0.0102, "compatible"),  # half-width 0.01999
        (0.0, 0.900, 0.0103, "inconclusive"),  # half-width 0.02019
        (0.003, 0.800, float("inf"), "inconclusive"),
        (0.003, 0.800, float("nan"), "inconclusive"),
        (0.003, float("nan"), 0.003, "inconclusive"),
    ],
)
def test_value(published_error, measured, measured_error, verdict):
    """Both errors add in squares; a half-width above the margin decides nothing."""
    assert rules.decide_value(0.900, published_error, measured, measured_error, 0.02) == verdict


def test_detectable_effect_is_2_8_standard_errors():
    """Power 80 % at 5 % two-sided needs 1.960 + 0.842 standard errors."""
    assert rules.detectable_effect(0.01) == pytest.approx(0.02802, abs=1e-5)


@pytest.mark.parametrize(
    ("verdict", "scope", "evidence", "expected"),
    [
        ("supported", "same", {"fewest_events": 9}, "too few"),
        ("supported", "simulated", {"fewest_events": 9, "seeds": 1}, "too few"),
        ("supported", "same", {"fewest_events": 10}, "supported"),
        ("supported", "simulated", {}, "mechanism shown"),
        ("supported, negligible", "simulated", {}, "mechanism shown"),
        ("negligible", "simulated", {}, "mechanism not shown"),
        ("contradicted", "simulated", {}, "mechanism not shown"),
        ("inconclusive", "simulated", {}, "mechanism not shown"),
        ("differs", "simulated", {}, "mechanism not shown"),
        ("supported", "proxy", {}, "supported"),
        ("supported", "other", {"seeds": 4}, "supported, exploratory"),
        ("supported", "other", {"seeds": 5}, "supported"),
        ("supported", "other", {"seen": True}, "supported, exploratory"),
        ("supported", "other", {"seen": True, "seeds": 3}, "supported, exploratory"),
        (
            "supported",
            "other",
            {"seeds": 3, "policy_dependent": True},
            "supported, exploratory, policy-dependent",
        ),
    ],
)
def test_a_verdict_says_no_more_than_its_evidence(verdict, scope, evidence, expected):
    assert rules.qualify(verdict, scope, **evidence) == expected


def test_a_proxy_never_reproduces():
    with pytest.raises(ValueError, match="proxy cannot reproduce"):
        rules.qualify("reproduced", "proxy")


def test_holm_by_hand():
    """Four tests: 0.001 at 1/4, 0.012 at 1/3, 0.04 stops at 1/2, and 0.9 keeps that level."""
    levels = rules.holm_levels({"a": 0.04, "b": 0.001, "c": 0.9, "d": 0.012})
    assert levels == pytest.approx({"b": 1 - 0.05 / 4, "d": 1 - 0.05 / 3, "a": 0.975, "c": 0.975})


@settings(max_examples=10)  # statsmodels' Holm takes 0.1 s
@given(P_VALUES)
def test_holm_levels_decide_as_holm_does(p_values):
    levels = rules.holm_levels(p_values)
    rejected = {name: p_values[name] <= 1 - levels[name] for name in p_values}
    theirs = multipletests(list(p_values.values()), alpha=0.05, method="holm")[0]
    edge = any(abs(p_values[name] - (1 - levels[name])) < 1e-12 for name in p_values)
    assert edge or list(rejected.values()) == theirs.tolist()


@given(P_VALUES)
def test_holm_levels_lie_between_one_test_and_all(p_values):
    for level in rules.holm_levels(p_values).values():
        assert 0.95 - 1e-12 <= level <= 1 - 0.05 / len(p_values) + 1e-12


def test_benjamini_hochberg_by_hand():
    """Two of four are selected, so their intervals have level 1 - 2 * 5 % / 4."""
    levels = rules.benjamini_hochberg_levels({"a": 0.01, "b": 0.02, "c": 0.2, "d": 0.9})
    assert levels == pytest.approx({"a": 0.975, "b": 0.975, "c": 0.95, "d": 0.95})
    assert rules.benjamini_hochberg_levels({}) == {}


@given(P_VALUES)
def test_benjamini_hochberg_selects_as_statsmodels_does(p_values):
    levels = rules.benjamini_hochberg_levels(p_values)
    selected = multipletests(list(p_values.values()), alpha=0.05, method="fdr_bh")[0]
    adjusted = 1 - selected.sum() * 0.05 / len(p_values)
    expected = [adjusted if chosen else 0.95 for chosen in selected]
    assert list(levels.values()) == pytest.approx(expected)
