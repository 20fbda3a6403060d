"""Reports with human codes: OpenI by halves, own files by id."""

import math

import numpy as np
import pandas as pd
import pytest

from cxrstudy.data.tables import LabelTableError
from cxrstudy.labeler.files import ReportFileError
from cxrstudy.studies.report_labeler import coded_reports

REPORTS = {
    "r1": "INDICATION: Cough. FINDINGS: Small effusion. IMPRESSION: Effusion.",
    "r2": "FINDINGS: Lungs are clear. IMPRESSION: Normal.",
    "r3": "INDICATION: Fever.",
    "r4": "FINDINGS: lungs are  CLEAR. IMPRESSION: Normal.",
    "r5": "Not coded by anyone.",
}


@pytest.fixture
def own(tmp_path):
    """Five reports; codes for four of them and one stranger."""
    table = pd.DataFrame({"id": REPORTS.keys(), "report": REPORTS.values()})
    table.to_csv(tmp_path / "reports.csv", index=False)
    codes = pd.DataFrame({"id": ["r4", "r1", "r2", "r3", "x"], "Pleural Effusion": [0, 1, 0, 0, 1]})
    codes.to_csv(tmp_path / "codes.csv", index=False)
    return str(tmp_path / "reports.csv"), str(tmp_path / "codes.csv")


@pytest.fixture(scope="module")
def openi_parts():
    return {part: coded_reports.load_coded_reports(part=part) for part in coded_reports.PARTS}


def test_own_reports_are_matched_by_id(own):
    coded = coded_reports.load_coded_reports(*own)
    assert coded.sections.index.tolist() == ["r1", "r2", "r4"]
    assert coded.sections.loc["r1"].tolist() == ["Cough.", "Small effusion.", "Effusion."]
    assert coded.main_codes["Pleural Effusion"].tolist() == [1, 0, 0]
    assert list(coded.codes) == ["own codes"] and coded.findings == ["Pleural Effusion"]
    assert not coded.may_be_quoted and not any(coded.terms)
    assert list(coded.steps.values()) == [5, 1, 1, 3, 1]
    # Case and white space do not make another text.
    first, second, third = coded.clusters
    assert second == third != first
    counts = coded.section_counts()
    assert counts.loc["impression"].tolist() == [3, 2, 2]
    assert counts.loc["indication"].tolist() == [1, 1, 0]
    assert coded.code_counts().loc["Pleural Effusion"].tolist() == pytest.approx([1, 1 / 3])


@pytest.mark.parametrize("given", [("a.csv", ""), ("", "a.csv")])
def test_one_file_alone_is_refused(given):
    with pytest.raises(LabelTableError, match="give both"):
        coded_reports.load_coded_reports(*given)


def test_files_without_a_shared_id_are_refused(own, tmp_path):
    (tmp_path / "other.csv").write_text("id,Edema\nq1,1\n")
    with pytest.raises(LabelTableError, match="share no id.*'q1'.*'r1'"):
        coded_reports.load_coded_reports(own[0], str(tmp_path / "other.csv"))


def test_codes_are_1_or_0(own, tmp_path):
    """A person's label has no uncertain code here, and a missing file is named."""
    (tmp_path / "doubt.csv").write_text("id,Edema\nr1,-1\n")
    with pytest.raises(LabelTableError, match="'-1' is no label code"):
        coded_reports.load_coded_reports(own[0], str(tmp_path / "doubt.csv"))
    with pytest.raises(ReportFileError, match=r"nowhere\.csv: no such file"):
        coded_reports.load_coded_reports(str(tmp_path / "nowhere.csv"), own[1])


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="unknown part 'test'.*held out, development, all"):
        coded_reports.load_coded_reports(part="test")


def test_too_few_positives_name_the_parameter(own):
    """No finding to average: the message says what to lower and how far."""
    with pytest.raises(LabelTableError, match="no finding has 15 .* minimum_positives"):
        coded_reports.load_coded_reports(*own).averaged_observations(15)
    with pytest.raises(LabelTableError, match="no finding has 10 "):
        coded_reports.load_coded_reports(*own).averaged_observations(1)


def test_the_halves_make_the_whole_and_share_no_text(openi_parts):
    """3,955 reports, 95 not indexed, 28 without text; no text on both sides."""
    held_out, development, everything = (openi_parts[part] for part in coded_reports.PARTS)
    assert list(everything.steps.values()) == [3955, 3955, 95, 28, 3832]
    both = held_out.sections.index.union(development.sections.index)
    assert set(both) == set(everything.sections.index)
    assert not set(held_out.clusters) & set(development.clusters)
    assert np.all(development.clusters < 0.5) and np.all(held_out.clusters >= 0.5)


def test_openi_has_both_mappings_and_its_terms(openi_parts):
    coded = openi_parts["development"]
    assert list(coded.codes) == ["strict", "broad"] and coded.may_be_quoted
    assert coded.terms.map(len).min() >= 1
    enough = coded.averaged_observations(15)
    assert (coded.main_codes[enough].sum() >= 15).all() and "No Finding" in enough
    assert (coded.main_codes.drop(columns=enough).sum() < 15).all()


def test_sections_never_run_into_each_other(few_reports):
    """A full stop and a blank line stand between them; empty ones leave nothing behind."""
    texts = few_reports.texts(coded_reports.WITH_INDICATION)
    assert texts["a"].startswith("Rule out pneumonia.\n\nSmall left")
    assert texts["a"].endswith("before.\n\nSmall effusion.")
    assert few_reports.texts(coded_reports.IMPRESSION).tolist()[3] == ""


def test_each_reading_sees_its_sections_only(few_reports):
    """The Impression lacks the second effusion; the indication adds a feared finding."""
    labels = few_reports.label_readings()
    assert set(labels) == set(coded_reports.READINGS)
    effusion = {reading: table["Pleural Effusion"] for reading, table in labels.items()}
    assert effusion[coded_reports.WHOLE_REPORT].tolist()[:3] == [1, 1, 0]
    assert effusion[coded_reports.IMPRESSION]["a"] == 1
    assert math.isnan(effusion[coded_reports.IMPRESSION]["b"])
    assert labels[coded_reports.IMPRESSION].loc["c", "Atelectasis"] == -1
    assert math.isnan(labels[coded_reports.FINDINGS].loc["c", "Atelectasis"])
    assert math.isnan(labels[coded_reports.WHOLE_REPORT].loc["a", "Pneumonia"])
    assert not math.isnan(labels[coded_reports.WITH_INDICATION].loc["a", "Pneumonia"])
    for table in labels.values():
        assert table.index.equals(few_reports.main_codes.index)
        assert table.columns.equals(few_reports.main_codes.columns)
