"""Read a table as a user has it, forgiving of spelling and codes, and report what is odd."""

import hashlib
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.audit.finding import Finding
from cxrstudy.audit.segments import dense_rows
from cxrstudy.data.tables import BLANKS, LabelTableError, parse_csv, read_parquet
from cxrstudy.observations import NEGATIVE, OBSERVATIONS, POSITIVE, UNCERTAIN, crosswalk

_ID_NAMES = (
    "study", "studyid", "id", "studyuid", "studyinstanceuid", "accession", "accessionnumber",
    "exam", "examid", "examination", "image", "imageid", "imageindex", "filename", "file", "path",
    "dicomid", "uid", "sopinstanceuid", "report", "reportid", "case", "caseid",
)  # fmt: skip
_WORDS = {
    POSITIVE: ("positive", "pos", "yes", "y", "true", "t", "present", "p"),
    NEGATIVE: ("negative", "neg", "no", "n", "false", "f", "absent"),
    UNCERTAIN: ("uncertain", "unc", "unsure", "u", "possible", "maybe", "equivocal"),
}
_CODE_OF_WORD = {word: float(code) for code, words in _WORDS.items() for word in words}
_MORE_BLANKS = BLANKS | {"-", "<na>", "missing", "not mentioned", "unmentioned", "blank"}
_GROUP_NAMES = re.compile(
    r"patient|subject|mrn|^sex|gender|^age|view|site|hospital|center|centre|institution|scanner|"
    r"device_?id|vendor|manufacturer|split|fold|partition|subset|race|ethnic|insurance|year|date"
)
# UTF-8 that was read as Latin-1 and written again, and what could not be decoded.
_MOJIBAKE = re.compile("Ã[\u0080-\u00bf]|Â[\u0080-\u00bf]|â€|\ufffd")
# A column of other values than label codes is none of labels.
_LABEL_SHARE = 0.9


@dataclass(frozen=True)
class GivenTable:
    """A table as a user gave it, rows in the order of the file."""

    name: str
    path: Path
    ids: pd.Index  # text, may repeat; blank where there is none
    # Label codes or scores by observation (or a column's own name), NaN where blank.
    values: pd.DataFrame
    others: pd.DataFrame  # columns of text: patient, sex, site and the like
    spelling: dict[str, str]  # of the observations in the file
    findings: tuple[Finding, ...] = ()  # what reading it found

    def spelled(self, columns: Iterable[str]) -> list[str]:
        """Return the names that columns have in the file."""
        return [self.spelling.get(column, column) for column in columns]

    def by_id(self) -> pd.DataFrame:
        """Return the values by id: the first row of each, rows without an id left out."""
        kept = (self.ids != "") & ~self.ids.duplicated()
        return self.values[kept].set_axis(self.ids[kept])

    def column(self, name: str) -> pd.Series | None:
        """Return one of the other columns by its name in any spelling."""
        found = [each for each in self.others if plain(each) == plain(name)]
        return self.others[found[0]] if found else None


def read_given(
    path: str | Path,
    name: str,
    *,
    holds: Literal["labels", "scores", "groups"] = "labels",
    id_column: str = "",
    observed: Collection[str] = (),
) -> GivenTable:
    """Read a CSV or Parquet table of labels, scores or groups.

    Observations are recognised in any spelling and through the crosswalk; other columns that hold
    label codes are kept as observations of their own, and the rest as text. Cells that are no label
    code become blank and are reported, so that nothing is lost in silence. A column that another
    table observed, such as the truth, is an observation here as well, be it blank throughout.
    """
    path = Path(path)
    cells, findings = _read_cells(path, name)
    id_column = _find_id(path, cells, id_column)
    ids = pd.Index(cells[id_column].str.strip(), dtype=object, name="study")
    rest = cells.drop(columns=id_column)
    spelling = {} if holds == "groups" else _observations(rest.columns)
    codes = {column: _parse_codes(rest[column]) for column in rest} if holds == "labels" else {}
    in_words = _in_words([codes[column][1] for column in spelling if column in codes])
    parsed: dict[str, NDArray[np.float64]] = {}
    for column in rest if holds != "groups" else ():
        known = spelling.get(column)
        if known is None and _GROUP_NAMES.search(str(column).lower()):
            continue
        if holds == "scores":
            values, odd, mixed = _parse_scores(rest[column])
        else:
            values, written = codes[column]
            odd, usual = written == "odd", in_words if known else _in_words([written])
            mixed = written == ("number" if usual else "word")
        read = np.isfinite(values).sum()
        is_text = read <= _LABEL_SHARE / (1 - _LABEL_SHARE) * odd.sum()
        if is_text and known is None and column not in observed:
            continue
        parsed[known or column] = values
        findings += _cell_findings(name, column, odd, mixed)
    others = rest[[column for column in rest if spelling.get(column, column) not in parsed]]
    findings += _text_findings(name, cells)
    return GivenTable(
        name=name,
        path=path,
        ids=ids,
        values=pd.DataFrame(parsed, index=cells.index, dtype=float),
        others=others,
        spelling={known: column for column, known in spelling.items()},
        findings=tuple(findings),
    )


