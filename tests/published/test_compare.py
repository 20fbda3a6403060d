"""Measured against printed cells."""

import pandas as pd
import pytest

from cxrstudy.published import PublishedTable, compare_cells

PRINTED = PublishedTable(
    pd.DataFrame({"f1": [0.52, 0.46], "kappa": [0.10, -0.05]}, index=["Edema", "Fracture"]),
    where="Table 0", metric="F1", decimals=2,
)  # fmt: skip


def _agrees(measured: float) -> bool:
    table = pd.DataFrame({"f1": [measured]}, index=["Edema"])
    return bool(compare_cells(table, PRINTED)["agrees"].item())


@pytest.mark.parametrize(
    ("measured", "agrees"),
    [(0.52, True), (0.525, True), (0.515, True), (0.5250001, False), (0.5149999, False),
     (float("nan"), False)],
)  # fmt: skip
def test_half_a_unit_is_still_agreement(measured, agrees):
    assert _agrees(measured) is agrees


def test_cells_are_matched_by_name():
    measured = pd.DataFrame(
        {"kappa": [-0.05, 0.2, 9], "mcc": [1, 1, 1], "f1": [0.4, 0.521, 9]},
        index=["Fracture", "Edema", "Pneumonia"],
    )
    cells = compare_cells(measured, PRINTED).set_index(["row", "column"])
    assert cells["measured"].to_dict() == {
        ("Edema", "f1"): 0.521, ("Edema", "kappa"): 0.2,
        ("Fracture", "f1"): 0.4, ("Fracture", "kappa"): -0.05,
    }  # fmt: skip
    assert cells["agrees"].to_list() == [True, False, False, True]


def test_nothing_shared_is_an_empty_table():
    assert compare_cells(pd.DataFrame({"mcc": [1.0]}, index=["Edema"]), PRINTED).empty
