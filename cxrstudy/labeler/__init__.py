"""A rule labeler: report text to 14 observations, each with its evidence.

========== ================================================================================
lexicon    phrases and cues as data (lexicon.yaml), read and checked
roles      the parts that phrases play in a sentence, and what lies ahead of each
automaton  the lexicon compiled: letters to words, words to phrases
tokens     a report as ASCII, as words and sentence ends
scope      which denial or hedge reaches which finding, in one compiled walk over a sentence
mentions   what the walk adds: findings, and anatomy with its adjectives
walk       what the walk carries and writes
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
from cxrstudy.labeler.lexicon import Lexicon, LexiconError, default_lexicon, parse_lexicon
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
    "mentions_table",
    "parse_lexicon",
]
