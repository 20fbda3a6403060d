"""Figures draw what the table says."""

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cxrstudy.figures import (
    bars_with_intervals,
    curves_in_panels,
    curves_with_bands,
    image_gallery,
    intervals_by_group,
    line_with_marks,
    points_with_intervals,
    ranges_by_group,
)
from cxrstudy.figures.style import use_book_style

SCORES = pd.DataFrame(
    [("Edema", "zeros", 0.5, 0.4, 0.7), ("Edema", "ones", 0.6, 0.5, 0.65),
     ("Fracture", "zeros", 0.2, 0.1, 0.3)],
    columns=["observation", "method", "estimate", "low", "high"],
)  # fmt: skip


@pytest.fixture(autouse=True)
def _closed_and_restored() -> Iterator[None]:
    with mpl.rc_context():
        yield
    plt.close("all")


def _ends(bars) -> set[tuple[float, float]]:
    segments = [segment for lines in bars for segment in lines.get_segments() if len(segment)]
    return {(round(first[0], 6), round(last[0], 6)) for first, last in segments}


def test_intervals_are_drawn_where_the_table_says():
    axes = intervals_by_group(SCORES, "estimate", "observation", "method", label="F1")
    assert axes.get_xlabel() == "F1"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Edema", "Fracture"]
    bars = [lines for container in axes.containers for lines in container.lines[2]]
    assert {(0.4, 0.7), (0.5, 0.65), (0.1, 0.3)} <= _ends(bars)
    # No figure relies on colour alone.
    assert len({container.lines[0].get_marker() for container in axes.containers}) == 2


def test_reference_and_marks_are_drawn():
    marks = pd.Series({"Edema": 0.3, "Fracture": 0.1})
    axes = intervals_by_group(
        SCORES, "estimate", "observation", "method", label="F1", reference=0.0, marks=marks
    )
    assert any(set(line.get_xdata()) == {0.0} for line in axes.lines)
    labels = [text.get_text() for text in axes.figure.findobj(mpl.text.Text)]
    assert "always positive" in labels


def test_marked_points_are_named():
    data = pd.DataFrame({"x": [1, 2, 3], "y": [1.0, 4.0, 9.0], "what": ["", "peak", ""]})
    axes = line_with_marks(data, "x", "y", "what", labels=("rows", "gain"), skip="")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["peak"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rows", "gain")
    axes = line_with_marks(data.iloc[:0], "x", "y", "what", labels=("rows", "gain"), skip="")
    assert "nothing to show" in [text.get_text() for text in axes.texts]


def test_the_style_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use_book_style()


def test_a_bar_prints_its_number_and_interval():
    zeros = SCORES.query("method == 'zeros'")
    axes = bars_with_intervals(zeros, "estimate", "observation", label="F1")
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.2]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["0.500 [0.400, 0.700]", "0.200 [0.100, 0.300]"]


def test_ranges_run_from_one_end_to_the_other():
    marks = pd.Series({"Edema": 0.3, "Fracture": 0.1})
    axes = ranges_by_group(
        SCORES, ("low", "high"), "observation", "method", label="share", marks=marks,
        marks_label="codes",
    )  # fmt: skip
    assert {(0.4, 0.7), (0.5, 0.65), (0.1, 0.3)} <= _ends(axes.collections)
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["zeros"].get_xdata()) == [0.7, 0.3]
    assert list(lines["codes"].get_xdata()) == [0.3, 0.1]
    assert lines["zeros"].get_marker() != lines["ones"].get_marker()


def test_curves_are_drawn_where_the_table_says():
    data = pd.DataFrame(
        [(10, "a", 0.6, 0.5, 0.7), (1, "a", 0.5, 0.4, 0.6), (1, "b", 0.2, 0.1, 0.3)],
        columns=["epoch", "labels", "estimate", "low", "high"],
    )
    axes = curves_with_bands(data, "epoch", "labels", labels=("epoch", "AUROC"), logarithmic=True)
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["a"].get_xydata().tolist() == [[1, 0.5], [10, 0.6]]
    assert lines["b"].get_xydata().tolist() == [[1, 0.2]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "10"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "AUROC")


def test_each_panel_has_the_curves_and_the_line_of_its_own():
    data = pd.DataFrame(
        [(1, "a", "AUROC", 0.5, 0.4, 0.6), (9, "a", "AUROC", 0.6, 0.5, 0.7),
         (1, "b", "share", 0.2, 0.1, 0.3)],
        columns=["epoch", "labels", "panel", "estimate", "low", "high"],
    )  # fmt: skip
    axes = curves_in_panels(
        data, "epoch", "labels", "panel", xlabel="epochs", references=(0.5, None)
    )
    panels = axes.get_figure().axes
    assert [panel.get_ylabel() for panel in panels] == ["AUROC", "share"]
    drawn = [[line.get_ydata() for line in panel.lines] for panel in panels]
    assert [list(values) for values in drawn[0]] == [[0.5, 0.6], [0.5, 0.5]]
    assert [list(values) for values in drawn[1]] == [[0.2]]


def test_a_gallery_shows_every_image_with_its_title():
    images = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
    saliency = np.random.default_rng(0).random((5, 4, 4))
    axes = image_gallery(images, saliency, [f"image {i}" for i in range(5)], label="contours")
    panels = axes.get_figure().axes
    shown = [panel for panel in panels if panel.images]
    assert [panel.get_title(loc="left") for panel in shown] == [f"image {i}" for i in range(5)]
    for panel, image in zip(shown, images, strict=True):
        np.testing.assert_array_equal(panel.images[0].get_array(), image)


def test_points_have_intervals_in_both_directions():
    """One point's interval ends at the point; groups have markers of their own."""
    table = pd.DataFrame(
        {"x": [0.2, 0.6], "x_low": [0.1, 0.6], "x_high": [0.3, 0.7], "estimate": [0.0, 0.1],
         "low": [-0.1, 0.1], "high": [0.1, 0.2], "kind": ["rules", "model"]}
    )  # fmt: skip
    axes = points_with_intervals(table, "kind", labels=("randomness", "gain"), reference=0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("randomness", "gain")
    first, second = axes.containers
    segments = [lines.get_segments()[0].round(6).tolist() for lines in second[2]]
    assert segments == [[[0.6, 0.1], [0.7, 0.1]], [[0.6, 0.1], [0.6, 0.2]]]
    assert first[0].get_marker() != second[0].get_marker()
