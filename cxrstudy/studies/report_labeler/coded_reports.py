"""Reports with codes that people gave them, OpenI or a reader's own, and their labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.data import openi
from cxrstudy.data.openi import NO_FINDING
from cxrstudy.data.tables import LabelTableError, read_label_table
from cxrstudy.labeler import label_reports
from cxrstudy.labeler.files import read_reports
from cxrstudy.labeler.sections import join_sections, split_sections
from cxrstudy.observations import NEGATIVE, POSITIVE
from cxrstudy.text.reports import development_half, text_hash_fraction

PARTS: tuple[str, ...] = ("held out", "development", "all")
"""Halves of OpenI's texts; the rules were developed on one of them."""

MINIMUM_EVENTS = 10
"""Fewest positives and negatives on which any score rests."""

WHOLE_REPORT, WITH_INDICATION = "whole_report", "with_indication"
INDICATION, FINDINGS, IMPRESSION = _SECTIONS = ("indication", "findings", "impression")

READINGS: dict[str, tuple[str, ...]] = {
    WHOLE_REPORT: (FINDINGS, IMPRESSION),
    IMPRESSION: (IMPRESSION,),
    FINDINGS: (FINDINGS,),
    WITH_INDICATION: (INDICATION, FINDINGS, IMPRESSION),
}
"""Name of a reading to the sections that the labeler may see, in their order."""

WORDS: dict[str, str] = {
    WHOLE_REPORT: "findings and impression",
    WITH_INDICATION: "indication too",
    "human_codes": "human codes",
    "ones": "uncertain as positive",
    "zeros": "uncertain as negative",
    "states": "states it",
    "omits": "leaves it out",
    "doubts": "makes it uncertain",
    "denies": "denies it",
}
"""What the page says for readings, policies and what an Impression does with a finding."""


@dataclass(frozen=True, eq=False)
class CodedReports:
    """Reports by section, with human codes."""

    sections: pd.DataFrame  # str, columns indication, findings, impression; indexed by report id
    codes: dict[str, pd.DataFrame]  # 1, 0 and NaN by name of the mapping; the first is the main one
    terms: pd.Series  # tuples of the codes as people wrote them; empty for own reports
    steps: dict[str, int]  # how the reports were chosen: step to number of reports
    may_be_quoted: bool  # whether words of the reports may be shown; never those of own reports
    name: str  # the data in words, for captions and the ledger

    @property
    def main_codes(self) -> pd.DataFrame:
        """Codes of the first mapping."""
        return next(iter(self.codes.values()))

    @property
    def findings(self) -> list[str]:
        """Coded observations but No Finding, which is the absence of the others."""
        return [name for name in self.main_codes if name != NO_FINDING]

    @property
    def clusters(self) -> np.ndarray:
        """Hash of each report's text; reports with the same text are no independent cases."""
        texts = openi.findings_and_impression(self.sections)
        return np.array([text_hash_fraction(text) for text in texts])

    @property
    def with_both_sections(self) -> pd.Series:
        """Mark the reports that have Findings and an Impression."""
        return (self.sections[[FINDINGS, IMPRESSION]].map(str.strip) != "").all(axis=1)

    def section_counts(self) -> pd.DataFrame:
        """Count the reports that have each section, its distinct texts, and repeated ones."""
        both = {"findings and impression": openi.findings_and_impression(self.sections)}
        texts = self.sections.assign(**both)
        rows = {}
        for section in texts:
            counts = texts.loc[texts[section].str.strip() != "", section].value_counts()
            rows[section] = {
                "reports": counts.sum(),
                "distinct texts": len(counts),
                "reports whose text occurs again": counts[counts > 1].sum(),
            }
        return pd.DataFrame(rows).T.rename_axis("section").astype(int)

    def code_counts(self) -> pd.DataFrame:
        """Count each observation's coded positives under every mapping; share: of the first."""
        counts = {name: (codes == POSITIVE).sum() for name, codes in self.codes.items()}
        table = pd.DataFrame(counts).assign(share=self.main_codes.mean())
        return table.rename_axis("observation")

    def averaged_observations(self, minimum_positives: int) -> list[str]:
        """List observations with enough coded positives and negatives, at least 10 of each."""
        codes, needed = self.main_codes, max(minimum_positives, MINIMUM_EVENTS)
        fewest = np.minimum((codes == POSITIVE).sum(), (codes == NEGATIVE).sum())
        if not (fewest[self.findings] >= needed).any():
            raise LabelTableError(
                f"{self.name}: no finding has {needed} coded positives and negatives. Lower the "
                f"parameter minimum_positives (not below {MINIMUM_EVENTS}) or give more reports."
            )
        return fewest.index[fewest >= needed].tolist()

    def texts(self, reading: str = WHOLE_REPORT) -> pd.Series:
        """Join the sections of a reading so that no sentence runs from one into the next."""
        sections = self.sections[list(READINGS[reading])]
        texts = [join_sections(row) for row in sections.itertuples(index=False)]
        return pd.Series(texts, index=sections.index, dtype=object)

    def label_readings(self) -> dict[str, pd.DataFrame]:
        """Label every report under every reading: 1, 0, -1 and NaN for the coded observations."""
        return {
            reading: label_reports(self.texts(reading).tolist())
            .set_axis(self.sections.index)
            .loc[:, list(self.main_codes)]
            for reading in READINGS
        }


