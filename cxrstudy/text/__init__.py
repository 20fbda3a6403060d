"""Models of radiology reports: teachers that label them, and students that learn from teachers.

======== =====================================================================================
findings the 13 findings that both label, and their three classes
splits   splits by a hash of the text: the same text is always on the same side
teachers rules, language models behind an endpoint, local language models
students small report classifiers that learn from a teacher
======== =====================================================================================
"""
