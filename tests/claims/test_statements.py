"""The stated claims: complete, decidable and entered before they are measured."""

import dataclasses

import pytest

from cxrstudy.claims import claims
from cxrstudy.claims.statements import FAMILIES, RULES, SCOPES
from cxrstudy.published import PAPERS

PRIMARY = {
    "visualchexbert.table4": ("exact", "same"),
    "visualchexbert.table1_high": ("internal", "internal"),
    "visualchexbert.learned_mapping": ("direction", "same"),
    "visualchexbert.label_hierarchy": ("direction", "proxy"),
    "visualchexbert.odds_ratios": ("direction", "proxy"),
    "visualchexbert.image_supervision": ("direction", "proxy"),
    "nlp_expert_gap.report_labels_flatter": ("direction", "other"),
    "nlp_expert_gap.short_training": ("direction", "other"),
    "nlp_expert_gap.frozen_backbone": ("equivalence", "other"),
    "nlp_expert_gap.exceeds_baseline": ("direction", "other"),
    "deberta_rad.student_beats_teacher": ("direction", "proxy"),
    "chexagent.general_domain_gain": ("internal", "internal"),
    "chexagent.medical_domain_gain": ("internal", "internal"),
    "chexagent.instruction_tuning": ("direction", "other"),
    "chexreason.chexpert_gain": ("internal", "internal"),
    "chexreason.nih_drop": ("internal", "internal"),
    "chexreason.cross_site_contrast": ("internal", "internal"),
}


def test_the_primary_claims_are_those_of_the_plan_with_their_rules():
    primary = {c.id: (c.rule, c.scope) for c in claims().values() if c.family == "primary"}
    assert primary == PRIMARY


def test_every_claim_is_complete():
    named = ("statement", "where", "estimand", "population", "label_policy", "metric", "study")
    for claim in claims().values():
        assert all(getattr(claim, field).strip() for field in (*named, "table")), claim.id
        assert claim.paper in PAPERS and claim.id.startswith(f"{claim.paper}.")


def test_margins_follow_the_metric():
    margins = {"AUROC": 0.02, "F1": 0.03, "macro F1": 0.03}
    for claim in claims().values():
        if claim.rule in {"direction", "equivalence", "value"} and claim.metric in margins:
            assert claim.margin == margins[claim.metric], claim.id


@pytest.mark.parametrize(
    ("field", "value"), [("rule", "guess"), ("scope", "all"), ("family", "tertiary"), ("side", 0)]
)
def test_a_claim_that_no_rule_could_decide_is_refused(field, value):
    stated = claims()["visualchexbert.table4"]
    with pytest.raises(ValueError, match=r"claim visualchexbert\.table4"):
        dataclasses.replace(stated, **{field: value})


def test_the_vocabulary_is_the_plans():
    assert RULES == ("exact", "internal", "direction", "equivalence", "value")
    assert set(SCOPES) == {"same", "other", "proxy", "simulated", "internal"}
    assert FAMILIES == ("primary", "secondary")
