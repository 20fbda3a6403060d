"""The rules that turn a measurement into a verdict; nothing else may.

Each rule is a pure function of numbers. The words that these functions return are the only
verdicts of the book.
"""

from scipy import stats

MINIMUM_EVENTS = 10
MINIMUM_SEEDS = 5
_DETECTABLE_IN_STANDARD_ERRORS = stats.norm.ppf(0.975) + stats.norm.ppf(0.80)


def decide_exact(matching_cells: int, cells: int) -> str:
    """Judge a reproduction on the same data by the same method.

    Parameters
    ----------
    matching_cells, cells : int
        Cells within half a printed unit of the published value, and all cells.

    Returns
    -------
    {"reproduced", "not reproduced"}
    """
    return "reproduced" if matching_cells == cells else "not reproduced"


def decide_internal(consistent_cells: int, cells: int, comparable: bool = True) -> str:
    """Judge whether a paper's figures follow from each other, rounding propagated.

    Parameters
    ----------
    consistent_cells, cells : int
        Published values inside the propagated range, and all values.
    comparable : bool
        False where the figures run over unlike label sets.

    Returns
    -------
    {"consistent", "inconsistent", "not comparable"}
    """
    if not comparable:
        return "not comparable"
    return "consistent" if consistent_cells == cells else "inconsistent"


def decide_direction(low: float, high: float, side: int, margin: float = 0.0) -> str:
    """Judge a claim that a difference has a sign.

    Parameters
    ----------
    low, high : float
        Limits of the adjusted 95 % interval.
    side : {1, -1}
        Sign that the paper claims.
    margin : float
        Smallest difference that matters; 0 if none is declared.

    Returns
    -------
    {"supported", "supported, negligible", "contradicted", "inconclusive"}
    """
    if side < 0:
        low, high = -high, -low
    if low > 0:
        return "supported, negligible" if high < margin else "supported"
    return "contradicted" if high < 0 else "inconclusive"


def decide_equivalence(
    interval_90: tuple[float, float], interval_95: tuple[float, float], margin: float
) -> str:
    """Judge a claim that two things are as good as the same.

    Parameters
    ----------
    interval_90, interval_95 : tuple of float
        Intervals of the difference.
    margin : float
        Half-width of the zone of equivalence.

    Returns
    -------
    {"supported", "contradicted", "inconclusive"}
    """
    if -margin < interval_90[0] and interval_90[1] < margin:
        return "supported"
    if interval_95[0] > margin or interval_95[1] < -margin:
        return "contradicted"
    return "inconclusive"


def decide_value(
    published: float,
    published_error: float | None,
    measured: float,
    measured_error: float,
    margin: float,
) -> str:
    """Judge whether a measured value is compatible with a published one.

    Parameters
    ----------
    published, measured : float
    published_error : float or None
        Standard error of the published value; None if neither it nor its n is known.
    measured_error : float
        Standard error of the measured value.
    margin : float
        Largest interval half-width at which "compatible" still says something.

    Returns
    -------
    {"compatible", "differs", "inconclusive"}
    """
    if published_error is None:
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
) -> str:
    """Restrict a verdict to what its evidence can carry.

    Parameters
    ----------
    verdict : str
        A rule's word.
    scope : str
        Simulated evidence shows a mechanism and no more; a proxy never reproduces.
    fewest_events : int, optional
        Events or non-events, whichever are fewer.
    seeds : int, optional
        Independent trainings behind the estimate.
    policy_dependent : bool
        Whether another declared policy, view or weighting has a significant opposite sign.

    Returns
    -------
    str
    """
    if fewest_events is not None and fewest_events < MINIMUM_EVENTS:
        return "too few"
    if scope == "simulated":
        return "mechanism shown" if verdict.startswith("supported") else "mechanism not shown"
    if scope == "proxy" and verdict == "reproduced":
        raise ValueError("a proxy cannot reproduce; the claim needs another rule")
    if seeds is not None and seeds < MINIMUM_SEEDS:
        verdict += ", exploratory"
    if policy_dependent:
        verdict += ", policy-dependent"
    return verdict


def holm_levels(p_values: dict[str, float], level: float = 0.95) -> dict[str, float]:
    """Interval level of each test so that Holm's procedure and the interval agree.

    Parameters
    ----------
    p_values : dict of str to float
        Two-sided p-value of every test in the family; 1 for those not yet measured.
    level : float
        Family-wise level.

    Returns
    -------
    dict of str to float
        Testing stops at the first failure, so every test after it keeps that test's level.
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
    p_values: dict[str, float], rate: float = 0.05, level: float = 0.95
) -> dict[str, float]:
    """Interval level of each test under false-discovery control.

    Selected tests get Benjamini and Yekutieli's coverage-adjusted level ``1 - R rate / m``; the
    rest keep the plain level, at which they must not be read as findings.

    Parameters
    ----------
    p_values : dict of str to float
        Two-sided p-values of one study's secondary claims.
    rate : float
        False-discovery rate.
    level : float
        Level of tests that are not selected.

    Returns
    -------
    dict of str to float
    """
    if not p_values:
        return {}
    names = list(p_values)
    adjusted = stats.false_discovery_control([p_values[name] for name in names], method="bh")
    selected = int((adjusted <= rate).sum())
    return {
        name: 1 - selected * rate / len(names) if value <= rate else level
        for name, value in zip(names, adjusted, strict=True)
    }
