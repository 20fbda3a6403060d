"""Any input is labeled, and in time that grows with its length alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrstudy.labeler import default_lexicon, explain_report, label_reports
from cxrstudy.labeler.automaton import find_phrases
from cxrstudy.labeler.label import _scratch, _sentences, default_labeler
from cxrstudy.labeler.lexicon import OTHER_ABNORMALITY
from cxrstudy.labeler.scope import read_sentence

WORDS = sorted({word.rstrip("*") for phrase in default_lexicon().phrases for word in phrase})
FRAGMENTS = st.lists(
    st.one_of(st.sampled_from(WORDS), st.sampled_from([".", "\n", "-\n", "XXXX", "2.", "é", "\0"])),
    max_size=60,
).map(" ".join)
REPEATED = [
    "effusion ", "no ", "no effusion or ", ",", "effusion, ", "possible effusion ",
    "effusion not seen ", "heart ", "heart enlarged ", "enlarged ", "1 ", "-\n", "a-\n", "? ",
    "(", "small left effusion and no change in heart size ", "effusion / ",
]  # fmt: skip


@settings(max_examples=300)
@given(st.text(max_size=300) | FRAGMENTS)
def test_any_text_is_labeled(text):
    labels = label_reports([text])
    assert labels.isin([1, 0, -1]).to_numpy().sum() + labels.isna().to_numpy().sum() == 14
    for mention in explain_report(text):
        assert 0 <= mention.start < mention.end <= len(text)


@given(FRAGMENTS)
def test_case_and_blanks_do_not_matter_in_any_text(text):
    wanted = label_reports([text])
    assert label_reports([text.upper()]).equals(wanted)
    assert label_reports(["  ".join(text.split(" "))]).equals(wanted)


def test_long_random_unicode_is_labeled():
    text = "".join(map(chr, np.random.default_rng(0).integers(1, 0xD800, 100_000)))
    assert label_reports([text]).shape == (1, 14)


@pytest.mark.parametrize("piece", REPEATED)
def test_the_walk_over_a_sentence_fills_no_more_than_its_length(piece):
    """Each phrase is looked at once and gives at most two mentions, whatever repeats."""
    labeler = default_labeler()
    words, _ = labeler._split(piece * 2000)
    phrases, mentions = _scratch(words)
    strengths = np.zeros(OTHER_ABNORMALITY + 1, dtype=np.uint8)
    for sentence in _sentences(words):
        n = find_phrases(words, sentence.start, sentence.stop, labeler._automaton, phrases)
        assert n <= sentence.stop - sentence.start
        assert read_sentence(phrases, n, mentions, strengths) <= 2 * n
