"""Radiology reports: their sections, a rule labeler, teachers and students.

========== ================================================================================
sections   which part of a free-text report may be labeled
files      reports from CSV, Parquet or text files, in chunks
splits     splits by a hash of the text: the same text is always on the same side
labeler    `label_reports`, `explain_report`: rules with evidence
label_file a file of reports to a file of labels
teachers   one protocol for rules, language models behind an endpoint, local language models
students   small report classifiers that learn from a teacher
========== ================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["files", "label_file", "labeler", "sections", "splits", "students", "teachers"],
    submod_attrs={"labeler": ["RuleLabeler", "explain_report", "label_reports"]},
)
