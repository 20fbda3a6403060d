"""What a study measured for a claim, written beside its tables and read by the ledger."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from cxrstudy.agreement import Estimate
from cxrstudy.claims.statements import TESTED_RULES, claims
from cxrstudy.paths import CLAIMS_FOLDER


@dataclass(frozen=True)
class Measurement:
    """One claim's measurement.

    Attributes
    ----------
    claim : str
        The claim's id.
    data : str
        Which data, in words that a reader can follow.
    n : int
        Cases behind the measurement.
    cells, matching : int or None
        For tables: all cells, and those that match or are consistent.
    comparable : bool
        False where the paper's figures run over unlike label sets.
    measured, published : str
        Values in words; empty where the ledger formats them from numbers.
    fewest_events, seeds : int or None
        Events or non-events, whichever are fewer; independent trainings.
    policy_dependent : bool
        A declared alternative shows a significant opposite sign.
    published_number, published_error : float or None
        For the value rule.
    detail : str
        One sentence that the ledger prints beside the verdict.
    estimates : mapping of str to Estimate
        By cell; a single estimate has the name of the claim.
    """

    claim: str
    data: str
    n: int
    cells: int | None = None
    matching: int | None = None
    comparable: bool = True
    measured: str = ""
    published: str = ""
    fewest_events: int | None = None
    seeds: int | None = None
    policy_dependent: bool = False
    published_number: float | None = None
    published_error: float | None = None
    detail: str = ""
    estimates: Mapping[str, Estimate] = field(default_factory=dict, compare=False)


def record(
    results: str | Path, claim: str, estimates: Estimate | Mapping[str, Estimate] = (), **fields
) -> Measurement:
    """Write down what a study measured for a claim.

    Parameters
    ----------
    results : str or Path
        The study's result folder.
    claim : str
        Id of a claim in ``statements.yaml``.
    estimates : Estimate or mapping of str to Estimate
        For the rules direction, equivalence and value.
    **fields
        The other fields of `Measurement`; ``data`` and ``n`` are required.

    Returns
    -------
    Measurement

    Raises
    ------
    KeyError
        If no such claim was stated; claims are stated before they are measured.
    ValueError
        If what the claim's rule judges is missing: estimates, or counts of cells.
    """
    if claim not in claims():
        raise KeyError(f"no claim {claim!r} in statements.yaml: state it before measuring it")
    by_cell = {claim: estimates} if isinstance(estimates, Estimate) else dict(estimates)
    measurement = Measurement(claim=claim, estimates=by_cell, **fields)
    _check_evidence(claims()[claim].rule, measurement)
    folder = Path(results, CLAIMS_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    if by_cell:
        np.savez(folder / f"{claim}.npz", **_as_arrays(by_cell))
    plain = {
        name: value
        for name, value in asdict(_without_estimates(measurement)).items()
        if name != "estimates"
    }
    text = json.dumps({**plain, "cells_estimated": list(by_cell)}, indent=1)
    (folder / f"{claim}.json").write_text(text + "\n", "utf-8")
    return measurement


def read_measurements(results: str | Path) -> list[Measurement]:
    """Read all measurements below a result folder.

    Parameters
    ----------
    results : str or Path
        One study's folder, or the folder that holds those of all studies.

    Returns
    -------
    list of Measurement
        Sorted by path.
    """
    return [_read(path) for path in sorted(Path(results).glob(f"**/{CLAIMS_FOLDER}/*.json"))]


def _read(path: Path) -> Measurement:
    fields = json.loads(path.read_text("utf-8"))
    cells = fields.pop("cells_estimated")
    estimates = {}
    if cells:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            estimates = {
                cell: _read_estimate(arrays, f"{i}.", fields["n"]) for i, cell in enumerate(cells)
            }
    return Measurement(**fields, estimates=estimates)


def _read_estimate(arrays: Mapping[str, np.ndarray], prefix: str, n: int) -> Estimate:
    # Kept runs hold resamples in single precision; an estimate with a percentile interval has
    # no leave-one-out values.
    jackknife = arrays.get(prefix + "jackknife")
    return Estimate(
        value=float(arrays[prefix + "value"]),
        replicates=arrays[prefix + "replicates"].astype(np.float64),
        jackknife=None if jackknife is None else jackknife.astype(np.float64),
        n=n,
        positives=int(arrays[prefix + "positives"]),
        stratum_sizes=tuple(arrays[prefix + "stratum_sizes"].tolist()) or None,
        undefined_as=float(arrays[prefix + "undefined_as"]),
    )


def _check_evidence(rule: str, measurement: Measurement) -> None:
    """Refuse a measurement that its rule would decide without looking at any number."""
    if rule in TESTED_RULES:
        if not measurement.estimates:
            raise ValueError(f"claim {measurement.claim}: the rule {rule!r} needs estimates")
        return
    counts = (measurement.matching, measurement.cells)
    if measurement.comparable and not (None not in counts and 0 <= counts[0] <= counts[1] > 0):
        raise ValueError(
            f"claim {measurement.claim}: the rule {rule!r} needs cells and how many of them match; "
            f"got matching {counts[0]} of {counts[1]}"
        )


def _as_arrays(estimates: Mapping[str, Estimate]) -> dict[str, np.ndarray]:
    fields = ("value", "replicates", "jackknife", "positives", "undefined_as")
    arrays = {
        f"{i}.{name}": np.asarray(getattr(estimate, name))
        for i, estimate in enumerate(estimates.values())
        for name in fields
        if getattr(estimate, name) is not None
    }
    strata = {
        f"{i}.stratum_sizes": np.array(estimate.stratum_sizes or (), dtype=np.int64)
        for i, estimate in enumerate(estimates.values())
    }
    return arrays | strata


def _without_estimates(measurement: Measurement) -> Measurement:
    return Measurement(**{**vars(measurement), "estimates": {}})
