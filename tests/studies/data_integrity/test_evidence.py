"""Study 01's tables: the evidence for a repair, by hand-made blocks and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from cxrstudy.data.chexpert_test import NAME as CHEXPERT
from cxrstudy.data.integrity import Block, find_misaligned_blocks
from cxrstudy.studies.data_integrity import evidence as study


def _tables(block: Block) -> tuple[pd.DataFrame, pd.DataFrame]:
    """240 studies of 8 observations; three quarters of the labels repeat the truth; a block."""
    generator = np.random.default_rng(13)
    ids, columns = [f"study {k}" for k in range(240)], [f"observation {k}" for k in range(8)]
    truth = (generator.random((240, 8)) < np.linspace(0.05, 0.5, 8)).astype(float)
    codes = generator.choice([1.0, 0.0, -1.0, np.nan], size=truth.shape, p=[0.3, 0.2, 0.1, 0.4])
    labels = np.where(generator.random(truth.shape) < 0.75, truth, codes)
    misplaced = labels[np.argsort(block.permutation(240))]
    return pd.DataFrame(truth, ids, columns), pd.DataFrame(misplaced, ids, columns)


def test_evidence_singles_out_the_repair():
    """Only the repair restores inside the agreement found outside; kappa is scikit-learn's."""
    truth, damaged = _tables(Block("rotation", 100, 180, -1))
    (found,) = find_misaligned_blocks(truth, damaged)
    evidence = study.evidence_of_blocks(truth, damaged, [found])
    inside = evidence[evidence["region"] == "inside"].set_index("arrangement")
    outside = evidence[evidence["region"] == "outside"].set_index("arrangement")
    assert len(inside) == found.block.length + 1
    assert inside["log_likelihood_ratio"].idxmax() == "repaired"
    assert outside.loc["by id", "log_likelihood_ratio"] > 0
    assert outside.loc["repaired", "log_likelihood_ratio"] < 0
    rows = slice(found.block.start, found.block.stop)
    positive = (truth.iloc[rows] == 1, damaged.iloc[rows] == 1)
    kappas = [cohen_kappa_score(*(table[column] for table in positive)) for column in truth]
    assert inside.loc["by id", "kappa"] == pytest.approx(np.mean(kappas))


def test_repair_ranks_first_among_all_shifts():
    """The repair beats every other arrangement, and chance arrangements at the smallest p."""
    truth, damaged = _tables(Block("reversal", 100, 180))
    found = find_misaligned_blocks(truth, damaged)
    (row,) = study.shift_comparison_table(truth, damaged, found, n_permutations=99).itertuples()
    assert (row.rank, row.permutation_p) == (1, 0.01)
    assert row.other_arrangements == found[0].block.length
    assert row.z > 5


def test_the_released_block_is_tabulated(chexpert, chexpert_as_released):
    """Rows 400 to 499, one row too early, and nothing else comes near."""
    truth, labels = chexpert.truth, chexpert_as_released.labeler
    found = find_misaligned_blocks(truth, labels)
    (row,) = study.misalignment_table(found).itertuples()
    assert (row.kind, row.first_row, row.last_row, row.shift) == ("rotation", 400, 499, -1)
    assert study.shift_comparison_table(truth, labels, found)["rank"].tolist() == [1]


def test_nothing_found_makes_empty_tables():
    """A page of sound tables shows its columns."""
    truth, labels = _tables(Block.rotation(0, 240, 0))
    tables = (
        study.misalignment_table([]),
        study.evidence_of_blocks(truth, labels, []),
        study.shift_comparison_table(truth, labels, []),
    )
    assert all(table.empty and len(table.columns) for table in tables)


def test_the_first_departure_from_the_common_order_is_named():
    ids = {"x": list("abcd"), "y": list("abcd"), "z": list("adbc")}
    table = study.id_order_table({name: pd.DataFrame(index=order) for name, order in ids.items()})
    assert table["names"].tolist() == ["x, y", "z"]
    assert table["first_departure"].isna().tolist() == [True, False]
    assert (table["first_departure"][1], table["id_there"][1]) == (1, "d")


def test_the_orders_of_the_test_set_include_the_models(mirror):
    orders = study.study_orders(CHEXPERT, CHEXPERT)
    assert len(orders) == 20 and {table.shape for table in orders.values()} == {(500, 0)}
