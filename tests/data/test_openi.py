"""The OpenI reports: counts of the collection, and codes as observations by the stated rules."""

import hashlib
import io
import tarfile

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.openi import (
    findings_and_impression,
    mesh_labels,
    mesh_rules,
    not_indexed,
    read_archive,
)
from cxrstudy.observations import OBSERVATIONS

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="{id}"/><Article><Abstract>
<AbstractText Label="COMPARISON"/><AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">Heart &lt; normal.</AbstractText>
<AbstractText Label="IMPRESSION">{id} clear.</AbstractText>
</Abstract></Article><MeSH>{mesh}</MeSH><parentImage id="a"/><parentImage id="b"/></eCitation>
"""
STRICT_POSITIVES = [1496, 18, 347, 699, 118, 101, 30, 42, 332, 27, 161, 58, 84, 291]
BROAD_POSITIVES = [1591, 34, 401, 792, 221, 101, 30, 44, 341, 27, 201, 80, 116, 434]
STRICT_CELLS, BROAD_CELLS = "c6a28b865ca4ee24", "f035260ad390d925"  # sha256 of every cell


def _found(*codes: str, mapping: str = "strict") -> set[str]:
    row = mesh_labels(pd.DataFrame({"mesh_major": [codes]}), mapping).iloc[0]
    assert set(row) <= {0.0, 1.0}
    return set(row.index[row == 1])


def _archive(path, contents: dict[str, str]):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_an_archive_is_read_in_the_order_of_numbers(tmp_path):
    mesh = "<major>Nodule/lung</major><major>normal</major><automatic>nodule</automatic>"
    texts = {f"x/{n}.xml": REPORT.format(id=f"CXR{n}", mesh=mesh) for n in (10, 2)}
    reports = read_archive(_archive(tmp_path / "r.tgz", texts))
    assert reports.index.tolist() == ["CXR2", "CXR10"]
    assert reports.loc["CXR10"].to_dict() == {
        "indication": "Cough",
        "comparison": "",
        "findings": "Heart < normal.",
        "impression": "CXR10 clear.",
        "mesh_major": ("Nodule/lung", "normal"),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["r.tgz"]


def test_the_collection_has_its_known_size(openi):
    """3,955 reports; how many have each section, both, one or none of the last two."""
    present = openi[["indication", "comparison", "findings", "impression"]] != ""
    assert len(openi) == 3955 and openi.index.is_unique
    assert openi.index.str.removeprefix("CXR").astype(int).is_monotonic_increasing
    assert present.sum().tolist() == [3865, 3333, 3425, 3921]
    both = pd.crosstab(present["findings"], present["impression"])
    assert both.to_numpy().tolist() == [[28, 502], [6, 3419]]
    assert openi["impression"][present["impression"]].nunique() == 1839
    assert openi["findings"].str.contains("XXXX").sum() == 1486
    texts = findings_and_impression(openi)
    assert texts.index.equals(openi.index)
    assert texts["CXR1"].split("\n")[1] == openi.loc["CXR1", "impression"]
    assert (texts == "\n").sum() == 28


def test_every_report_is_coded_or_marked(openi):
    """8,298 codes; 1,391 reports are normal, and 95 were indexed by nobody."""
    codes = openi["mesh_major"].explode()
    assert len(codes) == 8298 and codes.nunique() == 1719
    assert (codes == "normal").sum() == 1391
    without = not_indexed(openi)
    assert without.dtype == bool and without.sum() == 95
    assert set(openi.loc[without, "mesh_major"]) == {("No Indexing",)}
    assert (mesh_labels(openi)[without] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("mapping", "positives", "cells"),
    [("strict", STRICT_POSITIVES, STRICT_CELLS), ("broad", BROAD_POSITIVES, BROAD_CELLS)],
)
def test_the_rules_give_every_cell_of_the_reference(openi, mapping, positives, cells):
    """All 3,955 x 14 cells equal those of tables that were made from the codes before."""
    labels = mesh_labels(openi, mapping).astype(np.uint8)
    assert labels.sum().tolist() == positives
    assert hashlib.sha256(labels.to_numpy().tobytes()).hexdigest()[:16] == cells


@pytest.mark.parametrize(
    ("code", "strict", "broad"),
    [
        ("Cardiomegaly", "Cardiomegaly", "Cardiomegaly"),
        ("Cardiomegaly/borderline", "", "Cardiomegaly"),
        ("Cardiac Shadow/enlarged/mild", "Cardiomegaly", "Cardiomegaly"),
        ("Cardiac Shadow/obscured", "", ""),
        ("Mediastinum/enlarged ", "Enlarged Cardiomediastinum", "Enlarged Cardiomediastinum"),
        ("Mediastinum/lymph nodes/enlarged", "", "Enlarged Cardiomediastinum"),
        ("Opacity", "Lung Opacity", "Lung Opacity"),
        ("Opacity/left/multiple", "Lung Opacity", "Lung Opacity"),
        ("Opacity/ribs/left", "", "Lung Opacity"),
        ("Opacity/lung/costophrenic angle", "Lung Opacity", "Lung Opacity"),
        ("Cicatrix", "Lung Opacity", "Lung Opacity"),
        ("Cicatrix/breast", "", "Lung Opacity"),
        ("Cicatrix/pleura/left", "Pleural Other", "Pleural Other"),
        ("Nodule/multiple", "Lung Lesion", "Lung Lesion"),
        ("Nodule/thorax", "", "Lung Lesion"),
        ("Density/round", "", ""),
        ("Calcified Granuloma/lung", "", ""),
        ("Pulmonary Congestion/mild", "Edema", "Edema"),
        ("Tuberculosis", "", "Pneumonia"),
        ("Costophrenic Angle/right/blunted", "", "Pleural Effusion"),
        ("Costophrenic Angle/right/obscured", "", ""),
        ("Deformity/ribs/left", "", "Fracture"),
        ("Deformity/thoracic vertebrae", "", ""),
        ("Fractures, Bone/clavicle", "Fracture", "Fracture"),
    ],
)
def test_one_code_is_one_observation_or_none(code, strict, broad):
    assert _found(code) == {strict} - {""}
    assert _found(code, mapping="broad") == {broad} - {""}


def test_one_code_may_be_two_observations():
    """Air and fluid: a clear pneumothorax, an implied effusion."""
    code = "Hydropneumothorax/right"
    assert _found(code) == {"Pneumothorax"}
    assert _found(code, mapping="broad") == {"Pneumothorax", "Pleural Effusion"}
    with pytest.raises(ValueError, match="unknown mapping 'wide'.*strict, broad"):
        _found(code, mapping="wide")


def test_no_finding_needs_every_code():
    """Devices and image quality leave No Finding; one other code, even unmapped, ends it."""
    assert _found("normal") == {"No Finding"}
    assert _found("Stents", "Technical Quality of Image Unsatisfactory ") == {
        "No Finding", "Support Devices",
    }  # fmt: skip
    assert _found("Surgical Instruments/abdomen") == {"No Finding"}
    assert _found("Stents", "Scoliosis") == {"Support Devices"}
    assert _found("No Indexing") == set()
    assert _found("No Indexing", mapping="broad") == {"No Finding"}
    assert _found() == set()


def test_every_rule_has_a_reason_an_observation_and_headings_that_occur(openi):
    """No rule waits for a heading that is misspelled."""
    rules = mesh_rules("broad")
    assert ["No Finding", *rules] == list(OBSERVATIONS)
    headings = {code.split("/")[0].strip() for codes in openi["mesh_major"] for code in codes}
    for rule in (rule for each in rules.values() for rule in each):
        assert rule.reason and rule.headings and set(rule.headings) <= headings, rule
