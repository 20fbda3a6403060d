"""Models of radiology reports: teachers that label them, and students that learn from teachers.

======== =====================================================================================
reports  the 13 findings that both label in three classes, and splits by a hash of the text
teachers rules, language models behind an endpoint, local language models
students small report classifiers that learn from a teacher
======== =====================================================================================
"""
