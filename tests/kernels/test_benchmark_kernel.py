"""The program that times the kernels on a GPU, run on the CPU with tiny sizes."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from cxrstudy import recorded
from cxrstudy.kernels.dispatch import takes_kernel

PEERS = {"bce": 1, "distill": 1, "augment": 2, "bootstrap": 2, "ranking": 2}
COLUMNS = {
    *("family", "workload", "error", "floor_microseconds", "floor_of"),
    *("clock", "microseconds", "microseconds_low", "microseconds_high", "call_microseconds"),
    *("peer", "peer_microseconds", "peer_call_microseconds", "call_ratio"),
    *("ratio", "ratio_low", "ratio_high"),
    *recorded.PROVENANCE,
}


@pytest.mark.interpreter
def test_every_way_is_checked_timed_and_kept(tmp_path, monkeypatch):
    """Checks come first, each kernel itself runs, and earlier rows stay as they were."""
    from benchmarks.kernels import __main__ as kernels
    from benchmarks.kernels import checks, record
    from benchmarks.kernels.timing import wall_times
    from benchmarks.kernels.ways import Sizes

    order = []

    def check_table():
        order.append("checks")
        return checks.check_table()

    def timer(run, repeats=1):
        order.append("time")
        return wall_times(run, repeats)

    monkeypatch.setattr(kernels, "check_table", check_table)
    monkeypatch.setenv(record.COMMIT_VARIABLE, "abc")
    sizes = Sizes(64, 3, 2, 64, 64, counted=(40, 2, 3), scored=(30, 2, 1))
    timers = {kernels.DEVICE: timer, kernels.WALL: timer}
    rows = kernels.gpu_rows("cpu", sizes, timers, compiled=False)
    assert order == ["checks"] + ["time"] * (len(PEERS) + sum(PEERS.values()))
    assert rows.groupby("family").size().to_dict() == PEERS
    assert set(rows) == COLUMNS
    times = rows.filter(regex="ratio|microseconds").drop(columns="floor_microseconds")
    assert (np.isfinite(times) & (times > 0)).all(axis=None)
    assert rows["ratio"].between(rows["ratio_low"], rows["ratio_high"]).all()
    assert set(rows["commit"]) == {"abc"} and rows["versions"].str.contains("triton 3").all()

    monkeypatch.setattr(recorded, "recorded_folder", lambda: tmp_path)
    record.append(rows)
    earlier = (tmp_path / "kernels.csv").read_text()
    assert record.append(rows.head(1)) == tmp_path / "kernels.csv"
    assert (tmp_path / "kernels.csv").read_text().startswith(earlier)
    assert len(recorded.load_recorded("kernels")) == len(rows) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.csv"]


@pytest.mark.interpreter
def test_a_wrong_kernel_is_not_timed(monkeypatch):
    from benchmarks.kernels import __main__ as kernels

    wrong = {"family": ["bce", "ranking"], "error": [0.0, 1.0], "allowed": 0.5, "path": "kernel"}
    monkeypatch.setattr(kernels, "check_table", lambda: pd.DataFrame(wrong))
    with pytest.raises(RuntimeError, match="not timed, since checks failed: ranking"):
        kernels.gpu_rows("cpu", timers={})


@pytest.mark.interpreter
def test_the_kernel_itself_runs_and_a_peer_that_fails_is_left_out(capsys):
    from benchmarks.kernels import __main__ as kernels

    def fails() -> None:
        raise MemoryError("too large")

    timer = partial(kernels.wall_times, repeats=1)
    with pytest.raises(RuntimeError, match="bce: nothing ran in place of the kernel"):
        kernels._rows("bce", {"kernel": lambda: None}, timer, {})
    own = partial(takes_kernel, "bce", torch.device("cpu"))
    rows = kernels._rows("bce", {"kernel": own, "one": fails, "other": own}, timer, {})
    assert [row["peer"] for row in rows] == ["other"]
    assert "no row for one, which failed: MemoryError('too large')" in capsys.readouterr().out
