"""Study 14: what becomes of the papers' statements, and the answer that counts them."""

import matplotlib.pyplot as plt
import pytest

from cxrstudy.claims import Measurement
from cxrstudy.studies.published_tables import outcomes


def _found(claim: str, **fields) -> Measurement:
    return Measurement(claim, data="published tables", n=1, **fields)


@pytest.fixture
def decided():
    """One statement of each kind; words and orders have no units."""
    return outcomes.outcomes(
        [
            _found("chexpert.final_policy", cells=5, matching=5),
            _found("chexreason.rewards", cells=2, matching=1, units_off=1),
            _found("chexagent.medical_domain_gain", cells=1, matching=0, units_off=7),
            _found("chexagent.best_everywhere", cells=14, matching=12),
            _found("chexreason.drops", comparable=False),
        ]
    )


def test_a_statement_follows_or_is_off_by_a_unit_or_by_more(decided):
    assert decided["outcome"].tolist() == [
        outcomes.FOLLOWS, outcomes.LAST_DIGIT, outcomes.MATERIAL, outcomes.MATERIAL,
        outcomes.UNLIKE,
    ]  # fmt: skip
    counts = outcomes.outcome_counts(decided)
    assert list(counts) == list(outcomes.OUTCOMES)
    assert counts.loc["CheXagent"].tolist() == [0, 0, 2, 0]
    words = outcomes.outcomes_in_words(counts)
    assert "CheXagent: 2 does not follow" in words and "CheXpert: 1 follows" in words


def test_the_answer_counts_what_was_decided(decided):
    """Its first words turn with the counts."""
    assert outcomes.answer(decided).startswith("Not all. Of 5 printed statements in 3 papers, 1 ")
    assert "2 do not follow, and 1 set" in outcomes.answer(decided)
    follow = decided.assign(outcome=outcomes.FOLLOWS)
    assert outcomes.answer(follow).startswith("All do. Of 5 ")


def test_each_paper_has_one_bar_of_its_statements(decided):
    axes = outcomes.draw_outcomes(outcomes.outcome_counts(decided))
    widths = [sum(bar.get_width() for bar in bars) for bars in axes.containers]
    assert widths == [1, 1, 2, 1]
    plt.close(axes.get_figure())
