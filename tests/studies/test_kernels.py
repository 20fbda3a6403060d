"""Study 13: counted bytes, floors, recorded rows, what the page says of its evidence."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from benchmarks.kernels.prices import price_table
from benchmarks.kernels.workloads import workloads
from cxrstudy import recorded
from cxrstudy.recorded import load_recorded
from cxrstudy.studies import kernels


def test_a_floor_is_the_larger_of_two_times():
    """On a card of 100 bytes and 128 x 10 instructions per second."""
    card = kernels.Card("toy", bytes_per_second=100.0, multiprocessors=1, hertz=10.0)
    assert card.instructions_per_second == 1280
    works = {"family": ["a", "b"], "bytes": [200.0, 1.0], "instructions": [128.0, 2560.0]}
    floors = kernels.floor_table(card, pd.DataFrame(works).assign(counted=""))
    assert floors["floor_microseconds"].tolist() == [2e6, 2e6]


def test_workloads_grow_with_their_sizes():
    compiled = load_recorded(kernels.COMPILED)
    once, twice = workloads(compiled, 1000, 10, 1000), workloads(compiled, 2000, 20, 2000)
    assert (twice["instructions"] == 2 * once["instructions"]).all()
    assert (once["bytes"] < twice["bytes"]).all() and (twice["bytes"] <= 2 * once["bytes"]).all()
    assert once["family"].tolist() == ["bce", "distill", "augment", "bootstrap", "ranking"]


def test_traffic_of_eager_operations_by_hand():
    """A sum reads 400 bytes and writes 4; a product reads and writes 400 each; a view nothing."""
    values = torch.ones(10, 10)
    traffic = kernels.eager_traffic(lambda: (values.T * 2.0).sum()).set_index("operation")
    assert traffic["calls"].to_dict() == {"mul": 1, "sum": 1}
    assert traffic.loc["mul", "bytes"] == 800 and traffic.loc["sum", "bytes"] == 404


def test_bytes_of_a_logit_in_the_kernels_by_hand():
    """Bce: labels twice, logit and gradient of float32. Distill: target, logit, gradient."""
    traffic = kernels.loss_traffic(100).set_index("loss")
    assert traffic["kernel_bytes_per_logit"].to_dict() == {"bce": 10, "distill": 12}
    assert (traffic["times"] > 10).all()


def test_every_recorded_table_has_its_provenance_and_no_check_failed():
    for name in (kernels.CHECKS, kernels.COMPILED, kernels.PRICES, kernels.WORKLOADS):
        assert set(recorded.PROVENANCE) <= set(load_recorded(name)), name
    checks = load_recorded(kernels.CHECKS)
    assert (checks["error"] <= checks["allowed"]).all() and (checks["path"] == "kernel").all()
    words = kernels.checks_in_words(pd.DataFrame({"error": [0.0, 1.23e-7], "allowed": 1e-6}))
    assert words["error"].tolist() == ["0 (exact)", "1.2e-07"]


def test_only_rows_of_the_card_count_and_the_latest_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "recorded_folder", lambda: tmp_path)
    card = kernels.CARDS["H200 SXM"]
    assert kernels.measured_on(card).empty
    rows = pd.DataFrame(
        {
            "family": ["bce", "bce", "bce", "ranking"],
            "microseconds": [50.0, 40.0, 90.0, 7.0],
            "hardware": ["NVIDIA H200", "NVIDIA H200", "NVIDIA H100 80GB", "NVIDIA H200"],
            "date": ["2026-01-01", "2026-02-01", "2026-03-01", "2026-01-01"],
        }
    )
    rows.to_csv(tmp_path / "kernels.csv", index=False)
    found = kernels.measured_on(card).set_index("family")["microseconds"]
    assert found.to_dict() == {"bce": 40.0, "ranking": 7.0}


def test_the_figure_marks_floors_and_what_was_measured():
    """The ticks are more than powers of ten, in plain numbers."""
    card = kernels.CARDS["H100 SXM"]
    floors = kernels.floor_table(card)
    measured = pd.DataFrame({"family": ["bce"], "microseconds": [60.0]})
    axes = kernels.roofline(floors, card, measured)
    labels = [line.get_label() for line in axes.get_lines()]
    assert sum("floor" in label for label in labels) == len(floors)
    assert [label for label in labels if "measured" in label] == ["bce, measured"]
    axes.get_figure().canvas.draw()
    texts = [tick.get_text() for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklabels()]
    assert {"1", "2", "5", "10", "500", "1,000"} <= set(texts)
    assert all(text.replace(",", "").replace(".", "").isdigit() for text in texts)
    plt.close(axes.get_figure())


def test_the_evidence_follows_the_records(tmp_path, monkeypatch):
    """Without a recorded GPU the page says so, and names the hardware that records do name."""
    monkeypatch.setattr(recorded, "recorded_folder", lambda: tmp_path)
    (tmp_path / "kernels").mkdir()
    study = pd.DataFrame({"hardware": ["4 x86_64 cores"] * 2, "date": "2026-01-01"})
    for name in ("epoch_sweep", kernels.CHECKS, kernels.PRICES):
        study.to_csv(tmp_path / f"{name}.csv", index=False)
    evidence = kernels.evidence_table().set_index("question")["evidence"]
    assert evidence.iloc[0] == "none: no GPU run has been recorded"
    assert evidence.iloc[1] == "timed on 4 x86_64 cores, 2026-01-01"
    assert "no recorded run used a GPU" in evidence.iloc[-1]
    assert "here: 4 x86_64 cores" in evidence.iloc[-1]
    study.assign(hardware="NVIDIA H200").to_csv(tmp_path / "kernels.csv", index=False)
    study.assign(hardware="NVIDIA H100").to_csv(tmp_path / "frozen.csv", index=False)
    evidence = kernels.evidence_table().set_index("question")["evidence"]
    assert evidence.iloc[0] == "measured on NVIDIA H200; latest of 2026-01-01"
    assert "kernels where a run names NVIDIA H100" in evidence.iloc[-1]


def test_the_rates_of_a_card_are_shown_with_their_product():
    assert kernels.CARDS["H200 SXM"].rates_in_words == (
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
    assert naive["times_this_package"].to_dict() == pytest.approx(expected[naive.index].to_dict())
