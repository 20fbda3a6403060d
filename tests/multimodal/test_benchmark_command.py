"""`cxrstudy benchmark` on invented questions: models that guess, that talk nonsense, that fail.

A model of the hub is asked by the command in ``test_hub.py``.
"""

import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cxrstudy import cli
from cxrstudy.data.images import ImageSet
from cxrstudy.multimodal.benchmark import BenchmarkError
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent import image_items, text_items

PROGRAM = """
import json, sys
for line in sys.stdin:
    q = json.loads(line)
    {body}
"""
SAY = "print(json.dumps({{'id': q['id'], 'text': {said}}}), flush=True)"


@pytest.fixture(autouse=True)
def _questions(monkeypatch):
    names = [f"{k}.png" for k in range(6)]
    images = pd.DataFrame({"patient": range(6)}, pd.Index(names, name="image"))
    pixels = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)
    found = ImageSet("invented", "by hand", pixels, images, {}, pd.DataFrame())
    # Answers in training are PA twice in three, held out PA once in two.
    asked = [
        Item("view", "AP or PA?", answer, ("AP", "PA"), (name,), group=name, split=split)
        for split, answers in {"training": ["PA", "PA", "AP"], "held_out": ["PA", "AP"] * 3}.items()
        for name, answer in zip(names, answers, strict=False)
    ]
    texts = [Item("summary", "Sum up.", "Edema.", context="Edema is seen.", split="held_out")]
    texts += [
        Item("said", "So?", answer, ("yes", "no"), context=str(k), split=split)
        for split in ("training", "held_out")
        for k, answer in enumerate(["yes", "no", "no"])
    ]
    monkeypatch.setattr("cxrstudy.data.images.load_images", lambda folder, size: found)
    monkeypatch.setattr(image_items, "image_items", lambda image_set, seed: asked)
    monkeypatch.setattr(text_items, "text_items", lambda image_set, seed: texts)


def _call(*arguments):
    return CliRunner().invoke(cli.app, ["benchmark", *map(str, arguments)])


def _program(tmp_path, body):
    path = tmp_path / "my model.py"
    path.write_text(PROGRAM.format(body=body))
    return f"{sys.executable} '{path}'"


def test_the_majority_is_right_as_often_as_its_answer(tmp_path):
    result = _call("majority", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "view, likelihood: 0.500 (" in result.output and "chance 0.500, n = 6" in result.output
    answers = pd.read_csv(tmp_path / "out" / "answers.csv")
    assert answers["task"].value_counts().to_dict() == {"view": 6, "said": 3, "summary": 1}
    assert set(answers[answers["task"] == "view"]["likeliest"]) == {"PA"}
    found = pd.read_csv(tmp_path / "out" / "accuracy.csv").set_index(["task", "scoring"])
    assert found.loc[("said", "generation"), "estimate"] == pytest.approx(2 / 3)


def test_a_model_that_always_answers_a(tmp_path):
    command = _program(tmp_path, SAY.format(said="'(A)'"))
    result = _call("mine", "--command", command, "--tasks", "view, said", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert answers["parsed"].tolist() == ["AP"] * 6 + ["yes"] * 3
    found = pd.read_csv(tmp_path / "accuracy.csv")
    assert set(found["scoring"]) == {"generation", "generation, official"}
    assert "mine: 9 answers" in result.output


def test_a_model_that_answers_nonsense(tmp_path):
    command = _program(tmp_path, SAY.format(said="'xyz'"))
    assert _call("mine", "--command", command, "--limit", 2, "--out", tmp_path).exit_code == 0
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 5
    found = pd.read_csv(tmp_path / "accuracy.csv").set_index("scoring")
    assert (found.loc["generation", "estimate"] == 0).all() and (found["unparsable"] == 1).all()


def test_a_model_that_crashes_leaves_no_table(tmp_path):
    body = "if '3.png' in q['images'][0]: raise ValueError('too dark')\n    "
    command = _program(tmp_path, body + SAY.format(said="'AP'"))
    result = _call("mine", "--command", command, "--out", tmp_path / "out")
    assert isinstance(result.exception, BenchmarkError)
    assert "mine: item 3 (view, 3.png): the process ended" in str(result.exception)
    assert "ValueError: too dark" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("majority", "--tasks", "sex"), "no task sex; there are: view, summary, said"),
        (("mine", "--command", "/no/such/program"), "cannot be run"),
    ],
)
def test_what_a_user_can_mend_is_one_line(tmp_path, monkeypatch, capsys, arguments, complaint):
    command = ["cxrstudy", "benchmark", *arguments, "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err
    assert caught.value.code == 1 and said.startswith("error: ") and said.count("\n") == 1
    assert complaint in said
