"""What a build shows: each running study with its cell, the time left, and a table at the end."""

import json
import threading
import time
from collections.abc import Mapping
from statistics import mean

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cxrstudy.paths import in_project
from cxrstudy.runs.catalogue import CELL_FILE, RunFolders, studies

LOG_FOLDER = "_build/log"
_SECONDS_BETWEEN_LINES = 60.0
_TITLES_OF_RULES = {"ledger": "Claims ledger", "site": "Pages of the book"}


class BuildProgress:
    """Living lines on a terminal; elsewhere a line at each begin and end, and one each minute."""

    def __init__(self, set_name: str, console: Console | None = None) -> None:
        self._console = console or Console()
        self._expected = _expected_seconds(set_name)
        self._unseen = set(self._expected)
        self._start = time.monotonic()
        self._begun: dict[str, float] = {}  # what runs now: studies, or a rule after them
        self._n_studies = self._n_finished = 0
        self._side_by_side = 1
        self._live: Live | None = None
        self._closed = threading.Event()

    def plan(self, n_studies: int) -> None:
        """Begin to show a build in which so many studies run."""
        self._n_studies = n_studies
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._living_lines,
                console=self._console,
                refresh_per_second=2,
                transient=True,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            threading.Thread(target=self._speak_each_minute, daemon=True).start()

    def begin(self, name: str) -> None:
        """Note that a study or another rule has begun."""
        self._begun[name] = time.monotonic()
        self._side_by_side = max(self._side_by_side, len(self._begun))
        self._unseen.discard(name)
        expected = self._expected.get(name)
        self._say(f"{_title(name)}: begins" + (f", about {_clock(expected)}" if expected else ""))

    def end(self, name: str) -> None:
        """Note that it is done."""
        elapsed = self._finish(name)
        self._say(f"{_title(name)}: done in {elapsed}; {self._total()}")

    def fail(self, name: str) -> None:
        """Show why it failed, on a terminal above the living lines."""
        elapsed = self._finish(name)
        log = f"{LOG_FOLDER}/{name}.log"
        self._print(f"{_title(name)}: FAILED after {elapsed}: {_error_in(log)} (log: {log})", "red")

    def close(self) -> None:
        """Take the living lines away."""
        self._closed.set()
        if self._live:
            self._live.stop()

    def _finish(self, name: str) -> str:
        self._n_finished += name in studies()
        return _clock(time.monotonic() - self._begun.pop(name))

    def _say(self, line: str) -> None:
        if self._live is None:
            self._print(line)

    def _print(self, line: str, style: str = "none") -> None:
        line = f"{_clock(time.monotonic() - self._start):>7}  {line}"
        self._console.print(Text(line, style=style), soft_wrap=True)

    def _speak_each_minute(self) -> None:
        while not self._closed.wait(_SECONDS_BETWEEN_LINES):
            for name, begun in list(self._begun.items()):
                self._say(f"{_title(name)}: {self._time(name, begun)} {_cell(name)}".rstrip())
            self._say(self._total())

    def _living_lines(self) -> Group:
        lines = Table.grid(padding=(0, 2, 0, 0), expand=True)
        lines.add_column(no_wrap=True)
        lines.add_column(no_wrap=True)
        lines.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, begun in list(self._begun.items()):
            lines.add_row(_title(name), self._time(name, begun), Text(_cell(name)))
        return Group(lines, Text(self._total(), style="bold"))

    def _time(self, name: str, begun: float) -> str:
        elapsed, expected = _clock(time.monotonic() - begun), self._expected.get(name)
        return f"{elapsed} of about {_clock(expected)}" if expected else elapsed

    def _total(self) -> str:
        elapsed, left = _clock(time.monotonic() - self._start), self._seconds_left()
        if not self._n_studies:  # After a failure, the pages of what went well.
            return elapsed
        total = f"{self._n_finished} of {self._n_studies} studies finished in {elapsed}"
        return f"{total}, about {_clock(left)} left" if left else total

    def _seconds_left(self) -> float:
        """Estimate it as if as many as ever ran side by side to the end; 0 if it is not known."""
        now = time.monotonic()
        # Copies, because the lines are drawn in a thread of their own.
        running = {name: begun for name, begun in dict(self._begun).items() if name in studies()}
        n_waiting = self._n_studies - self._n_finished - len(running)
        waiting = [self._expected[name] for name in list(self._unseen)] if n_waiting else []
        if not all([*waiting, *(self._expected[name] for name in running)]):
            return 0.0
        left = [max(self._expected[name] - (now - begun), 0.0) for name, begun in running.items()]
        # Which of the unseen wait is Snakemake's secret when only some are out of date.
        all_left = sum(left) + (n_waiting * mean(waiting) if waiting else 0.0)
        return max([all_left / self._side_by_side, *left])


def stamp_times() -> dict[str, int]:
    """Say for each study that has a run when its stamp was made."""
    stamps = {name: RunFolders.of(name).stamp for name in studies()}
    return {name: stamp.stat().st_mtime_ns for name, stamp in stamps.items() if stamp.exists()}


def print_summary(stamps_before: Mapping[str, int], console: Console | None = None) -> None:
    """Close a build with a table: what was done for each study, how long that took, the book."""
    console = console or Console()
    table = Table("Study", "Time", "Result", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    stamps_now = stamp_times()
    for name, study in studies().items():
        is_kept = stamps_now.get(name) == stamps_before.get(name)
        table.add_row(study.title, *_outcome(RunFolders.of(name), is_kept))
    console.print(table)
    page = in_project("_build/html/index.html")
    book = f"Open the book: {page.as_uri()}" if page.exists() else "There is no book."
    console.print(Text(f"{book}\nLogs: {in_project(LOG_FOLDER)}"), soft_wrap=True)


def _outcome(folders: RunFolders, is_kept: bool) -> tuple[str, str]:
    if folders.failure.exists():
        return "", "failed"
    stamp = folders.read_stamp()
    if not stamp:
        return "", "not run"
    if stamp["missing"]:
        return "", "recorded" if RunFolders.recorded(stamp["study"]).stamp.exists() else "no data"
    return _clock(stamp["seconds"]), "kept" if is_kept else "run"


def _expected_seconds(set_name: str) -> dict[str, float]:
    """Look up how long each study took, in its last run or in the recorded one; 0 if unknown."""
    expected = {}
    for name, study in studies().items():
        made = RunFolders.of(name).read_stamp()
        is_like = made.get("set") == set_name and not made["missing"]
        recorded = study.seconds if set_name == "quick" else 0.0
        expected[name] = made["seconds"] if is_like else recorded
    return expected


def _cell(name: str) -> str:
    """Say at which cell a study is, which its run leaves in a file."""
    if name not in studies():
        return ""
    for path in RunFolders.of(name).stamp.parent.glob(f"tmp*/{CELL_FILE}"):
        try:
            place = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:  # It has ended since.
            continue
        return f"cell {place['cell']} of {place['of']}, {place['heading']}"
    return "starting"


def _error_in(log: str) -> str:
    """Find the line of a log that says what went wrong, or its last."""
    path = in_project(log)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return [*(lines or ["stopped without a message"]), *errors][-1]


def _title(name: str) -> str:
    return studies()[name].title if name in studies() else _TITLES_OF_RULES[name]


def _clock(seconds: float) -> str:
    """Write a duration.

    >>> _clock(75), _clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
