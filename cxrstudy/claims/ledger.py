"""The ledger: every claim with its published value, measured value, rule and verdict."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path

import numpy as np

from cxrstudy.agreement import Estimate
from cxrstudy.claims import rules
from cxrstudy.claims.measurements import Measurement, read_measurements
from cxrstudy.claims.statements import TESTED_RULES, Claim, claims
from cxrstudy.whole_files import written_whole


@dataclass(frozen=True)
class LedgerRow:
    """One claim as it was stated, what was measured for it, and the verdict."""

    id: str
    paper: str
    statement: str
    where: str
    estimand: str
    published: str
    data: str  # the claim's population until it is measured
    label_policy: str
    metric: str
    margin: float
    rule: str
    scope: str
    family: str
    study: str
    table: str
    seen: str
    amended: tuple[str, ...]
    verdict: str
    measured: str = ""  # empty until it is measured
    low: float | None = None  # limits at `level`; None where no single interval decides
    high: float | None = None
    level: float | None = None
    detectable: float | None = None  # effect that would have been found four times out of five
    n: int | None = None
    conditional: bool = False  # on the trained models: no resample trains anew
    severity: str = ""  # of an inconsistency
    detail: str = ""

    @classmethod
    def unmeasured(cls, claim: Claim, missing_data: str) -> "LedgerRow":
        """Enter a claim before its measurement; the verdict says what it waits for."""
        if reason := claim.not_measurable or missing_data:
            verdict = f"not measurable: {reason}"
        else:
            verdict = f"not yet measured: {claim.study}"
        names = {field.name for field in fields(cls)} & {field.name for field in fields(claim)}
        stated = {name: getattr(claim, name) for name in names} | {"amended": tuple(claim.amended)}
        return cls(**stated, data=claim.population, verdict=verdict)


def build_ledger(
    results: Iterable[str | Path], missing_data: Mapping[str, str] | None = None
) -> list[LedgerRow]:
    """Decide every claim by its rule, from what the studies measured."""
    measured = _by_claim(results)
    levels = _adjusted_levels(claims().values(), measured)
    rows = []
    for claim in claims().values():
        row = LedgerRow.unmeasured(claim, (missing_data or {}).get(claim.study, ""))
        if claim.id in measured:
            row = _decided(row, claim, measured[claim.id], levels[claim.id])
        rows.append(row)
    return rows


def write_ledger(rows: list[LedgerRow], path: str | Path) -> None:
    """Write the ledger as JSON, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(list(map(asdict, rows)), indent=1, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as unfinished:
        unfinished.write_text(text + "\n", "utf-8")


def read_ledger(path: str | Path) -> list[LedgerRow]:
    """Read what `write_ledger` wrote."""
    rows = json.loads(Path(path).read_text("utf-8"))
    return [LedgerRow(**row | {"amended": tuple(row["amended"])}) for row in rows]


def _by_claim(folders: Iterable[str | Path]) -> dict[str, Measurement]:
    found: dict[str, Measurement] = {}
    for measurement in chain.from_iterable(map(read_measurements, folders)):
        if measurement.claim in found:
            raise ValueError(f"claim {measurement.claim} was measured by two studies")
        found[measurement.claim] = measurement
    return found


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
    secondary = [
        claim
        for claim in tested
        # A win that the comparison gave away is no finding, and makes room for none.
        if claim.family != "primary" and claim.id in measured and not measured[claim.id].undecidable
    ]
    for study in {claim.study for claim in secondary}:
        levels |= rules.benjamini_hochberg_levels(
            {c.id: _p_value(c, measured[c.id]) for c in secondary if c.study == study}
        )
    return levels


def _p_value(claim: Claim, measurement: Measurement | None) -> float:
    """Largest p-value over the cells, all of which a claim needs; 1 where one is undefined."""
    if measurement is None or not measurement.estimates:
        return 1.0
    null = measurement.published_number if claim.rule == "value" else 0.0
    if null is None:
        return 1.0
    p_values = [
        _equivalence_p_value(cell, claim.margin)
        if claim.rule == "equivalence"
        else cell.p_value(null)
        for cell in measurement.estimates.values()
    ]
    return float(np.nan_to_num(p_values, nan=1.0).max())


def _equivalence_p_value(estimate: Estimate, margin: float) -> float:
    """Larger of the two one-sided tests' p-values: inside the margin on both sides."""
    one_sided = []
    for limit, inside in ((-margin, estimate.value > -margin), (margin, estimate.value < margin)):
        half = estimate.p_value(limit) / 2
        one_sided.append(half if inside else 1 - half)
    return max(one_sided)


def _decided(row: LedgerRow, claim: Claim, measurement: Measurement, level: float) -> LedgerRow:
    row = replace(
        row,
        n=measurement.n,
        data=measurement.data,
        published=measurement.published or claim.published,
        measured=measurement.measured,
        conditional=measurement.conditional,
        detail=measurement.detail,
    )
    if claim.rule in TESTED_RULES:
        return _tested(row, claim, measurement, level)
    matching, cells = measurement.matching, measurement.cells
    if claim.rule == "exact":
        verdict = rules.decide_exact(matching, cells)
    else:
        verdict = rules.decide_internal(matching, cells, measurement.comparable)
    return replace(
        row,
        measured=row.measured or f"{matching} of {cells} cells",
        verdict=rules.qualify(verdict, claim.scope),
        severity=rules.severity(measurement.units_off) if verdict == "inconsistent" else "",
    )


def _tested(row: LedgerRow, claim: Claim, measurement: Measurement, level: float) -> LedgerRow:
    estimates = list(measurement.estimates.values())
    verdicts = [_decide_cell(claim, measurement, estimate, level) for estimate in estimates]
    verdict = rules.qualify(
        rules.combine(verdicts),
        claim.scope,
        measurement.fewest_events,
        measurement.seeds,
        measurement.policy_dependent,
        bool(claim.seen),
        measurement.undecidable,
    )
    row = replace(row, level=round(level, 5), verdict=verdict)
    if verdict == "too few":
        return replace(row, measured=f"{measurement.fewest_events} events or non-events")
    if len(estimates) > 1:
        supported = sum(verdict.startswith("supported") for verdict in verdicts)
        return replace(row, measured=f"{supported} of {len(estimates)} supported")
    (estimate,) = estimates
    low, high = estimate.interval(level)
    return replace(
        row,
        measured=f"{estimate.value:+.3f}",
        low=_finite(low),
        high=_finite(high),
        detectable=_finite(rules.detectable_effect(_standard_error(estimate))),
    )


def _finite(value: float) -> float | None:
    """Write an undefined limit as missing; JSON knows no NaN."""
    return float(value) if np.isfinite(value) else None


def _decide_cell(claim: Claim, measurement: Measurement, estimate: Estimate, level: float) -> str:
    if claim.rule == "direction":
        low, high = estimate.interval(level)
        return rules.decide_direction(low, high, claim.side, claim.margin)
    if claim.rule == "equivalence":
        return rules.decide_equivalence(
            estimate.interval(2 * level - 1), estimate.interval(level), claim.margin
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
