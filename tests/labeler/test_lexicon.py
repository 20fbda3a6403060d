"""A lexicon is data that a reader may extend; what it cannot mean is refused by name."""

import pytest

from cxrstudy.labeler import LexiconError, Role, RuleLabeler, default_lexicon, parse_lexicon
from cxrstudy.observations import OBSERVATIONS

SMALL = """
observations:
  Pneumonia:
    positive: ["pneumonia*", "lung (lobe) infection"]
negation:
  before: ["no"]
alternatives: ["or", "/"]
"""


def test_a_small_lexicon_labels_by_its_own_phrases():
    """A pattern stands for all its phrases."""
    small = parse_lexicon(SMALL, "small")
    phrases = {("lung", "infection"), ("lung", "lobe", "infection"), ("pneumonia*",)}
    assert phrases <= set(small.phrases)
    labels = RuleLabeler(small)(["Pneumonias.", "No lung infection.", "Small pleural effusion."])
    assert labels["Pneumonia"].tolist()[:2] == [1, 0]
    assert labels["Pleural Effusion"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Pneumonia:", "Pneumonias:"), "'Pneumonias' is not one of the observations: No Finding"),
        (("positive:", "present:"), "unknown section 'observations.Pneumonia.present'"),
        (("before:", "ahead:"), r"unknown section 'negation.ahead'"),
        (("pneumonia*", "pneumo*nia"), r"'pneumo\*nia' is not a word"),
        (("pneumonia*", "(lobar)"), "every word is optional"),
        (
            ('["or", "/"]', '["or"]\nneutral: ["no"]'),
            r"'no' is ignored and also .*\(NEGATION_BEFORE\)",
        ),
    ],
)
def test_what_a_lexicon_cannot_mean_is_refused(change, message):
    with pytest.raises(LexiconError, match=message):
        parse_lexicon(SMALL.replace(*change), "small.yaml")


def test_every_observation_but_no_finding_has_phrases():
    named = 0
    for meaning in default_lexicon().phrases.values():
        named |= meaning.mentions | meaning.anatomy
    missing = [name for k, name in enumerate(OBSERVATIONS) if not named >> k & 1]
    assert missing == ["No Finding"]


def test_roles_can_be_left_out_to_see_what_they_do():
    without = default_lexicon().without_roles(
        Role.NEGATION_BEFORE | Role.NEGATION_NOT, "no negation"
    )
    assert RuleLabeler(without)(["No effusion."])["Pleural Effusion"].tolist() == [1]
    assert len(without.phrases) < len(default_lexicon().phrases)
