"""A rule labeler: report text to 14 observations, each with its evidence.

========== ================================================================================
lexicon    phrases and cues as data (lexicon.yaml), and the parts they play in a sentence
automaton  the lexicon compiled: letters to words, words to phrases
tokens     a report as ASCII, as words and sentence ends
scope      which denial or hedge reaches which finding, in one compiled walk over a sentence
walk       what the walk carries and writes: findings, and anatomy with its adjectives
label      `label_reports`, `explain_report`, `RuleLabeler`
sections   which part of a free-text report may be labeled
files      reports from CSV, Parquet or text files, in chunks
label_file a file of reports to a file of labels
========== ================================================================================
"""

from cxrstudy.labeler.label import (
    Mention,
    RuleLabeler,
    explain_report,
    label_reports,
    mentions_table,
)
from cxrstudy.labeler.lexicon import Lexicon, LexiconError, Role, default_lexicon, parse_lexicon

__all__ = [
    "Lexicon",
    "LexiconError",
    "Mention",
    "Role",
    "RuleLabeler",
    "default_lexicon",
    "explain_report",
    "label_reports",
    "mentions_table",
    "parse_lexicon",
]
