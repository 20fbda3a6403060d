"""What a page says of its own making."""

import re

import numpy as np

import cxrstudy
from cxrstudy.runs import provenance, study


def test_provenance_names_data_source_versions_and_time():
    found = provenance(study("data_integrity"), {"seed": 0}, seconds=1.26)
    assert found["parameters"] == {"seed": 0}
    assert re.fullmatch("[0-9a-f]{12}", found["source"])
    assert re.fullmatch("[0-9a-f]{12}", found["data"]["chexpert_test_set_labels"])
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["cxrstudy"] == cxrstudy.__version__
    assert found["seconds"] == 1.3


def test_studies_with_other_sources_have_other_hashes():
    hashes = {
        provenance(study(name), {}, 0)["source"]
        for name in ("data_integrity", "report_vs_image_agreement")
    }
    assert len(hashes) == 2
