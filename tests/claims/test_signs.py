"""One quantity has one sign: recorded tables among themselves and beside the claims' estimates."""

import pandas as pd
import pytest

from cxrstudy.claims import read_measurements
from cxrstudy.paths import recorded_folder
from cxrstudy.runs.catalogue import RunFolders

NUMBERS = {"estimate", "low", "high", "n", "measure"}
# Claim to the recorded rows that it adds up: factor, measure, and what else names the row.
TERMS = {
    "nlp_expert_gap.short_training": [
        (1, "auroc_expert", {"epochs": 3, "labels_flipped": 0}),
        (-1, "auroc_expert", {"epochs": 60, "labels_flipped": 0}),
    ],
    "nlp_expert_gap.memorises_labeler": [
        (1, "gap", {"epochs": 60, "labels_flipped": 0}),
        (-1, "gap", {"epochs": 3, "labels_flipped": 0}),
    ],
    "nlp_expert_gap.report_labels_flatter_images": [
        (1, "gap", {"method": "ImageNet features (128 px)", "learned_from": "report"})
    ],
    "nlp_expert_gap.label_smoothing": [
        (1, "auroc_expert", {"row": "label_smoothing"}),
        (-1, "auroc_expert", {"row": "plain_tuned"}),
    ],
    "nlp_expert_gap.frozen_beats_metric": [
        (1, "auroc_expert", {"row": "weight_decay"}),
        (-1, "auroc_expert", {"row": "weight_decay_tuned"}),
    ],
    "deberta_rad.student_beats_teacher": [(1, "minus_teacher", {"arm": "of_rules"})],
    "deberta_rad.student_beats_language_model": [
        (1, "minus_teacher", {"arm": "of_language_model"})
    ],
    "deberta_rad.beats_rules": [(1, "minus_rules", {"arm": "distilled"})],
    "deberta_rad.soft_targets": [
        (1, "student", {"arm": "distilled"}),
        (-1, "student", {"arm": "hard_labels"}),
    ],
    "deberta_rad.architecture": [
        (1, "student", {"arm": "distilled"}),
        (-1, "student", {"arm": "distilled_bert"}),
    ],
}


@pytest.mark.parametrize("study", ["epoch_sweep", "frozen_backbone", "regularization"])
def test_a_gap_is_report_minus_expert_in_every_recorded_table(study):
    table = pd.read_csv(RunFolders.recorded(study).results / "arms.csv")
    key = [name for name in table if name not in NUMBERS]
    by_measure = table.pivot(index=key, columns="measure", values="estimate").dropna(subset=["gap"])
    gap = by_measure["auroc_report"] - by_measure["auroc_expert"]
    assert len(gap) > 4
    assert by_measure["gap"].to_numpy() == pytest.approx(gap.to_numpy(), abs=2e-3)


def test_a_gap_of_leaderboard_models_has_the_same_sign():
    by_model = pd.read_csv(recorded_folder() / "nlp_to_expert_gap/results/gap_by_model.csv")
    scores = by_model.pivot(index="model", columns="quantity", values="estimate")
    gap = scores["report"] - scores["expert"]
    assert scores["gap"].to_numpy() == pytest.approx(gap.to_numpy(), abs=1e-5)


@pytest.mark.parametrize("claim", TERMS)
def test_a_claim_has_the_sign_and_size_of_its_recorded_rows(claim):
    studies = ("distillation", "epoch_sweep", "frozen_backbone", "regularization")
    measured = {
        found.claim: (study, found.estimates[claim].value)
        for study in studies
        for found in read_measurements(RunFolders.recorded(study).results)
        if found.claim == claim
    }
    study, value = measured[claim]
    expected = 0.0
    for factor, measure, row in TERMS[claim]:
        table = pd.read_csv(RunFolders.recorded(study).results / "arms.csv")
        table = table[table["measure"] == measure]
        for name, wanted in row.items():
            table = table[table[name] == wanted]
        expected += factor * table["estimate"].item()
    assert value == pytest.approx(expected, abs=2e-3)