def load_coded_reports(
    reports: str = "", human_codes: str = "", part: str = "held out"
) -> CodedReports:
    """Load OpenI with its MeSH codes, or own reports with a table of human labels.

    OpenI reports that nobody indexed, and those without findings and impression, are left out.
    Of own reports, those that the table of codes names are kept, whatever the part: no rule was
    developed on them.

    Parameters
    ----------
    reports : str
        Path of own reports, as `cxrstudy.labeler.files.read_reports` reads them; empty for OpenI.
    human_codes : str
        Path of their labels, 1 and 0, as `cxrstudy.data.tables.read_label_table` reads them.
    part : {"held out", "development", "all"}
        Which of OpenI's texts.

    Returns
    -------
    CodedReports

    Raises
    ------
    ValueError
        If the part is unknown, only one of the paths is given, a file breaks its rules, or the two
        share no id.
    DataNotAvailableError
        If OpenI is wanted and not at hand.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}; choose one of: {', '.join(PARTS)}")
    if bool(reports) != bool(human_codes):
        raise LabelTableError(
            "give both, reports and human_codes: own reports need labels that people gave them, "
            "and the codes of OpenI belong to its own reports"
        )
    return _own(Path(reports), Path(human_codes)) if reports else _openi(part)


def _openi(part: str) -> CodedReports:
    collection = openi.load_reports()
    developed = pd.Series(
        development_half(openi.findings_and_impression(collection)), collection.index
    )
    chosen = {"held out": ~developed, "development": developed, "all": developed | True}[part]
    indexed = ~openi.not_indexed(collection)
    written = openi.findings_and_impression(collection).str.strip() != ""
    kept = collection[chosen & indexed & written]
    return CodedReports(
        sections=kept[list(_SECTIONS)],
        codes={name: openi.mesh_labels(kept, name) for name in openi.MAPPINGS},
        terms=kept["mesh_major"],
        steps={
            "reports of the collection": len(collection),
            f"of this part ({part})": int(chosen.sum()),
            "left out: nobody indexed it": int((chosen & ~indexed).sum()),
            "left out: neither findings nor impression": int((chosen & indexed & ~written).sum()),
            "scored": len(kept),
        },
        may_be_quoted=True,
        name=f"OpenI reports with MeSH codes, {part}",
    )


def _own(reports: Path, human_codes: Path) -> CodedReports:
    codes = read_label_table(human_codes, frozenset({POSITIVE, NEGATIVE}))
    texts = pd.concat(read_reports(reports)).set_index("id")["report"]
    shared = texts.index.intersection(codes.index, sort=False)
    if shared.empty:
        raise LabelTableError(
            f"{human_codes} and {reports} share no id: the labels have ids like "
            f"{codes.index[0]!r}, the reports like {texts.index[0]!r}. Write both in the same way."
        )
    sections = pd.DataFrame([split_sections(text) for text in texts[shared]], index=shared)
    sections = sections[list(_SECTIONS)]
    written = openi.findings_and_impression(sections).str.strip() != ""
    return CodedReports(
        sections=sections[written],
        codes={"own codes": codes.loc[shared[written]]},
        terms=pd.Series([()] * int(written.sum()), index=shared[written]),
        steps={
            "reports": len(texts),
            "left out: no human codes": len(texts) - len(shared),
            "left out: neither findings nor impression": int((~written).sum()),
            "scored": int(written.sum()),
            "codes without a report": len(codes) - len(shared),
        },
        may_be_quoted=False,
        name=f"{reports.name} with {human_codes.name}",
    )
