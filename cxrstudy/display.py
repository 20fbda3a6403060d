"""Captioned tables and figures of a notebook, each saved as a table beside the page."""

import base64
import html
import io
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import publish_display_data
from matplotlib.axes import Axes

from cxrstudy.paths import in_project

METADATA_KEY = "cxrstudy"
"""Key of the output metadata that tells the book what a cell shows."""


def anchor(name: str) -> str:
    """Return the HTML id under which a page shows a table or figure."""
    return name.replace("_", "-")


def save_table(table: pd.DataFrame, name: str, results: str | Path) -> Path:
    """Write an aggregate table as CSV, whole or not at all.

    Parameters
    ----------
    table : DataFrame
        The index is written if it has a name.
    name : str
        File name without ending.
    results : str or Path
        The study's result folder, relative to the project or absolute; made if missing.

    Returns
    -------
    Path
    """
    folder = in_project(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    temporary = folder / f".{name}.{os.getpid()}"
    table.to_csv(temporary, index=_has_named_index(table), float_format="%.6g", lineterminator="\n")
    temporary.replace(path)
    return path


def show_table(
    table: pd.DataFrame,
    name: str,
    caption: str,
    results: str | Path,
    decimals: int | dict[str, int] = 3,
) -> None:
    """Show a table with its caption and save it for download.

    Cells are text from reports and tables as well as numbers, so everything is escaped.

    Parameters
    ----------
    table : DataFrame
    name : str
        Name of the saved file and of the anchor that the ledger links to.
    caption : str
        What the table shows, on which data, with how many cases.
    results : str or Path
        The study's result folder.
    decimals : int or dict of str to int
        Decimals of floating-point columns, for all or by column.
    """
    save_table(table, name, results)
    shown = table.reset_index() if _has_named_index(table) else table
    body = _formatted(shown, decimals).to_html(
        index=False, escape=True, border=0, classes="dataframe cxr-table", na_rep=""
    )
    title = html.escape(caption)
    body = body.replace("<thead>", f"<caption>{title}</caption>\n<thead>", 1)
    wrapped = (
        f'<div class="cxr-scroll" id="{anchor(name)}" tabindex="0" role="region" '
        f'aria-label="{title}">\n{body}\n</div>'
    )
    publish_display_data(
        {"text/html": wrapped, "text/plain": f"{caption}\n{shown.to_string(index=False)}"},
        metadata={METADATA_KEY: {"kind": "table", "name": name}},
    )


def show_figure(
    axes: Axes, data: pd.DataFrame, name: str, caption: str, alt: str, results: str | Path
) -> None:
    """Show a figure with caption and alt text, and save the table behind it.

    Parameters
    ----------
    axes : Axes
        What a function of `cxrstudy.figures` returned; its figure is closed.
    data : DataFrame
        The aggregate numbers that the figure draws.
    name : str
        Name of the saved table and of the anchor that the ledger links to.
    caption : str
        What the figure shows, on which data, with how many cases.
    alt : str
        What a reader who does not see the figure should know.
    results : str or Path
        The study's result folder.
    """
    save_table(data, name, results)
    image = io.BytesIO()
    figure = axes.get_figure()
    figure.savefig(image, format="png", metadata={"Software": None})
    plt.close(figure)
    publish_display_data(
        {"image/png": base64.b64encode(image.getvalue()).decode("ascii"), "text/plain": alt},
        metadata={
            METADATA_KEY: {"kind": "figure", "name": name, "caption": caption, "alt": alt},
            "image/png": {"alt": alt},
        },
    )
    publish_display_data(
        {"text/markdown": f"*{caption}*", "text/plain": caption},
        metadata={METADATA_KEY: {"kind": "caption", "name": name}},
    )


def _has_named_index(table: pd.DataFrame) -> bool:
    return all(name is not None for name in table.index.names)


def _formatted(table: pd.DataFrame, decimals: int | dict[str, int]) -> pd.DataFrame:
    shown = table.copy()
    for column in shown.select_dtypes("floating"):
        places = decimals if isinstance(decimals, int) else decimals.get(column, 3)
        shown[column] = [
            "" if pd.isna(value) else f"{value:.{places}f}" for value in table[column]
        ]
    return shown
