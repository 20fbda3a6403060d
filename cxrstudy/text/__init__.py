"""Models of radiology reports.

======== =====================================================================================
reports  the 13 findings in three classes, and splits by a hash of the text
students small report classifiers that learn from a teacher
======== =====================================================================================
"""
