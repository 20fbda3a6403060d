"""How fast students label reports, beside the rules in the same run.

One thread of one core. A student's speed does not depend on what it has learned, so it is trained
for a moment only. `python -m benchmarks.students --record` keeps the table for the book.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from cxrstudy.labeler import label_reports
from cxrstudy.runs import record_benchmark, study
from cxrstudy.studies.distillation.arms import openi_for_distillation
from cxrstudy.studies.distillation.teachers.rules import RuleTeacher
from cxrstudy.text.students import StudentConfig, predict, train_student

CONFIGURATIONS = {
    "MiniLM": StudentConfig(pretrained="minilm_l6_v2", epochs=1),
    "DeBERTa, base": StudentConfig(size="base", epochs=1),
    "BERT, base": StudentConfig(size="base", architecture="bert", epochs=1),
    "DeBERTa, small": StudentConfig(size="small", epochs=1),
    "BERT, small": StudentConfig(size="small", architecture="bert", epochs=1),
}
REPEATS = 5


def speed_table() -> pd.DataFrame:
    """Time every student and the rules on the held-out reports."""
    reports = openi_for_distillation()
    texts = list(reports.texts[reports.held_out])
    training = reports.training_texts[:256]
    targets = RuleTeacher(label_reports)(training)
    rows = [_row("rules", label_reports, texts, -3)]
    for name, config in CONFIGURATIONS.items():
        student = train_student(training, targets, config, device="cpu")
        rows.append(_row(name, partial(predict, student), texts, -1))
    return pd.DataFrame(rows)


def _row(name: str, label: Callable, texts: Sequence[str], digits: int) -> dict:
    label(texts[:64])
    in_batches = min(_seconds(label, texts) for _ in range(REPEATS))
    alone = sorted(_seconds(label, [text]) for text in texts[:100])
    return {
        "labeler": name,
        "reports per second": int(round(len(texts) / in_batches, digits)),
        "median milliseconds for one report": round(1000 * alone[len(alone) // 2], 2),
    }


def _seconds(label: Callable, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    label(texts)
    return time.perf_counter() - start


def main(record: bool = False) -> None:
    """Measure, print and, if asked, keep the table."""
    table = speed_table()
    print(table.to_string(index=False))
    if record:
        record_benchmark(table, "student_speed", study("distillation"), "one thread")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="keep the table in book/recorded")
    main(**vars(parser.parse_args()))
