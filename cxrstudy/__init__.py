"""What does a chest X-ray label measure? The helper package of the study book.

Table of contents, in the order in which a study uses it:

============== =====================================================================
observations   the 14 observations, label codes, uncertainty policies, crosswalk
data           registry of data sets, validated label tables, integrity checks
agreement      agreement between labels, with intervals
kernels        GPU kernels beside their references; one function each, wherever it runs
labeler        a rule labeler of radiology reports
text           teachers and students that read reports
vision         image models: backbones, heads, one training loop
trainings      one way to run, keep and find again what any model learned
audit          a user's own label tables, and what the checks find in them
experiments    what several studies share
studies        one module or folder for each notebook, of the same name
published      the papers' printed numbers, with their sources
claims         the ledger: published value, measured value, rule, verdict
display        the page of a notebook: captioned tables and figures, saved beside it
figures        one function per kind of figure
runs           parameter checks, Papermill runs, provenance, recorded runs
book           the pages that are generated: claims, data, failed studies
============== =====================================================================
"""

__version__ = "0.1.0"
