"""The sentence at the top of a page follows the numbers of its tables, direction included."""

import ast
import re
from collections.abc import Iterator
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from cxrstudy.data.integrity import Block
from cxrstudy.paths import in_project
from cxrstudy.runs import studies
from cxrstudy.runs.catalogue import RunFolders
from cxrstudy.studies import nlp_to_expert_gap, reader_panel, validation_compass
from cxrstudy.studies.data_integrity import evidence
from cxrstudy.studies.nih_labels_vs_experts import terms
from cxrstudy.studies.report_vs_image_agreement import disagreement


def _row(value: float) -> pd.Series:
    return pd.Series({"estimate": value, "low": value - 0.1, "high": value + 0.1})


def _table(columns: list[str], values: dict) -> pd.DataFrame:
    keys = pd.DataFrame(list(values), columns=columns)
    return keys.join(pd.DataFrame([_row(value) for value in values.values()]))


def _integrity(shift: int | None) -> str:
    """No block, or one of 30 rows."""
    found = [] if shift is None else [SimpleNamespace(block=Block("rotation", 10, 40, shift))]
    scores = {"repaired": 0.5, "by printed id": 0.3, "by printed id - repaired": -0.2}
    cost = _table(["observation", "method"], {("Average", name): x for name, x in scores.items()})
    findings = pd.DataFrame({"severity": ["info"], "kind": "aligned rows", "summary": "fine"})
    return evidence.answer_in_words(findings, found, cost, 300)


def _reasons(beyond: float) -> str:
    sizes = {
        ("all together",): 0.5,
        ("noise of the labeling task",): 0.3,
        ("impression only",): float("nan"),
        ("beyond one reader's noise",): beyond,
    }
    return disagreement.answer_in_words(_table(["reason"], sizes), 8)


def _panel(behind: float) -> str:
    return reader_panel.answer_in_words(_row(0.7), _row(0.4), _row(behind), 9)


def _gap(gap: float) -> str:
    sides = {"report": 0.9 + gap, "expert": 0.9, "gap": gap}
    keys = ("zeros", "negative", "Average", "auroc")
    columns = ["uncertain", "blank", "observation", "metric", "quantity"]
    gaps = _table(columns, {(*keys, side): value for side, value in sides.items()})
    return nlp_to_expert_gap.answer_in_words(gaps, 10)


def _compass(gain: float) -> str:
    outcomes = {(200, "gain over a random choice"): gain, (200, "optimism"): 0.04}
    gains = {("youden", "tuned for Youden", "200"): 0.2, ("f1", "tuned for F1", "200"): -0.3}
    selection = _table(["size", "outcome"], outcomes)
    tuned = _table(["metric", "rule", "size"], gains)
    return validation_compass.answer_in_words(selection, tuned, 200, 10)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (_integrity(None), ["Yes", "300 rows"]),
        (_integrity(-1), ["No", "30 of 300", "a neighbour", "-0.200 (95 % interval -0.300"]),
        (_integrity(3), ["another study"]),
        (_reasons(0.2), ["0.500 is missing", "misses 0.300", "lack 0.200"]),
        (_reasons(0.05), ["not shown: +0.050 (95 % interval -0.050 to +0.150)"]),
        (_panel(0.2), ["0.700 over 9", "behind a reader by 0.200"]),
        (_panel(0.05), ["not told"]),
        (_panel(-0.2), ["ahead of a reader: -0.200"]),
        (_gap(-0.2), ["No, worse", "0.700", "-0.200"]),
        (_gap(0.2), ["Yes", "+0.200"]),
        (_gap(0.05), ["Not shown"]),
        (
            _compass(0.2),
            [
                "Something",
                "+0.200",
                "0.040 (-0.060 to 0.140) too",
                "-0.300 (-0.400 to -0.200) on F1",
            ],
        ),
        (_compass(0.05), ["Nothing that shows"]),
    ],
)
def test_words_follow_the_numbers(sentence, said):
    assert not [words for words in said if words not in sentence], sentence


