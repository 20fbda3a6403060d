"""The crosswalk of terms: complete, consistent and cited."""

import re

from cxrstudy.observations import OBSERVATIONS, crosswalk
from cxrstudy.paths import project_root

NIH_TERMS = {
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia", "No Finding",
}  # fmt: skip


def test_every_term_of_chexpert_and_the_nih_is_listed():
    """CheXpert's terms are the observations themselves."""
    table = crosswalk().set_index("term")
    chexpert, nih = (table[table["source"] == source] for source in ("chexpert", "nih"))
    assert set(chexpert.index) == set(OBSERVATIONS)
    assert (chexpert["observation"] == chexpert.index).all()
    assert (chexpert["relation"] == "exact").all()
    assert set(nih.index) == NIH_TERMS
    assert set(nih.index[nih["observation"] == ""]) == {"Emphysema", "Hernia"}


def test_every_source_is_crossed_and_cited():
    """No term of a source stands for two observations."""
    table = crosswalk()
    assert set(table["source"]) == {"chexpert", "nih", "rsna", "google", "mesh"}
    assert not table.duplicated(["source", "term"]).any()
    text = (project_root() / "book" / "references.bib").read_text("utf-8")
    assert set(table["citation"]) <= set(re.findall(r"@\w+\{([^,]+),", text))


def test_a_term_has_a_known_observation_with_a_known_relation_or_neither():
    table = crosswalk()
    crossed = table[table["observation"] != ""]
    assert set(crossed["observation"]) <= set(OBSERVATIONS)
    relations = {"exact", "narrower", "broader", "different construct"}
    assert set(crossed["relation"]) == relations
    assert (table.loc[table["observation"] == "", "relation"] == "").all()
