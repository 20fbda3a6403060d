"""Counted bytes, floors, recorded rows and the choice of what to compile."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from cxrstudy import recorded
from cxrstudy.figures import roofline
from cxrstudy.kernels.offline import chosen_report
from cxrstudy.kernels.roofline import (
    CARDS,
    Card,
    Work,
    eager_traffic,
    floor_table,
    measured_on,
    workloads,
)


def test_a_floor_is_the_larger_of_two_times():
    """On a card of 100 bytes and 128 x 10 instructions per second."""
    card = Card("toy", bytes_per_second=100.0, multiprocessors=1, hertz=10.0)
    assert card.instructions_per_second == 1280
    assert Work("a", "", 200.0, 128.0, "", "").floor_seconds(card) == 2.0
    assert Work("a", "", 1.0, 2560.0, "", "").floor_seconds(card) == 2.0


def test_workloads_grow_with_their_sizes():
    once, twice = workloads(1000, 10, 1000), workloads(2000, 20, 2000)
    for small, large in zip(once, twice, strict=True):
        assert large.instructions == 2 * small.instructions
        assert small.bytes < large.bytes <= 2 * small.bytes
    assert {work.family for work in once} == {"bce", "distill", "augment", "bootstrap", "ranking"}


def test_traffic_of_eager_operations_by_hand():
    """A sum reads 400 bytes and writes 4; a product reads and writes 400 each; a view nothing."""
    values = torch.ones(10, 10)
    traffic = eager_traffic(lambda: (values.T * 2.0).sum()).set_index("operation")
    assert traffic["calls"].to_dict() == {"mul": 1, "sum": 1}
    assert traffic.loc["mul", "bytes"] == 800 and traffic.loc["sum", "bytes"] == 404


def test_only_rows_of_the_card_count_and_the_latest_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "recorded_folder", lambda: tmp_path)
    assert measured_on("H200 SXM").empty
    rows = pd.DataFrame(
        {
            "family": ["bce", "bce", "bce", "ranking"],
            "microseconds": [50.0, 40.0, 90.0, 7.0],
            "hardware": ["NVIDIA H200", "NVIDIA H200", "NVIDIA H100 80GB", "NVIDIA H200"],
            "date": ["2026-01-01", "2026-02-01", "2026-03-01", "2026-01-01"],
        }
    )
    rows.to_csv(tmp_path / "kernels.csv", index=False)
    found = measured_on("H200 SXM").set_index("family")["microseconds"]
    assert found.to_dict() == {"bce": 40.0, "ranking": 7.0}


def test_the_figure_marks_floors_and_what_was_measured():
    card = CARDS["H100 SXM"]
    floors = floor_table(workloads(), card)
    measured = pd.DataFrame({"family": ["bce"], "microseconds": [60.0]})
    axes = roofline(floors, card.bytes_per_second, card.instructions_per_second, measured)
    labels = [line.get_label() for line in axes.get_lines()]
    assert sum("floor" in label for label in labels) == len(floors)
    assert [label for label in labels if "measured" in label] == ["bce, measured"]
    plt.close(axes.get_figure())


def test_an_unknown_choice_of_kernels_is_named():
    pytest.importorskip("triton")
    assert chosen_report("").empty
    with pytest.raises(ValueError, match="no kernel family 'some'"):
        chosen_report("some")
