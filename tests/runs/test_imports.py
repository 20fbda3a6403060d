"""Dependencies of a notebook from its imports."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import cxrstudy
from cxrstudy.runs import notebook_dependencies, study

PACKAGE = Path(cxrstudy.__file__).parent


def _dependencies(folder, *sources) -> set[str]:
    cells = [new_markdown_cell("import cxrstudy.claims"), *map(new_code_cell, sources)]
    path = folder / "study.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return {file.relative_to(PACKAGE).as_posix() for file in notebook_dependencies(path)}


def test_a_module_brings_what_it_imports_and_its_data(tmp_path):
    """Observations depend on their modules and YAML files and on nothing else."""
    assert _dependencies(tmp_path, "from cxrstudy.observations import PARENTS") == {
        "observations/__init__.py",
        "observations/crosswalk.yaml",
        "observations/definitions.py",
        "observations/observations.yaml",
        "observations/policies.py",
    }


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
    """Each form of an import, also inside a function, makes the notebook depend on the module."""
    assert "published/papers.py" in _dependencies(tmp_path, source)


def test_another_import_changes_the_list(tmp_path):
    """Adding an import adds its files and keeps the others; removing it takes them away."""
    alone = _dependencies(tmp_path, "from cxrstudy.observations import PARENTS")
    both = _dependencies(
        tmp_path, "from cxrstudy.observations import PARENTS", "from cxrstudy import published"
    )
    assert alone < both
    assert {"published/papers.py", "published/visualchexbert.yaml"} <= both - alone
    assert not any(file.startswith(("agreement/", "claims/")) for file in both)


def test_indirect_imports_count(tmp_path):
    """The loader of the test set brings registry, tables and integrity without naming them."""
    found = _dependencies(tmp_path, "from cxrstudy.data.chexpert_test import load")
    indirect = {
        "data/registry.py",
        "data/registry.yaml",
        "data/tables.py",
        "observations/policies.py",
    }
    assert indirect <= found
    assert not any(file.startswith(("published/", "claims/", "book/")) for file in found)


def test_text_and_other_packages_do_not_count(tmp_path):
    """Markdown that looks like an import, and imports of other packages, add nothing."""
    assert _dependencies(tmp_path, "import numpy as np") == set()


def test_integrity_does_not_depend_on_published_numbers_or_claims():
    """Study 01 cannot re-run because a printed number or a claim changed."""
    found = {
        file.relative_to(PACKAGE).parts[0]
        for file in notebook_dependencies(study("data_integrity").notebook_path)
    }
    assert "data" in found
    assert not found & {"published", "claims", "book", "runs"}


def test_study_02_depends_on_published_numbers_and_claims():
    """Study 02 re-runs when a printed number, a claim or a metric changes."""
    files = notebook_dependencies(study("report_vs_image_agreement").notebook_path)
    found = {file.relative_to(PACKAGE).as_posix() for file in files}
    needed = {"published/visualchexbert.yaml", "claims/statements.yaml", "agreement/counts.py",
              "data/chexpert_test.py", "display.py",
              "figures/__init__.py", "figures/estimates.py"}  # fmt: skip
    assert needed <= found
    assert not any(file.startswith(("book/", "runs/")) for file in found)


def test_dependencies_exist_and_are_sorted():
    """The list is stable and every file in it exists."""
    files = notebook_dependencies(study("report_vs_image_agreement").notebook_path)
    assert files == sorted(files)
    assert all(file.is_file() for file in files)


def test_what_a_lazy_package_hands_out_counts(tmp_path):
    """Its loop is imported when `train` is first asked for, which no import statement shows."""
    found = _dependencies(tmp_path, "from cxrstudy.vision.training import train")
    assert {"vision/training/loop.py", "kernels/bce.py"} <= found
