"""Radiology reports: their sections, a rule labeler, teachers and students.

============= ================================================================================
sections      which part of a free-text report may be labeled
files         reports from CSV, Parquet or text files, in chunks
splits        splits by a hash of the text: the same text is always on the same side
labeler       `label_reports`, `explain_report`: rules with evidence
label_file    a file of reports to a file of labels
teachers      one protocol for rules, language models behind an endpoint, local language models
students      small report classifiers that learn from a teacher
coded_reports reports with codes that people gave them: OpenI's, or own
readings      labels by what the labeler may read: one section or several
scores        a labeler against human codes, with intervals over texts
============= ================================================================================

Tables of study 08: `impression_outcomes`, `prevalence`, `evidence`, `embedded_phrases` and
`error_gallery` (with `quotes`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "coded_reports",
        "embedded_phrases",
        "error_gallery",
        "evidence",
        "files",
        "impression_outcomes",
        "label_file",
        "labeler",
        "prevalence",
        "quotes",
        "readings",
        "scores",
        "sections",
        "splits",
        "students",
        "teachers",
    ],
    submod_attrs={"labeler": ["RuleLabeler", "explain_report", "label_reports"]},
)
