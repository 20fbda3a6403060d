"""Differences between labeler and codes: counted, and quoted where that is allowed."""

import dataclasses

import pytest

from cxrstudy.studies.report_labeler.error_gallery import ERRORS, error_counts, error_quotes
from cxrstudy.studies.report_labeler.readings import WHOLE_REPORT, label_readings


@pytest.fixture
def labels(few_reports):
    return label_readings(few_reports)[WHOLE_REPORT]


def test_every_report_is_counted_on_its_side(few_reports, labels):
    """Uncertain labels are no error of either kind."""
    counts = error_counts(few_reports.main_codes, labels)
    columns = ["coded", "coded and labeled", *ERRORS, "uncertain, coded", "uncertain, not coded"]
    assert list(counts) == columns
    assert counts.loc["Pleural Effusion"].tolist() == [3, 2, 0, 1, 0, 0]
    assert counts.loc["Lung Lesion"].tolist() == [1, 0, 1, 1, 0, 0]
    assert counts.loc["Atelectasis"].tolist() == [1, 0, 0, 0, 1, 0]


def test_quotes_show_the_evidence_and_the_codes(few_reports, labels):
    """A false positive shows its mention, a false negative the denial that was read."""
    quotes = error_quotes(few_reports, labels).set_index(["observation", "error"])
    assert quotes.loc[("Lung Lesion", ERRORS[0]), "evidence"].startswith("Nodule")
    denied = quotes.loc[("Pleural Effusion", ERRORS[1])]
    assert "No pleural effusion" in denied["evidence"]
    assert denied["codes"] == "Pulmonary Atelectasis; Pleural Effusion/right"


def test_an_error_without_a_word_to_point_at_is_passed_over(few_reports, labels):
    """No word of the code Nodule stands in the report that carries it."""
    quotes = error_quotes(few_reports, labels)
    assert ("Lung Lesion", ERRORS[1]) not in set(zip(quotes["observation"], quotes["error"],
                                                     strict=True))  # fmt: skip


def test_a_word_of_the_code_is_found_by_its_stem(few_reports, labels):
    """A missed finding is pointed at by a word that begins like the code's heading."""
    sections = few_reports.sections.copy()
    sections.loc["a", "findings"] += " A nodular focus."
    reports = dataclasses.replace(few_reports, sections=sections)
    missed = labels.copy()
    missed.loc["a", "Lung Lesion"] = float("nan")
    quotes = error_quotes(reports, missed).set_index(["observation", "error"])
    assert quotes.loc[("Lung Lesion", ERRORS[1]), "evidence"] == "nodular"


def test_quotes_are_short(few_reports, labels):
    """Twelve words, whatever the report."""
    quotes = error_quotes(few_reports, labels)
    text = quotes["before"] + " " + quotes["evidence"] + " " + quotes["after"]
    assert len(quotes) and (text.str.replace("…", "").str.split().map(len) <= 12).all()


def test_own_reports_are_never_quoted(few_reports, labels):
    """The same columns, no row."""
    own = dataclasses.replace(few_reports, may_be_quoted=False)
    quotes = error_quotes(own, labels)
    assert quotes.empty and list(quotes) == list(error_quotes(few_reports, labels))