def plain(name: object) -> str:
    """Return a name without case, spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def observed_as(column: str) -> str:
    """Return the observation that a column of any spelling is read as, or its own name."""
    return _observation_of_term().get(plain(column), column)


def digest(path: Path) -> str:
    """Return the hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _observation_of_term() -> dict[str, str]:
    """Map every plain spelling to its observation: exact terms, where sources do not differ."""
    terms = crosswalk().query("relation == 'exact'")
    found: dict[str, set[str]] = {}
    for row in terms.itertuples():
        found.setdefault(plain(row.term), set()).add(row.observation)
    unique = {term: names.pop() for term, names in found.items() if len(names) == 1}
    return unique | {plain(name): name for name in OBSERVATIONS}


def _observations(columns: pd.Index) -> dict[str, str]:
    """Map columns to observations; of two for one observation, that with its own name wins."""
    known = {column: _observation_of_term().get(plain(column)) for column in columns}
    by_name = sorted(known, key=lambda column: plain(known[column]) != plain(column))
    taken: dict[str, str] = {}
    for column in by_name:
        if known[column] and known[column] not in taken.values():
            taken[column] = known[column]
    return taken


def _read_cells(path: Path, name: str) -> tuple[pd.DataFrame, list[Finding]]:
    if not path.is_file():
        raise LabelTableError(f"{path}: no such file. Give the path of a CSV or Parquet table.")
    if path.suffix.lower() in {".parquet", ".pq"}:
        return read_parquet(path), []
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return parse_csv(path, content.decode("utf-16")), []
    text, odd_lines = _decode(content)
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    cells = parse_csv(path, text, separator)
    if not odd_lines:
        return cells, []
    rows = np.zeros(len(cells), bool)
    rows[[min(max(line - 1, 0), len(cells) - 1) for line in odd_lines]] = True
    columns = [c for c in cells if cells[c].map(lambda cell: not str(cell).isascii()).any()]
    finding = Finding(
        "encoding",
        "warning",
        name,
        columns,
        dense_rows(rows),
        f"{name}: {len(odd_lines)} lines of the file are not UTF-8, read as Windows-1252.",
        "Save the file again as UTF-8.",
        {"lines": len(odd_lines)},
    )
    return cells, [finding]


def _decode(content: bytes) -> tuple[str, list[int]]:
    """Decode line by line, and list the lines (the header is 0) that are not UTF-8."""
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    lines, odd = [], []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n")):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", errors="replace"))
            odd.append(number)
    return "\n".join(lines), odd


def _find_id(path: Path, cells: pd.DataFrame, wanted: str) -> str:
    if wanted:
        named = [column for column in cells if plain(column) == plain(wanted)]
        if named:
            return named[0]
        shown = ", ".join(map(repr, cells.columns[:5]))
        raise LabelTableError(f"{path}, row 1: no id column {wanted!r}; the columns are {shown}.")
    by_name = {plain(column): column for column in reversed(cells.columns)}
    for name in _ID_NAMES:
        if name in by_name and plain(by_name[name]) not in _observation_of_term():
            return by_name[name]
    distinct = {c: cells[c].nunique() for c in cells if not _GROUP_NAMES.search(str(c).lower())}
    if distinct:
        best = max(distinct, key=distinct.__getitem__)
        numeric = pd.to_numeric(cells[best], errors="coerce")
        is_score = numeric.notna().all() and not (numeric % 1 == 0).all()
        if distinct[best] >= 0.8 * len(cells) and len(cells) > 3 and not is_score:
            return best
    raise LabelTableError(
        f"{path}, row 1: no id column found among {', '.join(map(repr, cells.columns[:5]))}. Name "
        "it study, study_id or id, or say which one it is with --id."
    )


