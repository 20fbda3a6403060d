"""Agreement within subgroups of the rows, on shared resamples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cxrstudy.agreement.compare import agree
from cxrstudy.agreement.result import Agreement, Estimate

ALL_ROWS = "all"
"""Name of the group, and of its one level, that holds every row."""

Cell = tuple[str, str, str]
"""Observation, group and level."""


@dataclass(frozen=True, eq=False)
class SubgroupAgreement:
    """Estimates for each observation and level of each group.

    Attributes
    ----------
    agreement : Agreement
        With one observation for each cell.
    cells : dict of str to (str, str, str)
        Name of that observation to observation, group and level.
    """

    agreement: Agreement
    cells: dict[str, Cell]

    def estimate(
        self,
        method: str,
        observation: str,
        metric: str,
        group: str = ALL_ROWS,
        level: str = ALL_ROWS,
    ) -> Estimate:
        """Return one estimate.

        Parameters
        ----------
        method, observation, metric : str
        group, level : str
            All rows by default.

        Returns
        -------
        Estimate
            Estimates of two levels may be subtracted: they share their resamples.
        """
        return self.agreement.estimate(method, _name(observation, group, level), metric)

    def table(self) -> pd.DataFrame:
        """Tidy table of every cell: the agreement's without averages, by group and level."""
        table = self.agreement.table()
        table = table[table["observation"].isin(self.cells)].reset_index(drop=True)
        cells = pd.DataFrame(
            [self.cells[name] for name in table["observation"]],
            columns=["observation", "group", "level"],
        )
        return pd.concat([cells, table.drop(columns="observation")], axis=1)

    def differences(self, method: str, levels: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
        """Tidy table of differences between two levels of a group.

        Parameters
        ----------
        method : str
        levels : mapping of str to (str, str)
            For each group the level and the one subtracted from it.

        Returns
        -------
        DataFrame
            Columns observation, group, level, metric, estimate, low, high, n, positives and
            too_few, which holds where either side has too few positives or negatives.
        """
        observations = dict.fromkeys(observation for observation, _, _ in self.cells.values())
        return self._paired_table(
            method,
            {
                (observation, group, " - ".join(pair)): [
                    (self.agreement, _name(observation, group, level)) for level in pair
                ]
                for observation in observations
                for group, pair in levels.items()
            },
        )

    def change_from(self, other: "SubgroupAgreement", method: str) -> pd.DataFrame:
        """Tidy table of these estimates minus those of another agreement, cell by cell.

        Parameters
        ----------
        other : SubgroupAgreement
            On the same rows, cells and resamples, such as without weights.
        method : str

        Returns
        -------
        DataFrame
            As `differences` returns it.
        """
        return self._paired_table(
            method,
            {
                cell: [(self.agreement, name), (other.agreement, name)]
                for name, cell in self.cells.items()
            },
        )

    def _paired_table(
        self, method: str, sides: Mapping[Cell, Sequence[tuple[Agreement, str]]]
    ) -> pd.DataFrame:
        rows = []
        for cell, pair in sides.items():
            too_few = any((method, name) in agreement.too_few for agreement, name in pair)
            for metric in dict.fromkeys(metric for _, _, metric in self.agreement.estimates):
                first, second = (a.estimate(method, name, metric) for a, name in pair)
                gap = first - second
                named = dict(zip(("observation", "group", "level"), cell, strict=True))
                rows.append(named | {"metric": metric} | gap.row() | {"too_few": too_few})
        return pd.DataFrame(rows)


def agree_by_subgroup(
    truth: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    groups: pd.DataFrame,
    **options,
) -> SubgroupAgreement:
    """Compare methods with a truth in all rows and within each level of several groupings.

    Every level sees the same resamples of all rows, so the difference of two levels has the right
    interval also where one cluster (a patient) has rows in both.

    Parameters
    ----------
    truth, predictions
        As for `agree`.
    groups : DataFrame of str, shape (n_rows, n_groups)
        Each column sorts the rows into levels; same index as ``truth``.
    **options
        Passed on to `agree`: metrics, resampling, min_events.

    Returns
    -------
    SubgroupAgreement

    Raises
    ------
    ValueError
        If the groups' index differs from the truth's, or `agree` refuses the tables.
    """
    if not groups.index.equals(truth.index):
        raise ValueError("groups and truth differ in index; align with groups.loc[truth.index]")
    members = {(ALL_ROWS, ALL_ROWS): pd.Series(True, truth.index)}
    for group in groups:
        for level in sorted(groups[group].unique()):
            members[group, level] = groups[group] == level
    cells = {
        _name(observation, *member): (observation, *member)
        for observation in truth
        for member in members
    }

    def spread(table: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: table[observation].where(members[group, level])
                for name, (observation, group, level) in cells.items()
            }
        )

    spread_predictions = {method: spread(table) for method, table in predictions.items()}
    return SubgroupAgreement(agree(spread(truth), spread_predictions, **options), cells)


def _name(observation: str, group: str, level: str) -> str:
    return f"{observation} | {group} | {level}"
