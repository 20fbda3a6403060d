"""The printed numbers: complete, consistent where the papers are, and compared by cell."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy.paths import project_root
from cxrstudy.published import (
    PAPERS,
    PublishedTable,
    compare_cells,
    inconsistencies,
    paper,
    published_table,
    published_value,
)

TABLES = [(key, name) for key in PAPERS for name in paper(key)["tables"]]


def _values(paper_key: str, table: str) -> pd.DataFrame:
    return published_table(paper_key, table).values


@pytest.mark.parametrize(("key", "name"), TABLES)
def test_every_table_has_place_and_metric_and_no_more_digits_than_printed(key, name):
    table = published_table(key, name)
    assert table.where and table.metric
    assert table.values.size and table.values.index.is_unique and table.values.columns.is_unique
    if table.decimals is None:
        with pytest.raises(ValueError, match="unlike numbers of decimals"):
            _ = table.half_unit
        return
    cells = table.values.to_numpy(float)
    cells = cells[~np.isnan(cells)]
    np.testing.assert_allclose(cells, cells.round(table.decimals), atol=1e-12)


@pytest.mark.parametrize("key", PAPERS)
def test_every_paper_has_title_link_citation_and_the_place_of_every_fact(key):
    head = paper(key)["paper"]
    bibliography = (project_root() / "book" / "references.bib").read_text("utf-8")
    assert head["title"] and head["short"] and head["link"].startswith("https://")
    assert head["citation"] in re.findall(r"@\w+\{([^,]+),", bibliography)
    assert all(fact["where"] for fact in paper(key)["facts"].values())


def test_the_headline_numbers():
    printed = {
        ("nlp_expert_gap", "final_auroc"): 0.917,
        ("nlp_expert_gap", "stanford_baseline_auroc"): 0.907,
        ("nlp_expert_gap", "frozen_backbone_auroc"): 0.891,
        ("nlp_expert_gap", "predecessor_auroc"): 0.940,
        ("nlp_expert_gap", "starting_auroc"): 0.823,
        ("nlp_expert_gap", "expert_auroc_low"): 0.75,
        ("nlp_expert_gap", "expert_auroc_high"): 0.87,
        ("deberta_rad", "student_macro_f1"): 0.9120,
        ("deberta_rad", "teacher_macro_f1"): 0.9014,
        ("deberta_rad", "chexbert_macro_f1"): 0.9047,
        ("deberta_rad", "chexpert_macro_f1"): 0.8864,
        ("chexagent", "gain_over_general_domain_percent"): 97.5,
        ("chexagent", "gain_over_medical_domain_percent"): 55.7,
        ("chexreason", "chexpert_gain_percent"): 23,
        ("chexreason", "nih_drop_percent"): -19,
        ("chexpert", "baseline_mean_auroc"): 0.907,
        ("visualchexbert", "n_studies"): 500,
    }
    assert {key: published_value(*key) for key in printed} == printed


def test_table_3_of_visualchexbert():
    found = _values("visualchexbert", "table3").apply(tuple, axis=1).to_dict()
    assert found == {
        "No Finding": (38, 40), "Enlarged Cardiomediastinum": (223, 5), "Cardiomegaly": (101, 15),
        "Lung Opacity": (100, 50), "Lung Lesion": (2, 12), "Edema": (26, 49),
        "Consolidation": (16, 17), "Pneumonia": (6, 5), "Atelectasis": (75, 31),
        "Pneumothorax": (1, 13), "Pleural Effusion": (11, 65), "Pleural Other": (3, 15),
        "Fracture": (3, 21), "Support Devices": (53, 13),
    }  # fmt: skip


def test_chexperts_prevalences_sum_to_all_studies_and_its_intervals_hold_their_estimates():
    table = _values("chexpert", "prevalence")
    assert len(table) == 14 and (table.sum(axis=1) == 187_641).all()
    low, value, high = (
        _values("chexpert", f"policy_auroc{part}") for part in ("_low", "", "_high")
    )
    assert ((low < value) & (value < high)).all(axis=None)
    assert ((low + high) / 2 - value).abs().max(axis=None) <= 0.001 + 1e-9


def test_inconsistencies_name_paper_and_place():
    table = inconsistencies()
    assert list(table) == ["paper", "where", "text"]
    assert (table.map(len) > 0).all(axis=None)
    assert table["text"].str.contains("0.49148").any()
    with pytest.raises(KeyError, match="no paper 'x'.*visualchexbert"):
        paper("x")


PRINTED = PublishedTable(
    pd.DataFrame({"f1": [0.52, 0.46], "kappa": [0.10, -0.05]}, index=["Edema", "Fracture"]),
    where="Table 0", metric="F1", decimals=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("measured", "agrees"),
    [(0.52, True), (0.525, True), (0.515, True), (0.5250001, False), (0.5149999, False),
     (float("nan"), False)],
)  # fmt: skip
def test_half_a_unit_is_still_agreement(measured, agrees):
    table = pd.DataFrame({"f1": [measured]}, index=["Edema"])
    assert bool(compare_cells(table, PRINTED)["agrees"].item()) is agrees
    for decimals, half in ((0, 0.5), (2, 0.005), (3, 0.0005)):
        assert replace(PRINTED, decimals=decimals).half_unit == pytest.approx(half)


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
    assert compare_cells(pd.DataFrame({"mcc": [1.0]}, index=["Edema"]), PRINTED).empty
