"""Reports with codes that people gave them: OpenI, or a reader's own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrstudy.data import openi
from cxrstudy.data.openi import NO_FINDING
from cxrstudy.data.tables import LabelTableError, read_label_table
from cxrstudy.labeler.files import read_reports
from cxrstudy.labeler.sections import split_sections
from cxrstudy.observations import NEGATIVE, POSITIVE
from cxrstudy.text.reports import development_half, text_hash_fraction

PARTS: tuple[str, ...] = ("held out", "development", "all")
"""Halves of OpenI's texts; the rules were developed on one of them."""

MINIMUM_EVENTS = 10
"""Fewest positives and negatives on which any score rests."""

_SECTIONS = ["indication", "findings", "impression"]


@dataclass(frozen=True, eq=False)
class CodedReports:
    """Reports by section, with human codes.

    Attributes
    ----------
    sections : DataFrame of str, shape (n_reports, 3)
        Columns indication, findings and impression, empty where absent; indexed by report id.
    codes : dict of str to DataFrame, each of shape (n_reports, n_observations)
        1, 0 and NaN by name of the mapping; the first one is the main one.
    terms : Series of tuple of str
        The codes as people wrote them; empty tuples for own reports.
    steps : dict of str to int
        How the reports were chosen: step to number of reports.
    may_be_quoted : bool
        Whether words of the reports may be shown; never those of own reports.
    name : str
        The data in words, for captions and the ledger.
    """

    sections: pd.DataFrame
    codes: dict[str, pd.DataFrame]
    terms: pd.Series
    steps: dict[str, int]
    may_be_quoted: bool
    name: str

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

    def section_counts(self) -> pd.DataFrame:
        """Count the reports that have each section, and its distinct texts.

        Returns
        -------
        DataFrame of int
            Indexed by section; columns reports, distinct texts and texts that occur repeatedly.
        """
        texts = self.sections.assign(**{
            "findings and impression": openi.findings_and_impression(self.sections)
        })  # fmt: skip
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
        """Count the coded positives of each observation under every mapping.

        Returns
        -------
        DataFrame
            Indexed by observation; a column for each mapping and the share of the first.
        """
        table = pd.DataFrame(
            {name: (codes == POSITIVE).sum() for name, codes in self.codes.items()}
        )
        table["share"] = self.main_codes.mean()
        return table.rename_axis("observation")

    def averaged_observations(self, minimum_positives: int) -> list[str]:
        """List the observations with enough coded positives (and negatives) to be averaged.

        Parameters
        ----------
        minimum_positives : int
            At least 10, since no score rests on fewer.

        Returns
        -------
        list of str

        Raises
        ------
        LabelTableError
            If there is none.
        """
        codes, needed = self.main_codes, max(minimum_positives, MINIMUM_EVENTS)
        fewest = np.minimum((codes == POSITIVE).sum(), (codes == NEGATIVE).sum())
        if not (fewest[self.findings] >= needed).any():
            raise LabelTableError(
                f"{self.name}: no finding has {needed} coded positives and negatives. Lower the "
                f"parameter minimum_positives (not below {MINIMUM_EVENTS}) or give more reports."
            )
        return fewest.index[fewest >= needed].tolist()


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
        If there is no such part.
    LabelTableError, ReportFileError
        If only one of the paths is given, a file breaks its rules, or the two share no id.
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
        sections=kept[_SECTIONS],
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
    sections = sections[_SECTIONS]
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
