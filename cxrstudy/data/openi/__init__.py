"""OpenI: chest X-ray reports of Indiana University with codes that people assigned.

========= ===================================================================================
reports   `load_reports`: 3,955 reports by section, with their MeSH codes
mesh      `mesh_labels`: those codes as the 14 observations; `not_indexed`: reports without any
========= ===================================================================================
"""

from .mesh import MAPPINGS, mesh_labels, not_indexed
from .reports import findings_and_impression, load_reports

__all__ = [
    "MAPPINGS",
    "findings_and_impression",
    "load_reports",
    "mesh_labels",
    "not_indexed",
]
