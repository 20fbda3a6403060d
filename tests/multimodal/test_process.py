"""Models as processes: the protocol, and what goes wrong names the item."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrstudy.multimodal.benchmark import BenchmarkError, answers_table
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.process import ProcessModel

ITEMS = [
    Item("view", "AP or PA?", "PA", ("AP", "PA"), ("../../a",)),
    Item("temporal", "Better?", "no", ("yes", "no"), ("b", "../../a")),
    Item("summary", "Summarise — ü.", "ref", context="Two\nlines."),
]
HEAD = """
import json, os, sys, time
def say(question, **answer):
    print(json.dumps({"id": question["id"], **answer}), flush=True)
for line in sys.stdin:
    q = json.loads(line)
"""


def _images(name):
    return np.full((4, 6), {"../../a": 7, "b": 200}[name], np.uint8)


def _model(body, **options):
    lines = "\n".join("    " + line for line in body.splitlines())
    options = {"name": "mine", "timeout": 20, **options}
    return ProcessModel([sys.executable, "-c", HEAD + lines], _images, **options)


def test_questions_arrive_whole_and_answers_come_back():
    """The process says what it read; the second call asks nothing anew."""
    body = "say(q, text=json.dumps(q) + str(os.getpid()), scores=[-1.0 - n for n in range(2)])"
    with _model(body) as model:
        said, scores = model.generate(ITEMS), model.likelihoods(ITEMS)
        assert model.generate(ITEMS) == said
        assert '"prompt": "Two\\nlines.\\nSummarise \\u2014 \\u00fc."' in said[2]
        assert '"options": ["AP", "PA"]' in said[0] and '"options": []' in said[2]
        assert scores[0].tolist() == [-1, -2] and scores[2] is None


def test_images_lie_in_one_folder_whatever_their_ids_are():
    with _model("say(q, text=';'.join(q['images']))") as model:
        first, second, none = model.generate(ITEMS)
        b, a = second.split(";")
        assert (first, none) == (a, "")
        assert Path(a).parent == Path(b).parent and ".." not in a and Path(a).is_absolute()
        assert np.array(Image.open(a)).tolist() == _images("../../a").tolist()
        assert np.array(Image.open(b))[0, 0] == 200
    assert not Path(a).parent.exists()


def test_scores_may_be_left_out():
    with _model("say(q, text='PA')") as model:
        answers = answers_table(ITEMS, model)
    assert answers["right_likelihood"].isna().all()
    assert answers["right_generation"].tolist()[:2] == [1, 0]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("if q['id']: raise RuntimeError('no memory left')\nsay(q, text='')", "no memory left"),
        ("if q['id']: os._exit(3)\nsay(q, text='')", "ended with code 3: no error shown"),
        ("say(q, text='') if not q['id'] else print('Loading', flush=True)", "got: Loading"),
        ("say(q, text='') if not q['id'] else say({'id': 9}, text='')", 'got: {"id": 9'),
        ("say(q, text='', scores=[0.0] * (2 if not q['id'] else 3))", "perhaps 2 scores"),
        ("say(q, text='' if not q['id'] else None)", '"text": null'),
    ],
)
def test_a_failure_is_one_line_that_names_the_item(body, complaint):
    with _model(body) as model, pytest.raises(BenchmarkError) as got:
        model.generate(ITEMS)
    message = str(got.value)
    assert "mine: item 1 (temporal, b, ../../a)" in message and complaint in message
    assert "\n" not in message


def test_silence_is_an_error_in_time():
    start = time.monotonic()
    with _model("time.sleep(60)", timeout=0.2) as model:
        with pytest.raises(BenchmarkError, match="item 0 .*: no answer in 0.2 seconds"):
            model.generate(ITEMS)
        model._process.kill()  # spares the seconds in which it could end by itself
    assert time.monotonic() - start < 5


def test_nothing_is_left_running():
    body = "import subprocess\nsay(q, text=str(subprocess.Popen(['sleep', '60']).pid))"
    with _model(body) as model:
        (child,) = model.generate(ITEMS[:1])
        os.kill(int(child), 0)
    for _ in range(100):
        status = Path(f"/proc/{child}/stat")
        # Killed, and perhaps not yet reaped by the system.
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the process that the model started is still running")


def test_a_command_that_is_none_is_one_line():
    for command in ("/no/such/program --now", ""):
        with pytest.raises(BenchmarkError, match="cannot be run"):
            ProcessModel(command, _images)
