"""Label a batch of reports, sentence by sentence."""

from cxrstudy.compiled import numba
from cxrstudy.labeler.phrases import find_phrases
from cxrstudy.labeler.scope import read_sentence
from cxrstudy.labeler.strengths import decide_no_finding
from cxrstudy.labeler.tokens import REPORT_END


@numba.njit(cache=True)
def label_batch(words, spans, n_words, automaton, phrases, ahead, mentions, strengths):
    """Label a batch of reports whose words `split_words` wrote.

    Parameters
    ----------
    words, spans : int32
        See `split_words`.
    n_words : int
    automaton : Automaton
    phrases, ahead, mentions
        Scratch space, see `read_sentence`; as long as the longest sentence (mentions: twice).
    strengths : uint8, shape (n_reports, 15)
        Zeros; filled.
    """
    report = 0
    start = 0
    said_anything = False
    for i in range(n_words):
        if words[i] >= 0:
            continue
        if i > start:
            said_anything = True
            n = find_phrases(words, spans, start, i, automaton, phrases)
            if n > 0:
                read_sentence(phrases, n, automaton, ahead, strengths[report], mentions)
        start = i + 1
        if words[i] == REPORT_END:
            if said_anything:
                decide_no_finding(strengths[report])
            said_anything = False
            report += 1
