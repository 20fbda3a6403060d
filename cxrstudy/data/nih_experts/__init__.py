"""NIH images that radiologists read again: text-mined labels against two expert sources.

============ ================================================================================
nih          `load_nih`: text-mined labels, view, sex and age of 112,120 images
google       `load_google`: adjudicated labels of two sets, 4,376 images
rsna         `load_rsna`: challenge classes of 26,585 images under their NIH names
term_pairs   `compare_terms`: which terms are compared, and how closely they correspond
overlap      `overlap`: images that both expert sources read
sampling     `inverse_sampling_weights`: RSNA was drawn by text-mined label
============ ================================================================================
"""

from cxrstudy.studies.nih_labels_vs_experts.overlap import Overlap, overlap

from .google import GoogleLabels, load_google
from .nih import NihLabels, load_nih
from .rsna import RsnaLabels, load_rsna
from .sampling import (
    inverse_sampling_weights,
    sampling_fractions,
    sampling_fractions_by_group,
    sampling_strata,
)
from .term_pairs import (
    TermComparison,
    TermPair,
    compare_terms,
    relations_table,
    term_pairs,
    with_age_band,
)

__all__ = [
    "GoogleLabels",
    "NihLabels",
    "Overlap",
    "RsnaLabels",
    "TermComparison",
    "TermPair",
    "compare_terms",
    "inverse_sampling_weights",
    "load_google",
    "load_nih",
    "load_rsna",
    "overlap",
    "relations_table",
    "sampling_fractions",
    "sampling_fractions_by_group",
    "sampling_strata",
    "term_pairs",
    "with_age_band",
]
