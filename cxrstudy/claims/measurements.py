"""What a study measured for a claim, written beside its tables and read by the ledger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cxrstudy.agreement import Estimate
from cxrstudy.claims.statements import TESTED_RULES, claims
from cxrstudy.paths import CLAIMS_FOLDER


@dataclass(frozen=True)
class Measurement:
    """What a study measured for one claim."""

    claim: str  # its id
    data: str  # which data, in words that a reader can follow
    n: int  # cases behind it
    cells: int | None = None  # of a table that is counted
    matching: int | None = None  # those that match or are consistent
    units_off: int | None = None  # last-digit units by which the worst cell would have to change
    comparable: bool = True  # False where the paper's figures run over unlike label sets
    measured: str = ""  # in words; empty where the ledger prints it from numbers
    published: str = ""
    fewest_events: int | None = None  # events or non-events, whichever are fewer
    seeds: int | None = None  # independent trainings
    conditional: bool = False  # on the trained models: no resample trains anew
    undecidable: str = ""  # why a claim that came out supported is none: "weak teacher"
    policy_dependent: bool = False  # a declared alternative has a significant opposite sign
    published_number: float | None = None  # for the value rule
    published_error: float | None = None  # its standard error
    detail: str = ""  # one sentence that the ledger prints beside the verdict
    # By cell; a single estimate has the name of the claim.
    estimates: Mapping[str, Estimate] = field(default_factory=dict, compare=False)


def record(
    results: str | Path,
    claim: str,
    estimates: Estimate | Mapping[str, Estimate] | None = None,
    **fields,
) -> Measurement:
    """Write down what a study measured for a claim.

    Parameters
    ----------
    results : str or Path
        The study's result folder.
    claim : str
        Id of a claim in ``statements.yaml``.
    estimates : Estimate or mapping of str to Estimate, optional
        For the rules direction, equivalence and value.
    **fields
        The other fields of `Measurement`: ``data`` (str) and ``n`` (int) are required, ``cells``
        and ``matching`` (int) for the rules exact and internal, for the latter ``units_off`` too.

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
    by_cell = {claim: estimates} if isinstance(estimates, Estimate) else dict(estimates or {})
    measurement = Measurement(claim=claim, estimates=by_cell, **fields)
    _check_evidence(claims()[claim].rule, measurement)
    folder = Path(results, CLAIMS_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    if by_cell:
        np.savez_compressed(folder / f"{claim}.npz", **_as_arrays(by_cell))
    plain = vars(measurement) | {"cells_estimated": list(by_cell)}
    del plain["estimates"]
    text = json.dumps(plain, indent=1)
    (folder / f"{claim}.json").write_text(text + "\n", "utf-8")
    return measurement


def read_measurements(results: str | Path) -> list[Measurement]:
    """Read all measurements of one study, or of all studies below a folder, sorted by path."""
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
    # An estimate with a percentile interval has no leave-one-out values.
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
    matching, cells = measurement.matching, measurement.cells
    counted = matching is not None and cells is not None and 0 <= matching <= cells > 0
    if measurement.comparable and not counted:
        raise ValueError(
            f"claim {measurement.claim}: the rule {rule!r} needs cells and how many of them match; "
            f"got matching {matching} of {cells}"
        )


def _as_arrays(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Name the arrays of the i-th cell ``i.value``, ``i.replicates`` and so on.

    Single precision, so that recorded runs are small and decide to the digit as the run did. The
    value too: a replicate that equals it still does.
    """
    arrays: dict[str, Any] = {}  # as `np.savez` takes them beside options of its own
    for i, estimate in enumerate(estimates.values()):
        for name in ("value", "replicates", "jackknife", "undefined_as"):
            if getattr(estimate, name) is not None:
                arrays[f"{i}.{name}"] = np.asarray(getattr(estimate, name), np.float32)
        arrays[f"{i}.positives"] = np.asarray(estimate.positives)
        arrays[f"{i}.stratum_sizes"] = np.array(estimate.stratum_sizes or (), dtype=np.int64)
    return arrays
