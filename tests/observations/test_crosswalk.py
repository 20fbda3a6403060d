"""The crosswalk of terms: complete, consistent and cited."""

import re

from cxrstudy.observations import OBSERVATIONS, crosswalk
from cxrstudy.paths import project_root

NIH_TERMS = {
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia", "No Finding",
}  # fmt: skip


def _terms(source: str):
    return crosswalk().query("source == @source").set_index("term")


def test_every_planned_source_is_there():
    assert set(crosswalk()["source"]) == {"chexpert", "nih", "rsna", "google", "mesh"}


def test_chexperts_terms_are_the_observations_themselves():
    table = _terms("chexpert")
    assert set(table.index) == set(OBSERVATIONS)
    assert (table["observation"] == table.index).all() and (table["relation"] == "exact").all()


def test_all_fifteen_nih_terms_are_listed():
    table = _terms("nih")
    assert set(table.index) == NIH_TERMS
    assert set(table.index[table["observation"] == ""]) == {"Emphysema", "Hernia"}


def test_relations_and_observations_are_known():
    table = crosswalk()
    crossed = table[table["observation"] != ""]
    assert set(crossed["observation"]) <= set(OBSERVATIONS)
    relations = {"exact", "narrower", "broader", "different construct"}
    assert set(crossed["relation"]) == relations
    assert (table.loc[table["observation"] == "", "relation"] == "").all()


def test_no_term_is_listed_twice():
    assert not crosswalk().duplicated(["source", "term"]).any()


def test_every_citation_is_in_the_bibliography():
    text = (project_root() / "book" / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"@\w+\{([^,]+),", text))
    assert set(crosswalk()["citation"]) <= keys
