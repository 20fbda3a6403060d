"""The reference page: what notebooks name, each name once, with a docstring that is true."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from numpydoc.validate import validate

from cxrstudy.book.api import api_markdown
from cxrstudy.runs import studies

PAGE = api_markdown([study.notebook_path for study in studies().values()])


def test_the_page_lists_what_a_notebook_names(tmp_path):
    """Imported names and attributes of imported modules; neither modules nor constants."""
    cells = [
        new_markdown_cell("from cxrstudy.claims import claims"),
        new_code_cell("from cxrstudy.agreement import Resampling\nimport numpy as np"),
        new_code_cell("from cxrstudy import claims\nfrom cxrstudy.observations import PARENTS"),
        new_code_cell("claims.record(results, np.ones(3)); claims.record(results)"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert api_markdown([tmp_path / "a.ipynb"] * 2).split("```") == [
        "## cxrstudy.agreement.resampling\n\n",
        "{eval-rst}\n.. autoclass:: cxrstudy.agreement.resampling.Resampling\n   :members:\n",
        "\n\n## cxrstudy.claims.measurements\n\n",
        "{eval-rst}\n.. autofunction:: cxrstudy.claims.measurements.record\n",
        "\n",
    ]


@pytest.mark.parametrize("name", re.findall(r"auto\w+:: (\S+)", PAGE))
def test_a_docstring_describes_what_there_is(name):
    """It exists, and no parameter in it is unknown or left out where others are described."""
    found = validate(name)
    codes = {code for code, _ in found["errors"]}
    assert not codes & {"GL08", "PR02"}, found["errors"]
    assert "PR01" not in codes or "Parameters\n" not in found["docstring"], found["errors"]
