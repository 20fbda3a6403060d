"""What a run is made of: dependencies of a notebook from its imports, and the stamp."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import cxrstudy
from cxrstudy.runs import notebook_dependencies, provenance, study

PACKAGE = Path(cxrstudy.__file__).parent


def _dependencies(folder, *sources) -> set[str]:
    cells = [new_markdown_cell("import cxrstudy.claims"), *map(new_code_cell, sources)]
    path = folder / "study.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return {file.relative_to(PACKAGE).as_posix() for file in notebook_dependencies(path)}


def test_a_module_brings_what_it_imports_and_its_data(tmp_path):
    found = _dependencies(tmp_path, "from cxrstudy.observations import PARENTS")
    names = "__init__.py crosswalk.yaml definitions.py observations.yaml policies.py"
    assert found == {f"observations/{name}" for name in names.split()}


@pytest.mark.parametrize(
    "source",
    [
        "import cxrstudy.published",
        "import cxrstudy.published as printed",
        "from cxrstudy import published",
        "from cxrstudy.published import paper",
        "from cxrstudy.published.papers import paper",
        "def late():\n    from cxrstudy.published import paper",
    ],
)
def test_every_way_to_import_counts(tmp_path, source):
    assert "published/papers.py" in _dependencies(tmp_path, source)


def test_indirect_imports_count(tmp_path):
    found = _dependencies(tmp_path, "from cxrstudy.data.chexpert_test import load")
    data = {f"data/{name}" for name in ("registry.py", "registry.yaml", "tables.py")}
    assert data | {"observations/policies.py"} <= found
    assert not any(file.startswith(("published/", "claims/", "book/")) for file in found)


def test_text_and_other_packages_do_not_count(tmp_path):
    assert _dependencies(tmp_path, "import numpy as np") == set()


def _dependencies_of(name: str) -> set[str]:
    files = notebook_dependencies(study(name).notebook_path)
    assert files == sorted(files) and all(file.is_file() for file in files)
    return {file.relative_to(PACKAGE).as_posix() for file in files}


def test_studies_depend_on_what_they_use():
    """Study 01 cannot re-run because a printed number changed; study 02 does."""
    integrity = {file.split("/")[0] for file in _dependencies_of("data_integrity")}
    assert "data" in integrity and not integrity & {"published", "claims", "book", "runs"}
    found = _dependencies_of("report_vs_image_agreement")
    assert found >= {
        "published/visualchexbert.yaml", "claims/statements.yaml", "agreement/counts.py",
        "data/chexpert_test.py", "display.py", "figures/__init__.py", "figures/estimates.py",
    }  # fmt: skip
    assert not any(file.startswith(("book/", "runs/")) for file in found)


def test_what_a_lazy_package_hands_out_counts(tmp_path):
    """Its loop is imported when `train` is first asked for, which no import statement shows."""
    found = _dependencies(tmp_path, "from cxrstudy.vision.training import train")
    assert {"vision/training/loop.py", "kernels/bce.py"} <= found


def test_provenance_names_data_source_versions_and_time():
    found = provenance(study("data_integrity"), {"seed": 0}, seconds=1.26)
    assert found["parameters"] == {"seed": 0}
    assert re.fullmatch("[0-9a-f]{12}", found["source"])
    assert re.fullmatch("[0-9a-f]{12}", found["data"]["chexpert_test_set_labels"])
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["cxrstudy"] == cxrstudy.__version__
    assert found["seconds"] == 1.3


def test_studies_with_other_sources_have_other_hashes():
    names = ("data_integrity", "report_vs_image_agreement")
    hashes = {provenance(study(name), {}, 0)["source"] for name in names}
    assert len(hashes) == 2
