"""What the trained studies answer: words and numbers follow the recorded run, or another."""

import numpy as np
import pandas as pd

from cxrstudy.agreement import Estimate
from cxrstudy.runs import RunFolders
from cxrstudy.studies import epoch_sweep, kernels
from cxrstudy.studies.frozen_backbone import heads
from cxrstudy.studies.regularization import checkpoints
from cxrstudy.studies.report_labeler import label_scores


def recorded_arms(study: str) -> pd.DataFrame:
    """The arms of a study's recorded run."""
    return pd.read_csv(RunFolders.recorded(study).results / "arms.csv")


def around(value: float) -> Estimate:
    """An estimate whose 95 % interval is about 0.01 to either side."""
    return Estimate(value, value + np.linspace(-0.01, 0.01, 1001), n=100, positives=50)


def changed(table: pd.DataFrame, query: str, estimate: float) -> pd.DataFrame:
    """The table with another estimate in the rows of a query, known to a hundredth."""
    values = {"estimate": estimate, "low": estimate - 0.01, "high": estimate + 0.01}
    rows = table.query(query).index
    assert len(rows)
    return table.assign(**{name: table[name].mask(table.index.isin(rows), value)
                           for name, value in values.items()})  # fmt: skip


def test_long_runs_memorise_or_not():
    table = recorded_arms("epoch_sweep")
    words = epoch_sweep.answer(table, around(0.0), (3, 60))
    assert words.startswith("Yes: after 60 epochs models repeat 100 % of the wrong labels")
    assert "cannot be told from zero: +0.000 (95 % interval" in words
    spared = changed(table, "epochs == 60 and measure == 'wrong_difference'", 0.0)
    spared = changed(spared, "epochs == 60 and measure == 'wrong_in_training'", 0.45)
    words = epoch_sweep.answer(spared, around(0.05), (3, 60))
    assert words.startswith("No: after 60 epochs models repeat 45 %")
    assert "the long run scores lower: +0.050" in words
    assert "the long run scores higher: -0.050" in epoch_sweep.answer(table, around(-0.05), (3, 60))
    assert "repeat 45 % of the wrong labels" in epoch_sweep.memory_finding(spared, 60)


def test_a_frozen_backbone_is_enough_within_the_margin():
    table = recorded_arms("frozen_backbone")
    verdicts = {0.0: "Enough.", 0.05: "Enough.", -0.02: "Not shown to be enough.",
                -0.05: "Not enough."}  # fmt: skip
    for difference, verdict in verdicts.items():
        assert heads.answer(table, around(difference), 0.02).startswith(verdict)
    blind = "comparison == 'heads' and method == 'view, sex and age'"
    better = changed(table, f"{blind} and measure == 'auroc_expert'", 0.61)
    assert "and view, sex and age alone 0.61;" in heads.answer(better, around(0.0), 0.02)
    findings = [heads.tuning_finding(around(difference)) for difference in (0.05, 0, -0.05)]
    assert len(set(findings)) == 3 and findings[0].startswith("The frozen network scores higher")
    inputs = heads.by_input(table)
    blind = "method == 'view, sex and age' and place == 'pooled over views'"
    words = heads.input_finding(changed(inputs, blind, 0.61))
    assert words.startswith("Without an image, view, sex and age reach 0.61 pooled and 0.")
    assert inputs.groupby("place").size().to_dict() == {"pooled over views": 3, "within view": 3}


def test_expert_images_choose_or_teach():
    table = recorded_arms("regularization")
    words = checkpoints.answer(table, around(0.05))
    assert words.startswith("To choose with, not to optimise on.")
    luck = "row == 'expert_labels_2' and measure == 'gain_over_random'"
    words = checkpoints.answer(changed(table, luck, 0.004), around(0.0))
    assert words.startswith("Not clearly to choose with, and not clearly to optimise on.")
    assert " and +0.004 (" in words and ") AUROC above a random one" in words
    by_luck = changed(table, luck, 0.004)
    found = {checkpoints.chooser_finding(each) for each in (table, by_luck)}
    assert found == {
        "In both halves expert labels chose better than chance",
        "In both halves nothing chose better than chance",
    }
    better = checkpoints.optimising_finding(around(0.05))
    assert better == "Weight decay scores higher than weight decay with an optimised metric"
    assert "no more than chance" in checkpoints.optimising_finding(around(0.0))


def test_weight_decay_is_held_against_the_best_arm():
    rows = {"arm": ["weight_decay", "plain_tuned"], "judge": "expert", "estimate": [0.04, 0.05]}
    words = checkpoints.arm_finding(pd.DataFrame(rows))
    assert words.endswith("gains 0.040 over plain, and no arm more than 0.050")


def test_the_impression_loses_recall_or_not():
    rows = [(reading, "ones", "Macro, 9 findings", metric, value)
            for reading, metric, value in (("whole_report", "recall", 0.9),
                                           ("whole_report", "precision", 0.8),
                                           ("impression", "recall", 0.6))]  # fmt: skip
    names = ["reading", "policy", "observation", "metric", "estimate"]
    table = pd.DataFrame(rows, columns=names)
    words = label_scores.answer(table, "Macro, 9 findings", around(0.3))
    assert "recall of 0.90 and a precision of 0.80" in words and "(macro, 9 findings)" in words
    assert "The Impression alone loses recall: 0.60." in words and "+0.300" in words
    words = label_scores.answer(table, "Macro, 9 findings", around(0.0))
    assert "is not shown to lose recall" in words


def test_saved_bytes_are_counted_until_a_gpu_is_timed():
    traffic = pd.DataFrame({"loss": ["bce"], "eager_bytes_per_logit": [30.0],
                            "kernel_bytes_per_logit": [10.0], "times": [3.0]})  # fmt: skip
    checks = pd.DataFrame({"error": [0.0, 2.0], "allowed": [1.0, 1.0]})
    words = kernels.answer(traffic, checks, None)
    assert "10 bytes in place of 30 (masked loss). 1 of 2 comparisons" in words
    assert "counted and not yet timed" in words
    timed = kernels.answer(traffic, checks, pd.DataFrame({"hardware": ["a card"]}))
    assert timed.endswith("Times are measured on a card.")
    assert kernels.traffic_in_words(traffic).endswith("masked loss: 3 times.")
