"""Models that read reports: teachers, and students that learn from them.

============= ================================================================================
findings      13 findings, each absent, present or uncertain
splits        splits by a hash of the text: the same text is always on the same side
teachers      one protocol for rules, language models behind an endpoint, local language models
students      small report classifiers that learn from a teacher
============= ================================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["findings", "splits", "students", "teachers"]
)
