"""Counted bytes, floors, recorded rows and the choice of what to compile."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from cxrstudy.kernels.checks import CHECKS, checks_in_words, error_in_words
from cxrstudy.kernels.offline import chosen_report, report_in_words
from cxrstudy.kernels.prices import price_table
from cxrstudy.kernels.roofline import (
    CARDS,
    COUNTED_WITH,
    Card,
    Work,
    eager_traffic,
    evidence_table,
    floor_table,
    measured_on,
    workloads,
)

from cxrstudy import recorded
from cxrstudy.figures import roofline


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


def test_the_evidence_follows_the_records(tmp_path, monkeypatch):
    """Without a recorded GPU the page says so, and names the hardware that records do name."""
    monkeypatch.setattr(recorded, "recorded_folder", lambda: tmp_path)
    study = pd.DataFrame({"hardware": ["4 x86_64 cores"] * 2, "date": "2026-01-01"})
    study.to_csv(tmp_path / "epoch_sweep.csv", index=False)
    evidence = evidence_table(checked=False).set_index("question")["evidence"]
    assert evidence.iloc[0] == "none: no GPU run has been recorded"
    assert "no recorded run used a GPU" in evidence.iloc[-1]
    assert "here: 4 x86_64 cores" in evidence.iloc[-1]
    study.assign(hardware="NVIDIA H200").to_csv(tmp_path / "kernels.csv", index=False)
    study.assign(hardware="NVIDIA H100").to_csv(tmp_path / "frozen.csv", index=False)
    evidence = evidence_table(checked=False).set_index("question")["evidence"]
    assert evidence.iloc[0] == "measured on NVIDIA H200; latest of 2026-01-01"
    assert "kernels where a run names NVIDIA H100" in evidence.iloc[-1]


def test_the_rates_of_a_card_are_shown_with_their_product():
    assert CARDS["H200 SXM"].rates_in_words == (
        "4.80 TB/s and 33.5 \N{MULTIPLICATION SIGN} 10\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO} "
        "thread-instructions per second (132 multiprocessors \N{MULTIPLICATION SIGN} 128 lanes "
        "\N{MULTIPLICATION SIGN} 1.98 GHz)"
    )


def test_a_price_is_compared_within_its_family_only():
    """Naive rows have a ratio to this package's row; the losses have no naive row."""
    prices = price_table(n_rows=20, n_views=1, n_replicates=4, n_naive_replicates=1)
    naive = prices[prices["path"] == "naive"].set_index("family")
    own = prices[prices["way"] == "this package"].set_index("family")
    assert set(own.index) == {"bce", "distill", *naive.index}
    assert own["times_this_package"].isna().all()
    expected = naive["microseconds_per_unit"] / own["microseconds_per_unit"]
    pd.testing.assert_series_equal(
        naive["times_this_package"], expected[naive.index], check_names=False
    )


def test_words_about_checks_and_compiled_kernels():
    """How many are shown and hold, and why there are none."""
    pytest.importorskip("triton")
    assert error_in_words(0.0) == "0 (exact)" and error_in_words(1.23e-7) == "1.2e-07"
    checks = pd.DataFrame({"error": [0.0, 1.0], "allowed": [0.0, 0.5]})
    assert checks_in_words(checks).startswith("1 of 2 are within the allowed error (Triton ")
    assert "does not interpret" in checks_in_words(checks.iloc[:0])
    assert all(check.compared and check.size for check in CHECKS.values())
    report = chosen_report("")
    assert report_in_words(report).startswith("Shown: 0 of ")


def test_counted_instructions_are_those_of_the_compiled_kernels():
    """A changed kernel has another floor: its counts must change with it."""
    triton = pytest.importorskip("triton")
    if triton.__version__ != COUNTED_WITH:
        pytest.skip(f"instructions were counted with Triton {COUNTED_WITH}")
    from cxrstudy.kernels.offline import compile_offline
    from cxrstudy.kernels.specimens import specimens

    listed = {specimen.name: specimen for specimen in specimens()}
    weighted = listed["distillation_kernel fp32, weights"]
    plain = {**weighted.constants, "N_FINDINGS": 1, "HAS_WEIGHTS": False}
    compiled = {
        "bce": [listed["bce_kernel fp32, i8 labels"], listed["count_kernel"]],
        "distill": [replace(weighted, constants=plain)],
        "augment": [listed["augment_kernel bf16"]],
    }
    counted = {
        work.family: [int(part) for part in re.findall(r"\b\d{3,}\b", work.counted)]
        for work in workloads()
    }
    for family, kernels in compiled.items():
        assert counted[family] == [compile_offline(kernel).instructions for kernel in kernels]
