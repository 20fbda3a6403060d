"""The benchmark of tools on planted defects: what counts as named, located and alerted."""

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.audit_tools import EXPRESSES, TOOLS, judged, table_of
from tests.audit.planted import KINDS, Planted


def _case(**where) -> Planted:
    empty = pd.DataFrame()
    return Planted(empty, empty, np.random.default_rng(0), **where)


def _flag(check: str, kind: str = "", columns=(), rows=None, table: str = "labels") -> dict:
    columns = list(columns)
    return {"check": check, "kind": kind, "table": table, "columns": columns, "rows": rows}


NOTHING = {"named": False, "located": False, "alerted": False}
NOISE = _flag("drift", columns=["Fracture"])


@pytest.mark.parametrize(
    ("flags", "twin", "expected"),
    [
        ([NOISE], [NOISE], set()),
        ([_flag("drift", columns=["Edema"])], [NOISE], {"alerted"}),
        # The right kind in another column, or in another table, is an alert and no more.
        ([_flag("single", "constant_column", ["Fracture"])], [], {"alerted"}),
        ([_flag("single", "constant_column", ["Edema"], table="truth")], [], {"alerted"}),
        ([_flag("single", "constant_column", ["Edema"])], [NOISE], {"named", "alerted"}),
        # What it says of the twin, too, it does not say of the defect.
        ([_flag("single", "constant_column", ["Edema"])] * 2,
         [_flag("single", "constant_column", ["Edema"])], set()),
        # Rows count under whatever name; those of the twin do not.
        ([_flag("weak", rows=[*range(10, 22)])], [], {"located", "alerted"}),
        ([_flag("weak", rows=[*range(10, 50)])], [], {"alerted"}),
        ([_flag("weak", rows=[*range(10, 20)])], [_flag("weak", rows=[*range(10, 20)])], set()),
        ([_flag("single", "constant_column", ["Edema"], [*range(10, 20)])],
         [_flag("single", "constant_column", ["Edema"], [*range(50, 60)])],
         {"named", "located", "alerted"}),
    ],
)  # fmt: skip
def test_flags_are_judged_beside_those_of_the_twin(flags, twin, expected):
    case = _case(columns=["Edema"], rows=(10, 19))
    assert judged(case, "constant_column", flags, twin) == {k: k in expected for k in NOTHING}


def test_a_kind_without_columns_or_rows_is_named_by_kind_alone():
    flag = _flag("groups", "site_disagreement", ["Edema"])
    found = judged(_case(), "site_disagreement", [flag], [])
    assert found == {"named": True, "located": False, "alerted": True}
    assert judged(_case(), "site_disagreement", [], []) == NOTHING


def test_the_table_counts_by_kind_and_tool():
    made = {"clean 1": ("clean", _case(), "clean 1")}
    made |= {f"{kind} 1": (kind, _case(), "clean 1") for kind in KINDS}
    flags = {
        name: {"flags": [_flag("a", kind)], "seconds": 0.5} for name, (kind, *_) in made.items()
    }
    table = table_of(made, {"cleanlab": flags}).set_index("kind")
    assert table.loc[list(KINDS), ["planted", "named", "alerted"]].eq(1).to_numpy().all()
    assert table.loc[list(KINDS), ["located", "clean"]].eq(0).to_numpy().all()
    assert table.loc["none", ["planted", "alerted"]].tolist() == [1, 1]
    assert table.loc["none", "note"] == "0.5 processor seconds for one table; cleanlab 2.9.0"


def test_every_kind_says_what_each_tool_can_express():
    expresses = yaml.safe_load(EXPRESSES.read_text("utf-8"))
    assert set(expresses) == set(KINDS)
    for tools in expresses.values():
        assert set(tools) == set(TOOLS) - {"cxrstudy audit"}
        assert all(said in {"yes", "partly", "no"} and note for said, note in tools.values())
