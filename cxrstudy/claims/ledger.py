"""The ledger: every claim with its published value, measured value, rule and verdict."""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cxrstudy.agreement import Estimate
from cxrstudy.claims import rules
from cxrstudy.claims.measurements import Measurement, read_measurements
from cxrstudy.claims.statements import TESTED_RULES, Claim, claims
from cxrstudy.whole_files import written_whole


def build_ledger(
    results: str | Path,
    missing_data: Mapping[str, str] | None = None,
    recorded: str | Path | None = None,
    full_studies: Container[str] = (),
) -> list[dict]:
    """Decide every claim by its rule.

    Parameters
    ----------
    results : str or Path
        Folder that holds the studies' result folders.
    missing_data : mapping of str to str, optional
        Study to the data set that it lacked when it ran.
    recorded : str or Path, optional
        Folder of recorded measurements; they decide a claim in place of a smaller run's.
    full_studies : container of str
        Studies whose own run is at least as large as the recorded one.

    Returns
    -------
    list of dict
        One row for each claim, in the order of ``statements.yaml``: id, paper, statement, where,
        published, measured, low, high, level, detectable, n, data, margin, rule, scope, family,
        verdict, study, table, detail, amended, and what else the claim states.

    Raises
    ------
    ValueError
        If a claim was measured twice.
    """
    measured = _by_claim(read_measurements(results))
    from_record = set()
    for claim, measurement in _by_claim(read_measurements(recorded) if recorded else []).items():
        own = claim in measured and claims()[claim].study in full_studies
        if measurement.estimates and not own:
            measured[claim] = replace(measurement, data=f"{measurement.data}, recorded run")
            from_record.add(claim)
    levels = _adjusted_levels(claims().values(), measured)
    missing = missing_data or {}
    rows = [
        _row(claim, measured.get(claim.id), levels[claim.id], missing.get(claim.study, ""))
        for claim in claims().values()
    ]
    return [row | {"table": "recorded"} if row["id"] in from_record else row for row in rows]


def _by_claim(measurements: Iterable[Measurement]) -> dict[str, Measurement]:
    found: dict[str, Measurement] = {}
    for measurement in measurements:
        if measurement.claim in found:
            raise ValueError(f"claim {measurement.claim} was measured by two studies")
        found[measurement.claim] = measurement
    return found


def write_ledger(rows: list[dict], path: str | Path) -> None:
    """Write the ledger as JSON, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with written_whole(path) as unfinished:
        unfinished.write_text(text, "utf-8")


def _adjusted_levels(
    stated: Iterable[Claim], measured: Mapping[str, Measurement]
) -> dict[str, float]:
    """Holm over all primary tests, Benjamini-Hochberg within each study elsewhere.

    A primary claim that is not yet measured takes part with p = 1, so that a verdict does not
    hang on which other studies have run.
    """
    levels = {claim.id: 0.95 for claim in stated}
    tested = [claim for claim in stated if claim.rule in TESTED_RULES]
    primary = [claim for claim in tested if claim.family == "primary"]
    levels |= rules.holm_levels({c.id: _p_value(c, measured.get(c.id)) for c in primary})
    secondary = [claim for claim in tested if claim.family != "primary" and claim.id in measured]
    for study in {claim.study for claim in secondary}:
        levels |= rules.benjamini_hochberg_levels(
            {c.id: _p_value(c, measured[c.id]) for c in secondary if c.study == study}
        )
    return levels


def _p_value(claim: Claim, measurement: Measurement | None) -> float:
    """Largest p-value over the cells: a claim about several cells needs all of them.

    A claim without an estimate, or with an undefined one, cannot be rejected.
    """
    if measurement is None or not measurement.estimates:
        return 1.0
    test = {"equivalence": _equivalence_p_value, "value": _value_p_value}.get(
        claim.rule, _direction_p_value
    )
    p_values = [test(claim, measurement, cell) for cell in measurement.estimates.values()]
    return float(np.nan_to_num(p_values, nan=1.0).max())


def _direction_p_value(claim: Claim, measurement: Measurement, estimate: Estimate) -> float:
    return estimate.p_value()


def _value_p_value(claim: Claim, measurement: Measurement, estimate: Estimate) -> float:
    return estimate.p_value(measurement.published_number)


def _equivalence_p_value(claim: Claim, measurement: Measurement, estimate: Estimate) -> float:
    """Larger of the two one-sided tests' p-values: inside the margin on both sides."""
    one_sided = []
    for limit, inside in (
        (-claim.margin, estimate.value > -claim.margin),
        (claim.margin, estimate.value < claim.margin),
    ):
        half = estimate.p_value(limit) / 2
        one_sided.append(half if inside else 1 - half)
    return max(one_sided)


