"""The claims under test, stated before the runs that decide them."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

RULES: tuple[str, ...] = ("exact", "internal", "direction", "equivalence", "value")
TESTED_RULES: tuple[str, ...] = ("direction", "equivalence", "value")
"""Rules that judge estimates; the others count cells."""
SCOPES: tuple[str, ...] = ("same", "other", "proxy", "simulated", "internal")
FAMILIES: tuple[str, ...] = ("primary", "secondary")


@dataclass(frozen=True)
class Claim:
    """One statement of a paper, with the rule that will decide it."""

    id: str
    paper: str  # key of `cxrstudy.published`
    statement: str
    where: str  # in the paper
    family: str
    rule: str
    scope: str
    estimand: str
    population: str
    label_policy: str  # how uncertain labels are read
    metric: str
    study: str
    table: str  # of the study, which shows what decided the claim
    published: str = ""  # in words where the paper prints no number
    margin: float = 0.0  # smallest difference that matters, in units of the metric
    side: int = 1  # sign of the estimate that the paper claims
    seen: str = ""  # what had been seen of the data before the claim was stated; then exploratory
    not_measurable: str = ""  # names the data that no public source holds
    amended: tuple[str, ...] = ()  # changes after the first run

    def __post_init__(self) -> None:
        """Refuse a claim that no rule could decide."""
        for field, allowed in (
            ("rule", RULES), ("scope", SCOPES), ("family", FAMILIES), ("side", (-1, 1)),
        ):  # fmt: skip
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"claim {self.id}: {field} {getattr(self, field)!r} is not one of {allowed}"
                )


@cache
def claims() -> dict[str, Claim]:
    """Load all claims by id, in the order of the ledger."""
    text = files(__package__).joinpath("statements.yaml").read_text("utf-8")
    rows = [Claim(**row) for row in yaml.safe_load(text)["claims"]]
    by_id = {row.id: row for row in rows}
    if len(by_id) != len(rows):
        raise ValueError("statements.yaml: two claims share an id")
    return by_id
