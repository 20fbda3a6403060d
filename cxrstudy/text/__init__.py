"""Models of radiology reports.

=============== ==============================================================================
reports         the 13 findings in three classes, and splits by a hash of the text
language_models language models of the registry as folders
students        small report classifiers that learn from a teacher
=============== ==============================================================================
"""
