"""The rules that turn a measurement into a verdict; nothing else may.

Each rule is a pure function of numbers. The words that these functions return are the only
verdicts of the book.
"""

from collections.abc import Mapping

from scipy import stats

MINIMUM_EVENTS = 10
MINIMUM_SEEDS = 5
_DETECTABLE_IN_STANDARD_ERRORS = stats.norm.ppf(0.975) + stats.norm.ppf(0.80)  # 2.80


def decide_exact(matching: int | None, cells: int | None) -> str:
    """Judge a reproduction; a cell matches within half a unit of its last printed digit."""
    return "reproduced" if matching is not None and matching == cells else "not reproduced"


def decide_internal(consistent: int | None, cells: int | None, comparable: bool = True) -> str:
    """Judge whether a paper's figures follow from each other, rounding propagated."""
    if not comparable:
        return "not comparable"
    return "consistent" if consistent == cells else "inconsistent"


def severity(units_off: int | None) -> str:
    """Tell a slip of the last printed digit from what contradicts a claim, or has no digits."""
    return "last digit" if units_off is not None and units_off <= 1 else "material"


def decide_direction(low: float, high: float, side: int, margin: float = 0.0) -> str:
    """Judge the sign of a difference; an interval within the margin is negligible either way."""
    if side < 0:
        low, high = -high, -low
    if -margin < low and high < margin:
        return "supported, negligible" if low > 0 else "negligible"
    if low > 0:
        return "supported"
    return "contradicted" if high < 0 else "inconclusive"


def decide_equivalence(
    narrow: tuple[float, float], wide: tuple[float, float], margin: float
) -> str:
    """Judge a claim of equality; `narrow` is the interval at twice the error of `wide`."""
    if -margin < narrow[0] and narrow[1] < margin:
        return "supported"
    if wide[0] > margin or wide[1] < -margin:
        return "contradicted"
    return "inconclusive"


def decide_value(
    published: float | None,
    published_error: float | None,
    measured: float,
    measured_error: float,
    margin: float,
) -> str:
    """Judge a published number by both standard errors; above the margin they say nothing."""
    if published is None or published_error is None:
        return "inconclusive"
    half_width = stats.norm.ppf(0.975) * (published_error**2 + measured_error**2) ** 0.5
    difference = abs(measured - published)
    # Written so that an undefined number fails it.
    if not (half_width <= margin and difference >= 0):
        return "inconclusive"
    return "compatible" if difference <= half_width else "differs"


def detectable_effect(standard_error: float) -> float:
    """Smallest true difference that a 5 % two-sided test finds four times out of five."""
    return float(_DETECTABLE_IN_STANDARD_ERRORS * standard_error)


def qualify(
    verdict: str,
    scope: str,
    fewest_events: int | None = None,
    seeds: int | None = None,
    policy_dependent: bool = False,
    seen: bool = False,
    undecidable: str = "",
) -> str:
    """Restrict a verdict to what its evidence can carry, as in ``"supported, exploratory"``.

    A win that the comparison gave away, such as one against a weak teacher, is not decidable.
    """
    if fewest_events is not None and fewest_events < MINIMUM_EVENTS:
        return "too few"
    if undecidable and verdict.startswith("supported"):
        return f"not decidable here: {undecidable}"
    if scope == "simulated":
        return "mechanism shown" if verdict.startswith("supported") else "mechanism not shown"
    if scope == "proxy" and verdict == "reproduced":
        raise ValueError("a proxy cannot reproduce; the claim needs another rule")
    if seen or (seeds is not None and seeds < MINIMUM_SEEDS):
        verdict += ", exploratory"
    if policy_dependent:
        verdict += ", policy-dependent"
    return verdict


def combine(verdicts: list[str]) -> str:
    """Judge a table as one claim: every cell has to hold, and one contradiction refutes it."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if all(verdict.startswith("supported") for verdict in verdicts):
        return "supported"
    return "contradicted" if "contradicted" in verdicts else "inconclusive"


def holm_levels(p_values: Mapping[str, float], level: float = 0.95) -> dict[str, float]:
    """Give each test the interval level at which its interval decides as Holm's procedure does.

    A test that is not yet measured has p = 1. Testing stops at the first failure, so every test
    after it keeps that test's level.
    """
    alpha, levels = 1 - level, {}
    ordered = sorted(p_values, key=p_values.__getitem__)
    share = alpha / max(len(ordered), 1)
    stopped = False
    for rank, name in enumerate(ordered):
        if not stopped:
            share = alpha / (len(ordered) - rank)
            stopped = p_values[name] > share
        levels[name] = 1 - share
    return levels


def benjamini_hochberg_levels(
    p_values: Mapping[str, float], rate: float = 0.05, level: float = 0.95
) -> dict[str, float]:
    """Give each test its interval level under control of the false-discovery rate.

    Selected tests get Benjamini and Yekutieli's coverage-adjusted level ``1 - R rate / m``; the
    rest keep the plain level, at which they must not be read as findings.
    """
    if not p_values:
        return {}
    adjusted = stats.false_discovery_control(list(p_values.values()), method="bh")
    selected = int((adjusted <= rate).sum())
    return {
        name: 1 - selected * rate / len(p_values) if value <= rate else level
        for name, value in zip(p_values, adjusted, strict=True)
    }
