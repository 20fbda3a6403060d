"""F1 of written impressions, by hand on invented texts."""

from pathlib import Path

import numpy as np
import pytest

from cxrstudy.agreement import Resampling
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.language import as_bytes
from cxrstudy.studies.chexagent.arms import FULL, OPEN
from cxrstudy.studies.chexagent.summaries import ALWAYS_NORMAL, MICRO, summary_scores
from cxrstudy.table_html import UNDEFINED, with_interval
from cxrstudy.trainings.job import Kept

FEW = Resampling(20)
METHODS = [FULL, "copied findings", "first sentence", ALWAYS_NORMAL]


def summary(findings: str, impression: str) -> Item:
    return Item("summary", "What is the impression?", impression, context=findings)


def wrote(*texts: str) -> Kept:
    return Kept(Path(), {f"said.{FULL}.{OPEN}": as_bytes(texts)}, {})


# Read as effusion, as cardiomegaly and as no finding.
THREE = [
    summary("Pleural effusion. Cardiomegaly.", "Pleural effusion."),
    summary("Cardiomegaly.", "Cardiomegaly."),
    summary("Normal lungs. No pneumothorax.", "Normal chest."),
]


def test_positive_labels_are_counted_over_all_cells():
    # One right of two labels, the empty text has none; all of the second training are right.
    trainings = [wrote("Pleural effusion.", "", "Edema."), wrote(*(i.answer for i in THREE))]
    table = summary_scores(THREE, trainings, FEW)
    micro = table[table["observation"] == MICRO]
    assert micro["method"].tolist() == METHODS
    # F1 = 2 right / (labels + author's three labels): the copy adds a cardiomegaly; one text for
    # all is right once.
    expected = [(2 * 1 / (2 + 3) + 1) / 2, 2 * 3 / (4 + 3), 1, 2 * 1 / (3 + 3)]
    assert micro["estimate"].tolist() == pytest.approx(expected)
    assert (micro["low"] <= micro["estimate"]).all() and (micro["estimate"] <= micro["high"]).all()


def test_too_few_positives_have_no_mean():
    table = summary_scores(THREE, [wrote("", "", "")], FEW)
    means = table[table["observation"] == "mean of no observation"]
    assert means["method"].tolist() == METHODS and means[["estimate", "low"]].isna().all(axis=None)
    assert [with_interval(row, 3) for row in means.itertuples()] == [UNDEFINED] * 4


def test_the_mean_names_the_observations_that_have_ten_positives():
    # Ten edemas and ten effusions; one fracture beside them is too few.
    items = [summary("Pulmonary edema.", "Pulmonary edema.")] * 10
    items += [summary("Pleural effusion.", "Pleural effusion.")] * 9
    items += [summary("Pleural effusion.", "Pleural effusion. Rib fracture.")]
    said = ["Pulmonary edema."] * 5 + [""] * 5 + ["Pleural effusion."] * 10
    table = summary_scores(items, [wrote(*said)], FEW).set_index(["method", "observation"])
    mean = "mean of Edema, Pleural Effusion"
    # Half of the edemas: 2 * 5 / (5 + 10).
    assert table.loc[(FULL, mean), "estimate"] == pytest.approx((2 / 3 + 1) / 2)
    assert table.loc[(FULL, MICRO), "estimate"] == pytest.approx(2 * 15 / (15 + 21))
    assert table.loc[("copied findings", mean), "estimate"] == 1
    assert table.loc[(ALWAYS_NORMAL, mean), "estimate"] == 0
    assert table.loc[(FULL, mean), "n"] == 20 and len(table) == 8


def test_a_text_that_names_nothing_is_read_as_normal():
    """So that a model which babbles is compared with one text for all, and not with nothing."""
    table = summary_scores(THREE, [wrote(*["the of the."] * 3)], FEW)
    found = table.set_index(["method", "observation"])["estimate"]
    assert found[FULL, MICRO] == found[ALWAYS_NORMAL, MICRO] == pytest.approx(1 / 3)


def test_texts_of_other_items_are_refused():
    with pytest.raises(ValueError, match="differ in index"):
        summary_scores(THREE, [wrote("", "")], FEW)


def test_findings_of_no_sentence_are_their_own_first():
    """Such as findings of marks alone."""
    items = [summary("...", "Normal chest."), *THREE[1:]]
    table = summary_scores(items, [wrote("", "", "")], FEW)
    found = table.set_index(["method", "observation"])["estimate"]
    assert np.isfinite(found["first sentence", MICRO])
