"""Programs that label reports for `benchmarks.reports`, each in a process of its own.

================== ===========================================================================
environment        the virtual environment of a peer, made from pinned requirements
labeling           what every program does: read texts, label, time, write; no package needed
cxrstudy_rules     the rule labeler of this project
medspacy_context   CheXpert's phrases with medspaCy's ConText, run by the peer's Python
================== ===========================================================================
"""
