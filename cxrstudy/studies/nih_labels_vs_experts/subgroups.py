"""Tables of subgroups for the pages of study 02c."""

import pandas as pd

from cxrstudy.experiments.subgroups import ALL_ROWS, SubgroupAgreement


def with_subgroup(table: pd.DataFrame) -> pd.DataFrame:
    """Name the subgroup of each row in a column.

    >>> with_subgroup(pd.DataFrame({"group": ["all", "view"], "level": ["all", "AP"]}))
      group level subgroup
    0   all   all      all
    1  view    AP  view AP
    """
    names = table["group"] + " " + table["level"]
    return table.assign(subgroup=names.replace(f"{ALL_ROWS} {ALL_ROWS}", ALL_ROWS))


def before_and_after(
    before: SubgroupAgreement, after: SubgroupAgreement, method: str
) -> pd.DataFrame:
    """Put scores without weights, with weights, and their change below each other.

    A change that is zero by construction, up to rounding, is left out.
    """
    change = after.change_from(before, method)
    change = change[change["high"] - change["low"] > 1e-9]
    tables = {"as drawn": before.table(), "weighted": after.table(), "change": change}
    return pd.concat(table.assign(images=name) for name, table in tables.items())
