"""Agreement within subgroups of the rows, on shared resamples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cxrstudy.agreement import Agreement, agree

ALL_ROWS = "all"  # name of the group, and of its one level, that holds every row

Cell = tuple[str, str, str]  # observation, group and level


@dataclass(frozen=True, eq=False)
class SubgroupAgreement:
    """Estimates for each observation and level of each group, on shared resamples."""

    agreement: Agreement  # with one observation for each cell, such as "Edema | view | AP"
    cells: dict[str, Cell]  # name of that observation to its cell

    def table(self) -> pd.DataFrame:
        """Tidy table of every cell: the agreement's without averages, by group and level."""
        table = self.agreement.table()
        table = table[table["observation"].isin(self.cells)].reset_index(drop=True)
        cells = [self.cells[name] for name in table["observation"]]
        named = pd.DataFrame(cells, columns=["observation", "group", "level"])
        return pd.concat([named, table.drop(columns="observation")], axis=1)

    def differences(self, method: str, levels: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
        """Tabulate differences between two levels of a group, first minus second."""
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
        """Tabulate these estimates minus another's of the same rows, such as without weights."""
        pairs = {
            cell: [(self.agreement, name), (other.agreement, name)]
            for name, cell in self.cells.items()
        }
        return self._paired_table(method, pairs)

    def _paired_table(
        self, method: str, sides: Mapping[Cell, Sequence[tuple[Agreement, str]]]
    ) -> pd.DataFrame:
        rows = []
        for (observation, group, level), pair in sides.items():
            too_few = any((method, name) in agreement.too_few for agreement, name in pair)
            cell = {"observation": observation, "group": group, "level": level}
            for metric in dict.fromkeys(metric for _, _, metric in self.agreement.estimates):
                first, second = (a.estimate(method, name, metric) for a, name in pair)
                gap = (first - second).row()
                rows.append(cell | {"metric": metric} | gap | {"too_few": too_few})
        return pd.DataFrame(rows)


def agree_by_subgroup(
    truth: pd.DataFrame, predictions: Mapping[str, pd.DataFrame], groups: pd.DataFrame, **options
) -> SubgroupAgreement:
    """Compare methods with a truth, as `agree` does, in all rows and in each level of each group.

    Every level sees the same resamples of all rows, so the difference of two levels has the right
    interval also where one cluster (a patient) has rows in both.
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
        columns = {
            name: table[observation].where(members[group, level])
            for name, (observation, group, level) in cells.items()
        }
        return pd.DataFrame(columns)

    spread_predictions = {method: spread(table) for method, table in predictions.items()}
    return SubgroupAgreement(agree(spread(truth), spread_predictions, **options), cells)


def _name(observation: str, group: str, level: str) -> str:
    return f"{observation} | {group} | {level}"
