"""Write the answers of a language model that ship with the book from those that a run kept.

    cxrstudy run distillation --set cpu --build _build/cpu
    python scripts/write_answers.py _build/answers

Put the sha256 that it prints into cxrstudy/data/registry.yaml and data/README.md.
"""

import hashlib
import sys
from pathlib import Path

from cxrstudy.data.registry import dataset
from cxrstudy.paths import in_project
from cxrstudy.studies.distillation.teachers.boxed import DATASET, write_box

if __name__ == "__main__":
    (file,) = dataset(DATASET).files
    path = in_project(Path("data", dataset(DATASET).folder, file))
    path.parent.mkdir(parents=True, exist_ok=True)
    print(write_box(sys.argv[1], path), "answers", hashlib.sha256(path.read_bytes()).hexdigest())