def test_weighted_and_drawn_sensitivity_are_told_apart():
    scores = {("as drawn", "recall"): 0.7, ("weighted", "recall"): 0.4}
    scores["weighted", "precision"] = 0.3
    answer = terms.answer_in_words(_table(["images", "metric"], scores))
    assert "have 0.40 (95 % interval 0.30 to 0.50)" in answer
    assert "not the 0.70 (0.60 to 0.80)" in answer and "confirm 0.30 (0.20 to 0.40)" in answer


def test_a_figure_shows_two_readings_and_says_where_all_averages_lie():
    readings = {("zeros", "negative"): -0.2, ("ones", "negative"): 0.2, ("ignore", "dropped"): 0.0}
    values = {(*key, "Average", "auroc", "gap"): value for key, value in readings.items()}
    columns = ["uncertain", "blank", "observation", "metric", "quantity"]
    gaps = _table(columns, values).assign(too_few=False)
    judged = nlp_to_expert_gap.judged(gaps, "gap")
    where = "1 lie clearly below zero and 1 clearly above."
    assert nlp_to_expert_gap.averages_in_words(judged).endswith(where)
    assert nlp_to_expert_gap.drawn(judged)["estimate"].tolist() == [-0.2, 0.0]
    assert "not told from zero" in nlp_to_expert_gap.change_in_words(gaps)


NOTEBOOKS = [study.notebook_path for study in studies().values()]
ANSWERS = in_project("cxrstudy/studies")
NUMBER = re.compile(r"\d[.,]\d")


def _texts(node: ast.AST) -> Iterator[str]:
    """String constants below a node, docstrings left out."""
    functions = (each for each in ast.walk(node) if isinstance(each, ast.FunctionDef))
    docs = {id(each.body[0].value) for each in functions if isinstance(each.body[0], ast.Expr)}
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in docs:
            yield each.value


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_number_is_typed_into_an_answer(path):
    """Neither in the cell that answers nor in the functions of the studies that it calls."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    (cell,) = (ast.parse(source) for source in cells if "page.answer(" in source)
    called = {call.func.attr for call in ast.walk(cell)
              if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)}  # fmt: skip
    functions = [
        function
        for module in ANSWERS.rglob("*.py")
        for function in ast.parse(module.read_text("utf-8")).body
        if isinstance(function, ast.FunctionDef) and function.name in called
    ]
    assert any("answer" in function.name for function in functions)
    found = [text for node in (cell, *functions) for text in _texts(node) if NUMBER.search(text)]
    assert not found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_heading_holds_a_measured_number(path):
    """Headings are typed: they say what was found, and numbers stand below them."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type != "code"]
    headings = [line for cell in cells for line in cell.source.splitlines() if line[:2] == "##"]
    measured = re.compile(r"\d[.,]\d|\d ?%|\d of \d")
    assert headings and not list(filter(measured.search, headings))


def test_the_note_to_the_maintainers_quotes_what_was_measured():
    """`book/upstream_note.md` is typed, for a person to send; its numbers are study 01's."""
    note = in_project("book/upstream_note.md").read_text("utf-8")
    tables = RunFolders.recorded("data_integrity").results
    found = pd.read_csv(tables / "alignment_evidence.csv").query("arrangement != 'reversal'")
    said = [f"{kappa:.2f}" for kappa in found["kappa"]]
    cost = pd.read_csv(tables / "cost_of_defect.csv").query("observation == 'Average'")
    cost = cost.set_index("method")[["estimate", "low", "high"]]
    said += [f"{cost.loc[name, 'estimate']:.2f}" for name in ("repaired", "by printed id")]
    said.append(
        "{:.3f} (95 % interval {:.3f} to {:.3f})".format(*cost.loc["by printed id - repaired"])
    )
    (block,) = pd.read_csv(tables / "misaligned_blocks.csv").itertuples()
    said.append(f"rows {block.first_row} to {block.last_row}")
    assert len(said) == 8 and not [words for words in said if words not in note]
