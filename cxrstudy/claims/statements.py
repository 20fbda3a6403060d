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
    """One statement of a paper, with the rule that will decide it.

    Attributes
    ----------
    id, paper, statement, where : str
        Key, paper key, the claim in one sentence, its place in the paper.
    family, rule, scope : str
        One of `FAMILIES`, `RULES`, `SCOPES`.
    estimand, population, label_policy, metric : str
        What is measured, on whom, under which reading of uncertain labels.
    study, table : str
        The study that decides it and the result table that shows it.
    published : str
        The printed value, in words where the paper prints none.
    margin : float
        Smallest difference that matters, in units of the metric.
    side : int
        Sign of the estimate that the paper claims (direction rule).
    not_measurable : str
        Names the data that no public source holds; empty if it can be measured.
    amended : tuple of str
        Changes after the first run.
    """

    id: str
    paper: str
    statement: str
    where: str
    family: str
    rule: str
    scope: str
    estimand: str
    population: str
    label_policy: str
    metric: str
    study: str
    table: str
    published: str = ""
    margin: float = 0.0
    side: int = 1
    not_measurable: str = ""
    amended: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a claim that no rule could decide."""
        for field, allowed in (("rule", RULES), ("scope", SCOPES), ("family", FAMILIES)):
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"claim {self.id}: {field} {getattr(self, field)!r} is not one of {allowed}"
                )
        if self.side not in (-1, 1):
            raise ValueError(f"claim {self.id}: side must be 1 or -1, not {self.side}")


@cache
def claims() -> dict[str, Claim]:
    """Load all claims.

    Returns
    -------
    dict of str to Claim
        By id, in the order of the ledger.
    """
    text = files(__package__).joinpath("statements.yaml").read_text("utf-8")
    rows = [Claim(**row) for row in yaml.safe_load(text)["claims"]]
    by_id = {row.id: row for row in rows}
    if len(by_id) != len(rows):
        raise ValueError("statements.yaml: two claims share an id")
    return by_id