def _row(claim: Claim, measurement: Measurement | None, level: float, missing: str) -> dict:
    row = {
        "id": claim.id,
        "paper": claim.paper,
        "statement": claim.statement,
        "where": claim.where,
        "estimand": claim.estimand,
        "published": claim.published,
        "measured": "",
        "low": None,
        "high": None,
        "level": None,
        "detectable": None,
        "n": None,
        "data": claim.population,
        "label_policy": claim.label_policy,
        "metric": claim.metric,
        "margin": claim.margin,
        "rule": claim.rule,
        "scope": claim.scope,
        "family": claim.family,
        "verdict": _unmeasured(claim, missing),
        "study": claim.study,
        "table": claim.table,
        "detail": "",
        "amended": list(claim.amended),
    }
    if measurement is None:
        return row
    row |= {
        "n": measurement.n,
        "data": measurement.data,
        "published": measurement.published or claim.published,
        "measured": measurement.measured,
        "detail": measurement.detail,
    }
    if claim.rule in TESTED_RULES:
        return row | _tested(claim, measurement, level)
    return row | _counted(claim, measurement)


def _unmeasured(claim: Claim, missing: str) -> str:
    if claim.not_measurable:
        return f"not measurable: {claim.not_measurable}"
    if missing:
        return f"not measurable: {missing}"
    return f"not yet measured: {claim.study}"


def _counted(claim: Claim, measurement: Measurement) -> dict:
    decide = {
        "exact": lambda: rules.decide_exact(measurement.matching, measurement.cells),
        "internal": lambda: rules.decide_internal(
            measurement.matching, measurement.cells, measurement.comparable
        ),
    }[claim.rule]
    return {
        "measured": measurement.measured or f"{measurement.matching} of {measurement.cells} cells",
        "verdict": rules.qualify(decide(), claim.scope),
    }


def _tested(claim: Claim, measurement: Measurement, level: float) -> dict:
    cells = {
        name: _decide_cell(claim, measurement, estimate, level)
        for name, estimate in measurement.estimates.items()
    }
    verdicts = list(cells.values())
    fields = {"level": round(level, 5), "verdict": _combine(verdicts)}
    if len(cells) == 1:
        (estimate,) = measurement.estimates.values()
        low, high = estimate.interval(level)
        fields |= {"measured": f"{estimate.value:+.3f}", "low": _finite(low), "high": _finite(high)}
        fields["detectable"] = _finite(rules.detectable_effect(_standard_error(estimate)))
    else:
        supported = sum(verdict.startswith("supported") for verdict in verdicts)
        fields["measured"] = f"{supported} of {len(cells)} supported"
    fields["verdict"] = rules.qualify(
        fields["verdict"],
        claim.scope,
        measurement.fewest_events,
        measurement.seeds,
        measurement.policy_dependent,
    )
    if fields["verdict"] == "too few":
        counts = f"{measurement.fewest_events} events or non-events"
        fields |= {"measured": counts, "low": None, "high": None, "detectable": None}
    return fields


def _finite(value: float) -> float | None:
    """Write an undefined limit as missing; JSON knows no NaN."""
    return float(value) if np.isfinite(value) else None


def _decide_cell(claim: Claim, measurement: Measurement, estimate: Estimate, level: float) -> str:
    if claim.rule == "direction":
        low, high = estimate.interval(level)
        return rules.decide_direction(low, high, claim.side, claim.margin)
    if claim.rule == "equivalence":
        return rules.decide_equivalence(
            estimate.interval(2 * level - 1),
            estimate.interval(level),
            claim.margin,
        )
    return rules.decide_value(
        measurement.published_number,
        measurement.published_error,
        estimate.value,
        _standard_error(estimate),
        claim.margin,
    )


def _standard_error(estimate: Estimate) -> float:
    """Spread of the defined replicates; infinite if they cannot show any."""
    defined = estimate.replicates[~np.isnan(estimate.replicates)]
    return float(defined.std(ddof=1)) if defined.size > 1 else float("inf")


def _combine(verdicts: list[str]) -> str:
    """Judge a table as one claim: every cell has to hold, and one contradiction refutes it."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if all(verdict.startswith("supported") for verdict in verdicts):
        return "supported"
    return "contradicted" if "contradicted" in verdicts else "inconclusive"
