"""What every labeling program does: read texts, label and time them, write codes and times.

Only the standard library, because programs of other environments import it too.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

WARM_UP = ["The bronchi are patent. No thymoma. Possible situs inversus."] * 20
"""Texts for the first call, which compiles or fills tables: none of them is in a corpus."""

Rows = Iterable[Mapping[str, float]]  # of each text: observation to code, if it has one


def command_line() -> argparse.ArgumentParser:
    """Return a parser of the arguments that all programs share."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", type=Path, help="a JSON string on each line")
    parser.add_argument("codes", type=Path, help="CSV file to write: a row for each text")
    parser.add_argument("seconds", type=Path, help="JSON file to write: wall, processor by repeat")
    parser.add_argument("--repeats", type=int, default=1)
    return parser


def run(
    label: Callable[[list[str]], object],
    as_rows: Callable[[object], Rows],
    arguments: argparse.Namespace,
) -> None:
    """Label the texts that the command line names, and write their codes and the times.

    Wall and processor seconds are those of ``label`` alone: imports, construction, the warm-up
    and the writing of files do not count.
    """
    texts = [json.loads(line) for line in arguments.texts.read_text("utf-8").splitlines()]
    label(WARM_UP)
    seconds = []
    for _ in range(arguments.repeats):
        wall, processor = time.perf_counter(), time.process_time()
        labels = label(texts)
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    rows = list(as_rows(labels))
    observations = sorted({name for row in rows for name in row})
    with arguments.codes.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, observations)
        writer.writeheader()
        writer.writerows(rows)
    arguments.seconds.write_text(json.dumps(seconds))
