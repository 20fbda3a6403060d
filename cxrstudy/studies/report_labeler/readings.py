"""What the labeler says of the same reports when it may read one section or several."""

import pandas as pd

from cxrstudy.labeler import label_reports
from cxrstudy.labeler.sections import join_sections
from cxrstudy.studies.report_labeler.coded_reports import CodedReports

WHOLE_REPORT = "findings and impression"
IMPRESSION = "impression"
FINDINGS = "findings"
WITH_INDICATION = "indication too"

READINGS: dict[str, tuple[str, ...]] = {
    WHOLE_REPORT: (FINDINGS, IMPRESSION),
    IMPRESSION: (IMPRESSION,),
    FINDINGS: (FINDINGS,),
    WITH_INDICATION: ("indication", FINDINGS, IMPRESSION),
}
"""Name of a reading to the sections that are read, in their order."""


def reading_texts(reports: CodedReports, reading: str) -> pd.Series:
    """Join the sections of a reading so that no sentence runs from one into the next.

    Parameters
    ----------
    reports : CodedReports
    reading : str
        One of `READINGS`.

    Returns
    -------
    Series of str
        Empty where a report has none of the sections.
    """
    sections = reports.sections[list(READINGS[reading])]
    texts = [join_sections(row) for row in sections.itertuples(index=False)]
    return pd.Series(texts, index=sections.index, dtype=object)


def label_readings(reports: CodedReports) -> dict[str, pd.DataFrame]:
    """Label every report under every reading.

    Parameters
    ----------
    reports : CodedReports

    Returns
    -------
    dict of str to DataFrame, each of shape (n_reports, n_observations)
        Codes 1, 0, -1 and NaN for the coded observations, by reading.
    """
    return {
        reading: label_reports(reading_texts(reports, reading).tolist())
        .set_axis(reports.sections.index)
        .loc[:, list(reports.main_codes)]
        for reading in READINGS
    }
