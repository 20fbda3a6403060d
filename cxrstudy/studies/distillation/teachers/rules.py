"""The rule labeler as a teacher: its labels, or how often variants of it give them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from cxrstudy.labeler import Role, RuleLabeler, default_lexicon
from cxrstudy.text.reports import ABSENT, classes_from_codes, one_hot

LabelTexts = Callable[[Sequence[str]], pd.DataFrame]  # n texts to codes, shape (n, 14)

ABLATIONS: Mapping[str, int] = {
    "without cues after the finding": (
        Role.NEGATION_AFTER | Role.UNCERTAINTY_AFTER | Role.UNCERTAINTY_AFTER_DESPITE_NEGATION
    ),
    "without cues on either side": Role.NEGATION_EITHER | Role.UNCERTAINTY_EITHER,
    "without verbs and suspicions of doubt": (
        Role.UNCERTAINTY_BEFORE | Role.UNCERTAINTY_SUSPICIOUS | Role.HYPOTHETICAL
    ),
    "without alternatives": Role.ALTERNATIVE,
    "without unchanged and borderline anatomy": Role.STABLE | Role.BORDERLINE,
    "without boundaries": Role.BOUNDARY | Role.DETERMINER | Role.ASSERTION,
}
"""What a variant of the rule labeler leaves out; each changes few labels."""


class RuleTeacher:
    """A labeler as a teacher with hard targets.

    Parameters
    ----------
    label_texts : callable
        From n texts to codes, such as `cxrstudy.labeler.label_reports`.
    """

    def __init__(self, label_texts: LabelTexts) -> None:
        self._label_texts = label_texts

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities, (n, 13, 3): one for the class of each finding."""
        return one_hot(classes_from_codes(self._label_texts(texts)))


class SoftRuleTeacher:
    """Several labelers as one teacher: a class is as probable as it is frequent among them.

    Rules give one answer and no doubt. Where leaving out a group of cues changes the answer, it
    hangs on that group alone; the share of variants that agree says how much.
    """

    def __init__(self, labelers: Sequence[LabelTexts]) -> None:
        if not labelers:
            raise ValueError("a soft teacher needs at least one labeler")
        self._teachers = [RuleTeacher(labeler) for labeler in labelers]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give n texts float32 probabilities of absent, present and uncertain, (n, 13, 3)."""
        return np.mean([teacher(texts) for teacher in self._teachers], axis=0, dtype=np.float32)


@cache
def rule_variants() -> tuple[RuleLabeler, ...]:
    """Build the rule labeler and one variant for each entry of `ABLATIONS`.

    Returns
    -------
    tuple of RuleLabeler
        The complete one first.
    """
    lexicon = default_lexicon()
    smaller = [RuleLabeler(lexicon.without_roles(roles, name)) for name, roles in ABLATIONS.items()]
    return (RuleLabeler(lexicon), *smaller)


def variant_table(texts: Sequence[str]) -> pd.DataFrame:
    """Count what each variant of the rules changes, and where the variants disagree.

    Asserted labels are those that the complete rules call present or uncertain. The last row
    counts labels on which not all variants agree.
    """
    classes = np.stack([classes_from_codes(variant(texts)) for variant in rule_variants()])
    complete = classes[0]
    changed = {
        name: int((variant != complete).sum())
        for name, variant in zip(ABLATIONS, classes[1:], strict=True)
    }
    changed["any of them"] = int((classes != complete).any(axis=0).sum())
    table = pd.Series(changed, name="labels changed").rename_axis("variant").reset_index()
    asserted = (complete != ABSENT).sum()
    return table.assign(**{"share of asserted labels": table["labels changed"] / asserted})
