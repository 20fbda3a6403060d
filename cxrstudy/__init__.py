"""What does a chest X-ray label measure? The helper package of the study book.

Table of contents, in the order in which a study uses it:

============== =====================================================================
observations   the 14 observations, label codes, uncertainty policies, crosswalk
data           registry of data sets, validated label tables, integrity checks
agreement      agreement between labels, with intervals
kernels        GPU kernels beside their references; one function each, wherever it runs
labeler        a rule labeler for radiology reports, with the words behind each label
text           models that read reports: teachers and students
vision         image models: backbones, heads, one training loop
trainings      one way to run, keep and find again what any model learned
experiments    what several studies share: arms, halves of patients, scores by label source
studies        one module or folder for each notebook, of the same name
published      the papers' printed numbers, with their sources
claims         the ledger: published value, measured value, rule, verdict
display        captioned tables and figures of a notebook, saved beside the page
figures        one function per kind of figure
runs           parameter checks, Papermill runs, provenance
book           the pages that are generated: claims, data, failed studies
============== =====================================================================

Subpackages load on first use, so that ``import cxrstudy`` stays cheap and a study depends
on exactly the modules that it names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "agreement",
        "book",
        "claims",
        "data",
        "display",
        "experiments",
        "figures",
        "kernels",
        "labeler",
        "observations",
        "published",
        "runs",
        "studies",
        "text",
        "trainings",
        "vision",
    ],
)

__version__ = "0.1.0"
