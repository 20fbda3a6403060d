"""The ledger: one row for each claim, decided by nothing but the rules."""

import itertools
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrstudy.agreement import Estimate
from cxrstudy.claims import (
    LedgerRow,
    Measurement,
    build_ledger,
    claims,
    ledger,
    read_ledger,
    record,
    write_ledger,
)
from cxrstudy.claims.statements import TESTED_RULES

DIRECTION = "visualchexbert.learned_mapping"
EQUIVALENCE = "nlp_expert_gap.frozen_backbone"

_DECIDED = {"supported", "contradicted", "inconclusive"}
_WORDS = {
    "exact": {"reproduced", "not reproduced"},
    "internal": {"consistent", "inconsistent", "not comparable"},
    "direction": _DECIDED | {"supported, negligible", "negligible"},
    "equivalence": _DECIDED,
    "value": {"compatible", "differs", "inconclusive"},
}
_QUALIFIERS = ("", ", exploratory", ", policy-dependent", ", exploratory, policy-dependent")
PRIMARY_TESTS = sum(c.rule in TESTED_RULES and c.family == "primary" for c in claims().values())


def _estimate(center=0.1, spread=0.02, n=200) -> Estimate:
    rng = np.random.default_rng(3)
    replicates = center + spread * rng.standard_normal(999)
    jackknife = center + spread / n * rng.standard_normal(n)
    return Estimate(center, replicates, n=n, positives=60, jackknife=jackknife)


def _unmeasured(claim) -> str:
    if claim.not_measurable:
        return f"not measurable: {claim.not_measurable}"
    return f"not yet measured: {claim.study}"


def _rows(results, **options) -> dict[str, LedgerRow]:
    return {row.id: row for row in build_ledger([results], **options)}


def test_nothing_measured_says_which_study_will(tmp_path):
    rows = _rows(tmp_path)
    assert list(rows) == list(claims())
    for claim in claims().values():
        assert rows[claim.id].verdict == _unmeasured(claim)
        assert rows[claim.id].measured == "" and rows[claim.id].low is None


def test_a_study_without_its_data_is_not_measurable(tmp_path):
    rows = _rows(tmp_path, missing_data={"distillation": "OpenI reports"})
    assert rows["deberta_rad.student_beats_teacher"].verdict == "not measurable: OpenI reports"
    assert rows[DIRECTION].verdict.startswith("not yet measured")


def test_a_counted_claim(tmp_path):
    record(tmp_path, "visualchexbert.table4", data="CheXpert", n=500, cells=20, matching=20)
    row = _rows(tmp_path)["visualchexbert.table4"]
    assert (row.measured, row.verdict, row.n) == ("20 of 20 cells", "reproduced", 500)


@pytest.mark.parametrize(
    ("matching", "units_off", "severity"),
    [(1, 0, ""), (0, 1, "last digit"), (0, 2, "material"), (0, None, "material")],
)
def test_an_inconsistency_says_how_far_off_it_is(tmp_path, matching, units_off, severity):
    found = {"cells": 1, "matching": matching, "units_off": units_off}
    record(tmp_path, "chexreason.rewards", data="Table 4", n=2, **found)
    row = _rows(tmp_path)["chexreason.rewards"]
    assert (row.verdict == "inconsistent") == bool(severity) and row.severity == severity


def test_a_direction_is_judged_at_its_holm_level(tmp_path):
    """One measured claim among the primary tests gets Bonferroni's level and its interval."""
    given = _estimate()
    record(tmp_path, DIRECTION, given, data="CheXpert", n=500)
    row = _rows(tmp_path)[DIRECTION]
    level = 1 - 0.05 / PRIMARY_TESTS
    assert row.level == pytest.approx(level, abs=1e-5)
    assert (row.low, row.high) == pytest.approx(given.interval(level), abs=1e-7)
    assert (row.measured, row.verdict) == ("+0.100", "supported")


def test_an_unmeasured_claim_takes_part_in_holm(tmp_path):
    """An interval that excludes 0 at 95 % but not at the adjusted level decides nothing."""
    given = _estimate(0.045, 0.02)
    assert given.interval()[0] > 0
    record(tmp_path, DIRECTION, given, data="CheXpert", n=500)
    assert _rows(tmp_path)[DIRECTION].verdict == "inconclusive"


def test_a_tested_claim_names_the_detectable_effect(tmp_path):
    given = _estimate(0.0, 0.02)
    record(tmp_path, DIRECTION, given, data="CheXpert", n=500, detail="Kappa alike.")
    row = _rows(tmp_path)[DIRECTION]
    expected = 2.8016 * given.replicates.std(ddof=1)
    assert row.verdict == "inconclusive"
    assert row.detail == "Kappa alike."
    assert row.detectable == pytest.approx(expected, rel=1e-4)


def test_equivalence_uses_the_90_percent_interval_of_its_level(tmp_path):
    """At level 1 - a the zone of equivalence is judged at 1 - 2a, as two one-sided tests are."""
    level = 1 - 0.05 / PRIMARY_TESTS
    unit = _estimate(0.0, 1.0)
    narrow, wide = (max(map(abs, unit.interval(at))) for at in (2 * level - 1, level))
    assert narrow < wide
    # The margin of 0.02 is just inside the narrow interval, or between the two.
    cases = {"inconclusive": 0.020001 / narrow, "supported": 0.04 / (narrow + wide)}
    for verdict, spread in cases.items():
        record(tmp_path, EQUIVALENCE, _estimate(0.0, spread), data="NIH", n=200, seeds=5)
        row = _rows(tmp_path)[EQUIVALENCE]
        assert row.level == pytest.approx(level, abs=1e-5)
        assert row.verdict == verdict


