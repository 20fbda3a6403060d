"""Runs: parameters checked, notebook executed, result cleaned, stamped and published.

The names load on first use: the run graph needs the list of studies and their dependencies, and
should not wait for Papermill.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["RunFolders", "Study", "studies", "study"],
        "execute": ["StudyFailedError", "run_study"],
        "graph": ["build_book"],
        "record": ["RecordError", "record_benchmark", "record_run"],
        "parameters": ["Parameter", "ParameterError", "check_parameters", "read_parameters"],
        "stamp": ["notebook_dependencies", "provenance"],
    },
)
