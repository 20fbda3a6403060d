"""A rule labeler: report text to 14 observations, each with its evidence.

========== ================================================================================
lexicon    phrases and cues as data (lexicon.yaml), read and checked
roles      the parts that a phrase can play in a sentence; role_bits: the same for compiled code
automaton  the lexicon compiled: letters to words, words to phrases
folding    any text as ASCII
tokens     words and sentence ends, in one compiled pass
phrases    the phrases of a sentence, and what follows each
strengths  how strongly an observation is asserted, and by which rule
scope      which denial or hedge reaches which finding, in one compiled walk
batch      many reports, sentence by sentence
label      `label_reports`, `explain_report`, `RuleLabeler`
sections   which part of a free-text report may be labeled
files      reports from CSV, Parquet or text files, in chunks
label_file a file of reports to a file of labels
evidence   the words behind a report's labels, as a table
========== ================================================================================
"""

from cxrstudy.labeler.label import Mention, RuleLabeler, explain_report, label_reports
from cxrstudy.labeler.lexicon import (
    Lexicon,
    LexiconError,
    default_lexicon,
    parse_lexicon,
    read_lexicon,
)
from cxrstudy.labeler.roles import Role

__all__ = [
    "Lexicon",
    "LexiconError",
    "Mention",
    "Role",
    "RuleLabeler",
    "default_lexicon",
    "explain_report",
    "label_reports",
    "parse_lexicon",
    "read_lexicon",
]