def _filled(text: pd.Series) -> pd.Series:
    return ~text.str.lower().isin(_MORE_BLANKS)


def _parse_codes(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return by cell its code, and whether it is a "number", a "word", "blank" or "odd"."""
    # A column holds few distinct cells, however many rows it has.
    places, cells = pd.factorize(column)
    codes, written = zip(*map(_parse_code, cells), strict=True)
    return np.array(codes)[places], np.array(written)[places]


def _parse_code(cell: str) -> tuple[float, str]:
    text = cell.strip().lower()
    if text in _MORE_BLANKS:
        return np.nan, "blank"
    if text in _CODE_OF_WORD:
        return _CODE_OF_WORD[text], "word"
    with suppress(ValueError):
        if float(text) in {POSITIVE, NEGATIVE, UNCERTAIN}:
            return float(text), "number"
    return np.nan, "odd"


def _in_words(written: list[NDArray[np.str_]]) -> bool:
    """Say whether most codes of some columns are words."""
    counts = [sum(int((each == what).sum()) for each in written) for what in ("word", "number")]
    return counts[0] > counts[1]


def _parse_scores(column: pd.Series) -> tuple[NDArray, NDArray, NDArray]:
    """Return scores, where a cell is none, and where it lies outside 0 to 1 unlike most."""
    text = column.str.strip()
    filled = _filled(text)
    numbers = pd.to_numeric(text.where(filled, None), errors="coerce").astype(float)
    with_comma = filled & numbers.isna() & text.str.fullmatch(r"-?\d*,\d+")
    numbers = numbers.where(~with_comma, pd.to_numeric(text.str.replace(",", "."), "coerce"))
    numbers = numbers.where(np.isfinite(numbers))
    outside = numbers > 1
    # Percent among shares; scores that are no probabilities go beyond 1 by less.
    if outside.mean() > 0.5 or numbers[outside].median() < 10 * numbers[~outside].median():
        outside[:] = False
    odd = filled & numbers.isna()
    return numbers.to_numpy(), odd.to_numpy(), (outside | with_comma).to_numpy()


def _cell_findings(
    name: str, column: str, odd: NDArray[np.bool_], mixed: NDArray[np.bool_]
) -> list[Finding]:
    """Report cells by count and place only: a cell may hold a patient's text."""
    remedy = "Write 1, 0, -1 or nothing (scores: a number from 0 to 1) in the whole column."
    findings = []
    for severity, marked, what in (
        ("error", odd, "hold no value of the code and count as blank"),
        ("warning", mixed, "are written otherwise than the rest"),
    ):
        count = int(marked.sum())
        if count > (0 if severity == "error" else odd.sum()):
            first = int(marked.argmax())
            sentence = f"{name}, {column}: {count} cells {what}, the first in row {first}."
            rows = dense_rows(marked)
            findings.append(
                Finding("encoding", severity, name, [column], rows, sentence, remedy,
                        {"cells": count})
            )  # fmt: skip
    return findings


def _text_findings(name: str, cells: pd.DataFrame) -> list[Finding]:
    """Find text that was decoded wrongly before it was written."""
    findings = []
    for column in cells:
        places, distinct = pd.factorize(cells[column])
        broken = pd.Series(distinct, dtype=str).str.contains(_MOJIBAKE).to_numpy()[places]
        if broken.any():
            sentence = f"{name}, {column}: {int(broken.sum())} cells were decoded wrongly."
            remedy = "Export the table again, as UTF-8 from its source on."
            rows = dense_rows(broken)
            findings.append(Finding("encoding", "warning", name, [column], rows, sentence, remedy))
    return findings
