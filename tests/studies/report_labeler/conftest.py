"""Coded reports that several tests of this folder label."""

import pandas as pd
import pytest

from cxrstudy.studies.report_labeler.coded_reports import CodedReports

PADDING = " ".join(["The remaining structures of the chest are shown as they were before."] * 3)


@pytest.fixture
def few_reports():
    """Four reports of two texts' worth of findings, coded by hand as an indexer might."""
    sections = pd.DataFrame(
        [
            ("Rule out pneumonia", f"Small left pleural effusion. {PADDING}", "Small effusion."),
            ("Pneumothorax", f"Left pleural effusion. Scarring at the apex. {PADDING}", "Stable."),
            ("", f"No pleural effusion. {PADDING}", "Possible atelectasis."),
            ("", f"Nodule in the right lung. {PADDING}", ""),
        ],
        index=["a", "b", "c", "d"],
        columns=["indication", "findings", "impression"],
    )
    codes = pd.DataFrame(
        {"Lung Lesion": [1, 0, 0, 0], "Atelectasis": [0, 0, 1, 0], "Pneumonia": 0,
         "Pleural Effusion": [1, 1, 1, 0]},
        index=sections.index, dtype=float,
    )  # fmt: skip
    terms = pd.Series(
        [("Nodule/lung", "Pleural Effusion/left/small"), ("Pleural Effusion",),
         ("Pulmonary Atelectasis", "Pleural Effusion/right"), ("normal",)],
        index=sections.index,
    )  # fmt: skip
    return CodedReports(sections, {"strict": codes}, terms, {"scored": 4}, True, "four reports")
