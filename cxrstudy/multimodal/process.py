"""A model in a process of its own, with its own Python and libraries, asked by lines of JSON.

The process is started once. For each item it reads one line, a JSON object, from its standard
input, and writes one line to its standard output; both are UTF-8. A question::

    {"id": 0, "images": ["/tmp/x/0.png"], "prompt": "Which view is this?", "options": ["AP", "PA"]}

``images`` are absolute paths of grey 8-bit PNG files, all in one temporary folder, in the order in
which they are to be shown; ``options`` is empty for an open question. Its answer::

    {"id": 0, "text": "PA", "scores": [-4.1, -0.3]}

``text`` names an option, by its words or by its letter, such as ``(B)`` for the second one.
``scores``, the log-likelihood of each option, may be left out. Nothing else may be written to the
standard output; what is written to the standard error is shown when the process fails. At the end
of its input the process ends. A whole model is thus::

    for line in sys.stdin:
        question = json.loads(line)
        text = model.ask(question["images"], question["prompt"], question["options"])
        print(json.dumps({"id": question["id"], "text": text}), flush=True)
"""

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from cxrstudy.multimodal.benchmark import BenchmarkError, item_name
from cxrstudy.multimodal.items import Item

_BAR_SECONDS = 5.0
_SECONDS_TO_END = 5.0


class ProcessModel:
    """A command that answers items, one line of JSON for each; see the module's head.

    Each item is asked once, for text and scores together. Use it as a context: at its end the
    process, all that it started and its folder of images are gone.

    Parameters
    ----------
    command : str or sequence of str
        Such as ``"conda run -n chexagent python my_model.py"``; no shell reads it.
    images : callable of str to numpy.ndarray
        Gives for an image's id its pixels: uint8, shape (height, width), grey.
    name : str, optional
        Of the model in tables; the command by default.
    timeout : float, default 600
        Seconds for each answer; the first includes the start.

    Raises
    ------
    BenchmarkError
        If the command cannot be started; later, if it ends, is silent for too long, or writes what
        is no answer. The message names the item.
    """

    lists_letters = True

    def __init__(
        self,
        command: str | Sequence[str],
        images: Callable[[str], np.ndarray],
        name: str | None = None,
        timeout: float = 600.0,
    ) -> None:
        words = shlex.split(command) if isinstance(command, str) else list(command)
        self.name = name or shlex.join(words)
        self._images = images
        self._timeout = timeout
        self._replies: dict[Item, tuple[str, np.ndarray | None]] = {}
        self._paths: dict[str, str] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="cxrstudy_images_")
        # Beside the images, under a name that no image has.
        self._errors = Path(self._folder.name, "errors.txt")
        try:
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                )
        except (OSError, IndexError, ValueError) as error:
            self._folder.cleanup()
            raise BenchmarkError(f"{self.name or 'no command'}: cannot be run ({error})") from error
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def likelihoods(self, items: Sequence[Item]) -> list[np.ndarray | None]:
        """Give the scores of each option: float64, shape (n_options,); None if there are none."""
        return [scores for _, scores in self._answers(items)]

    def generate(self, items: Sequence[Item]) -> list[str]:
        """Answer each item in words."""
        return [text for text, _ in self._answers(items)]

    def close(self) -> None:
        """End the process, and what it started, and remove its images."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        # What the command started may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> "ProcessModel":
        """Return the model."""
        return self

    def __exit__(self, *error) -> None:
        """End the process."""
        self.close()

    def _answers(self, items: Sequence[Item]) -> list[tuple[str, np.ndarray | None]]:
        bar = tqdm(items, desc="answers", disable=None, mininterval=_BAR_SECONDS)
        for place, item in enumerate(bar):
            if item not in self._replies:
                self._replies[item] = self._ask(place, item)
        return [self._replies[item] for item in items]

    def _ask(self, place: int, item: Item) -> tuple[str, np.ndarray | None]:
        number = len(self._replies)
        where = f"{self.name}: {item_name(place, item)}"
        question = {
            "id": number,
            "images": [self._path(name) for name in item.images],
            "prompt": item.prompt,
            "options": list(item.options),
        }
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):  # it ended, or was closed
            raise BenchmarkError(self._ended(where)) from None
        try:
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty:
            raise BenchmarkError(f"{where}: no answer in {self._timeout:g} seconds") from None
        if not line:
            raise BenchmarkError(self._ended(where))
        return _read_answer(line, number, item, where)

    def _path(self, name: str) -> str:
        """Store an image once, under a number: its id may be no name of a file, such as "a/b"."""
        if name not in self._paths:
            pixels = np.asarray(self._images(name))
            if pixels.dtype != np.uint8 or pixels.ndim != 2:
                raise BenchmarkError(f"image {name} must be grey pixels: uint8, (height, width)")
            path = Path(self._folder.name, f"{len(self._paths)}.png")
            Image.fromarray(pixels).save(path)
            self._paths[name] = str(path.absolute())
        return self._paths[name]

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")  # it ended

    def _ended(self, where: str) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        said = []
        if self._errors.is_file():
            said = self._errors.read_text("utf-8", errors="replace").split("\n")
        # A traceback's last line says what went wrong.
        last = next((line.strip() for line in reversed(said) if line.strip()), "no error shown")
        return f"{where}: the process ended with code {self._process.returncode}: {last[:300]}"


def _read_answer(line: bytes, number: int, item: Item, where: str) -> tuple[str, np.ndarray | None]:
    shown = " ".join(line[:120].decode("utf-8", errors="replace").split())
    try:
        answer = json.loads(line)
        if answer["id"] != number or not isinstance(answer["text"], str):
            raise ValueError
        scores = answer.get("scores")
        if scores is None or not item.options:
            return answer["text"], None
        scores = np.array(scores, np.float64)
        if scores.shape != (len(item.options),):
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise BenchmarkError(
            f'{where}: wanted {{"id": {number}, "text": ...}} and perhaps {len(item.options)} '
            f"scores, got: {shown}"
        ) from None
    return answer["text"], scores
