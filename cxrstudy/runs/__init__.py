"""Runs: parameters checked, notebook executed, result cleaned, stamped and published.

The names load on first use: the run graph needs the list of studies and their dependencies, and
should not wait for Papermill.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["Study", "studies", "study"],
        "execute": [
            "StudyFailedError",
            "clean_notebook",
            "missing_data",
            "run_study",
            "studies_run_in_full",
        ],
        "folders": ["RunFolders"],
        "graph": ["build_book"],
        "imports": ["notebook_dependencies", "study_sources"],
        "keep": ["RecordError", "keep_run"],
        "parameters": ["Parameter", "ParameterError", "check_parameters", "read_parameters"],
        "stamp": ["provenance"],
    },
)
