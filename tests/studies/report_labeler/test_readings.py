"""Readings: the sections that the labeler may see, and what it says then."""

import math

from cxrstudy.studies.report_labeler.readings import (
    FINDINGS,
    IMPRESSION,
    READINGS,
    WHOLE_REPORT,
    WITH_INDICATION,
    label_readings,
    reading_texts,
)


def test_sections_never_run_into_each_other(few_reports):
    """A full stop and a blank line stand between them; empty ones leave nothing behind."""
    texts = reading_texts(few_reports, WITH_INDICATION)
    assert texts["a"].startswith("Rule out pneumonia.\n\nSmall left")
    assert texts["a"].endswith("before.\n\nSmall effusion.")
    assert reading_texts(few_reports, IMPRESSION).tolist()[3] == ""


def test_each_reading_sees_its_sections_only(few_reports):
    """The Impression lacks the second effusion; the indication adds a feared finding."""
    labels = label_readings(few_reports)
    assert set(labels) == set(READINGS)
    effusion = {reading: table["Pleural Effusion"] for reading, table in labels.items()}
    assert effusion[WHOLE_REPORT].tolist()[:3] == [1, 1, 0]
    assert effusion[IMPRESSION]["a"] == 1 and math.isnan(effusion[IMPRESSION]["b"])
    assert labels[IMPRESSION].loc["c", "Atelectasis"] == -1
    assert math.isnan(labels[FINDINGS].loc["c", "Atelectasis"])
    assert math.isnan(labels[WHOLE_REPORT].loc["a", "Pneumonia"])
    assert not math.isnan(labels[WITH_INDICATION].loc["a", "Pneumonia"])


def test_labels_have_the_codes_rows_and_columns(few_reports):
    """Ready to be compared."""
    for table in label_readings(few_reports).values():
        assert table.index.equals(few_reports.main_codes.index)
        assert table.columns.equals(few_reports.main_codes.columns)
