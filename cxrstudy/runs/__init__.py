"""Runs: parameters checked, notebook executed, result cleaned, stamped and published."""

from cxrstudy.runs.execute import RunFolders, StudyFailedError, clean_notebook, run_study
from cxrstudy.runs.imports import notebook_dependencies
from cxrstudy.runs.parameters import (
    Parameter,
    ParameterError,
    check_parameters,
    read_parameters,
)
from cxrstudy.runs.provenance import provenance
from cxrstudy.runs.studies import Study, studies, study

__all__ = [
    "Parameter",
    "ParameterError",
    "RunFolders",
    "Study",
    "StudyFailedError",
    "check_parameters",
    "clean_notebook",
    "notebook_dependencies",
    "provenance",
    "read_parameters",
    "run_study",
    "studies",
    "study",
]