@pytest.mark.parametrize(("value", "ninths"), [(0.0, 2), (0.02, 4), (0.03, 5), (0.05, 7), (0.1, 9)])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_equivalence_has_the_larger_of_two_one_sided_p_values(value, ninths, sign):
    """Nine replicates 0.01 apart, margin 0.025: p is the share of them beyond the nearer margin."""
    replicates = sign * value + 0.01 * np.arange(-4, 5)
    estimate = Estimate(sign * value, replicates, n=9)
    claim = replace(claims()[EQUIVALENCE], margin=0.025)
    measurement = Measurement(EQUIVALENCE, data="x", n=9, estimates={EQUIVALENCE: estimate})
    # Nine replicates show no probability below 1/10 and none above 9/10.
    expected = min(ninths / 9, 9 / 10)
    assert ledger._p_value(claim, measurement) == pytest.approx(expected)
    assert (expected > 0.5) == (value > claim.margin)


def test_too_few_events_give_counts_only(tmp_path):
    record(tmp_path, DIRECTION, _estimate(), data="CheXpert", n=500, fewest_events=9)
    row = _rows(tmp_path)[DIRECTION]
    assert row.verdict == "too few"
    assert (row.low, row.high) == (None, None)
    assert row.measured == "9 events or non-events"


def test_an_undefined_estimate_decides_nothing_and_loosens_nothing(tmp_path):
    undefined = Estimate(np.nan, np.full(99, np.nan), n=9)
    record(tmp_path / "a", DIRECTION, undefined, data="x", n=9)
    record(tmp_path / "b", EQUIVALENCE, _estimate(0.5, 0.01), data="x", n=200)
    alone = tmp_path / "b"
    rows = _rows(tmp_path)
    assert rows[DIRECTION].verdict == "inconclusive"
    assert rows[EQUIVALENCE].level == _rows(alone)[EQUIVALENCE].level


@pytest.mark.parametrize(
    ("centers", "verdict", "measured"),
    [
        ((0.3, 0.4), "supported", "2 of 2 supported"),
        ((0.3, -0.4), "contradicted", "1 of 2 supported"),
        ((0.3, 0.0), "inconclusive", "1 of 2 supported"),
        ((-0.3, 0.0), "contradicted", "0 of 2 supported"),
    ],
)
def test_several_cells_are_one_claim(tmp_path, centers, verdict, measured):
    cells = {f"cell {i}": _estimate(center) for i, center in enumerate(centers)}
    record(tmp_path, DIRECTION, cells, data="x", n=200)
    row = _rows(tmp_path)[DIRECTION]
    assert (row.verdict, row.measured) == (verdict, measured)


def test_a_claim_measured_twice_is_refused(tmp_path):
    for study in ("one", "two"):
        record(tmp_path / study, DIRECTION, _estimate(), data="x", n=200)
    with pytest.raises(ValueError, match=r"learned_mapping was measured by two studies"):
        build_ledger([tmp_path / "one", tmp_path / "two"])


def _allowed(claim) -> set[str]:
    if claim.scope == "simulated":
        return {"mechanism shown", "mechanism not shown", "too few"}
    pairs = itertools.product(_WORDS[claim.rule], _QUALIFIERS)
    return {word + qualifier for word, qualifier in pairs} | {"too few"}


_COUNTED = [c.id for c in claims().values() if c.rule not in TESTED_RULES]
_TESTED = [c.id for c in claims().values() if c.rule in TESTED_RULES]


@settings(max_examples=25)
@given(
    matches=st.dictionaries(st.sampled_from(_COUNTED), st.integers(0, 5)),
    effects=st.dictionaries(
        st.sampled_from(_TESTED),
        st.tuples(
            st.floats(-0.3, 0.3),
            st.floats(0.001, 0.2),
            st.none() | st.integers(0, 20),
            st.none() | st.integers(1, 8),
            st.booleans(),
            st.integers(1, 3),
        ),
        max_size=4,
    ),
)
def test_only_the_plans_words_are_verdicts(matches, effects):
    with tempfile.TemporaryDirectory() as folder:
        for claim, matching in matches.items():
            record(folder, claim, data="x", n=5, cells=5, matching=matching)
        for claim, (center, spread, events, seeds, dependent, cells) in effects.items():
            estimates = {f"cell {i}": _estimate(center * (i + 1), spread, 30) for i in range(cells)}
            record(
                folder, claim, estimates, data="x", n=30, fewest_events=events, seeds=seeds,
                policy_dependent=dependent,
            )  # fmt: skip
        rows = _rows(folder)
    for claim in claims().values():
        verdict = rows[claim.id].verdict
        if claim.id in {*matches, *effects}:
            assert verdict in _allowed(claim)
        else:
            assert verdict == _unmeasured(claim)
        if claim.scope == "proxy":
            assert "reproduced" not in verdict


def test_the_written_ledger_reads_back(tmp_path):
    record(tmp_path, DIRECTION, _estimate(), data="CheXpert", n=500)
    rows = build_ledger([tmp_path])
    write_ledger(rows, tmp_path / "new" / "ledger.json")
    assert read_ledger(tmp_path / "new" / "ledger.json") == rows
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ledger.json"]
